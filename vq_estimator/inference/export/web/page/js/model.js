// The VQ-VAE of the page: images to codes and back, and what an image costs in bits given codes.

import { halves, stack, start, tensor } from "./engine.js";
import { TablePrior } from "./table_prior.js";
import { TrainedPrior } from "./trained_prior.js";

async function fetched(path, base) {
  const response = await fetch(new URL(path, base));
  if (!response.ok) throw new Error(`${path}: ${response.status} ${response.statusText}`);
  return response;
}

export class Model {
  /** Loads the model in the folder `base`. */
  static async load(base) {
    const manifest = await (await fetched("model.json", base)).json();
    const bytes = new Uint8Array(await (await fetched("examples.bin", base)).arrayBuffer());
    return new Model(manifest, bytes, await start(manifest.models, base));
  }

  constructor(manifest, examples, run) {
    Object.assign(this, manifest, { manifest, run });
    const [height, width, channels] = manifest.shape;
    this.dims = height * width * channels;
    this.size = manifest.grid.reduce((a, b) => a * b);
    this.prior = manifest.prior === "trained" ? new TrainedPrior(run, manifest) : new TablePrior(manifest);
    this.examples = Array.from({ length: manifest.examples }, (_, i) => bytesOf(examples, i, this.dims));
  }

  /** An image to the encoder's output, float32. */
  async continuous(pixels) {
    return (await this.run("encoder", { images: tensor("uint8", [1, ...this.shape], pixels) })).z.data;
  }

  /** Encoder outputs to code maps. */
  async quantize(vectors) {
    const data = new Float32Array(vectors.length * vectors[0].length);
    vectors.forEach((z, i) => data.set(z, i * z.length));
    const { codes } = await this.run("quantizer", { z: tensor("float32", [vectors.length, ...this.vectors], data) });
    return vectors.map((_, i) => codes.data.slice(i * this.size, (i + 1) * this.size));
  }

  async encode(pixels) {
    return (await this.quantize([await this.continuous(pixels)]))[0];
  }

  /** Code maps to images, with the bits that `pixels`, the true image, costs given each. */
  async decode(maps, pixels) {
    const decoded = halves(maps).map(async (part) => {
      const { images, bits } = await this.run("decoder", {
        codes: stack(part, this.grid),
        image: tensor("uint8", [1, ...this.shape], pixels),
      });
      return part.map((_, i) => ({ pixels: bytesOf(images.data, i, this.dims), distortion: bits.data[i] }));
    });
    return (await Promise.all(decoded)).flat();
  }

  /** What the maps cost with each alternative at n: [{code, pixels, rate, distortion}], the cheapest first. */
  async alternatives(codes, n, pricing, pixels, most) {
    const candidates = await this.prior.candidates(codes, n, pricing, most);
    const maps = candidates.codes.map((k) => Int32Array.from(codes, (code, i) => (i === n ? k : code)));
    const [decoded, rates] = await Promise.all([
      this.decode(maps, pixels),
      this.prior.rescore(codes, n, pricing, candidates),
    ]);
    return candidates.codes
      .map((code, i) => ({ code, rate: rates[i], ...decoded[i] }))
      .sort((a, b) => a.rate + a.distortion - (b.rate + b.distortion));
  }

  /** Code maps on the straight line between the encoder outputs of two images, both ends included. */
  async interpolate(from, to, steps) {
    const [a, b] = await Promise.all([this.continuous(from), this.continuous(to)]);
    const line = Array.from({ length: steps }, (_, i) => i / (steps - 1));
    return this.quantize(line.map((share) => a.map((x, j) => x * (1 - share) + b[j] * share)));
  }
}

const bytesOf = (bytes, i, size) => bytes.slice(i * size, (i + 1) * size);
