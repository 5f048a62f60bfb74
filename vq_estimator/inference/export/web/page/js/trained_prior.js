// The trained prior: p(z), or of a class-conditional one p(z) = mean over the classes of p(z | class).
//
// A code map is an Int32Array of h w L codes, in the order in which the prior draws them: row by row, and the L codes of
// a position in sequence. The index n of a code is its place in this order.

import { draw, gumbel, meanBits, shares, softmaxBits } from "./bits.js";
import { halves, stack, tensor } from "./engine.js";

const FORCE = 1e9; // noise that makes a code the one that is chosen
const CERTAIN = 16; // a class that is this many bits less likely than the best adds less than 0.0001 bits
const SMALL = 64; // maps of up to this many codes are evaluated under all classes: one code can change the class

export class TrainedPrior {
  constructor(run, { grid, K, classes }) {
    [this.height, this.width, this.levels] = grid;
    Object.assign(this, { run, grid, K, classes, size: grid[0] * grid[1] * grid[2] });
  }

  /** What depends on the class in the inputs of `count` maps. */
  labels(labels) {
    return this.classes ? { labels: tensor("int32", [labels.length], Int32Array.from(labels)) } : {};
  }

  get everyClass() {
    return Array.from({ length: this.classes || 1 }, (_, c) => c);
  }

  place(n) {
    const position = Math.floor(n / this.levels);
    return { row: Math.floor(position / this.width), column: position % this.width, level: n % this.levels };
  }

  /** Computes a map's bits: `before[c][n]` are those of the codes before n under class c, `rate` those of the map. */
  async price(codes) {
    const parts = halves(this.everyClass);
    const results = await Promise.all(
      parts.map((part) => this.run("prior", { codes: stack(part.map(() => codes), this.grid), ...this.labels(part) })),
    );
    const before = results.flatMap(({ bits }, i) => parts[i].map((_, b) => this.sums(bits.data, b * this.size)));
    const mixture = Float64Array.from({ length: this.size + 1 }, (_, n) => meanBits(before.map((sums) => sums[n])));
    return {
      before,
      rate: mixture[this.size],
      each: Float64Array.from({ length: this.size }, (_, n) => mixture[n + 1] - mixture[n]),
    };
  }

  sums(bits, offset) {
    const sums = new Float64Array(this.size + 1);
    for (let n = 0; n < this.size; n++) sums[n + 1] = sums[n] + bits[offset + n];
    return sums;
  }

  /** One step of the prior at the position of code n: `noise(level, class)` fills the K numbers of a code. */
  step(codes, n, labels, temperature, noise) {
    const { row, column } = this.place(n);
    const values = new Float32Array(labels.length * this.levels * this.K);
    labels.forEach((_, b) => {
      for (let level = 0; level < this.levels; level++) {
        const start = (b * this.levels + level) * this.K;
        noise(values.subarray(start, start + this.K), level);
      }
    });
    return this.run("step", {
      codes: stack(labels.map(() => codes), this.grid),
      ...this.labels(labels),
      row: tensor("int32", [], Int32Array.of(row)),
      column: tensor("int32", [], Int32Array.of(column)),
      noise: tensor("float32", [labels.length, this.levels, this.K], values),
      temperature: tensor("float32", [], Float32Array.of(temperature)),
    });
  }

  /**
   * The `most` likeliest codes at n given the codes before, and the present one, with their bits by class. If these are
   * all codes, and of a small map, `rescore` needs no bits.
   */
  async candidates(codes, n, pricing, most) {
    if (this.size <= SMALL && this.K <= most) return { codes: [...Array(this.K).keys()] };
    const { level } = this.place(n);
    const start = n - level;
    const { logits } = await this.step(codes, n, this.everyClass, 1, (values, l) => {
      values[codes[start + l]] = FORCE;
    });
    const bits = this.everyClass.map((c) => softmaxBits(logits.data, (c * this.levels + level) * this.K, this.K));
    const weights = shares(pricing.before.map((sums) => sums[n]));
    const probability = Float64Array.from({ length: this.K }, (_, k) =>
      weights.reduce((sum, weight, c) => sum + weight * 2 ** -bits[c][k], 0),
    );
    const order = Array.from({ length: this.K }, (_, k) => k).sort((a, b) => probability[b] - probability[a]);
    const chosen = order.slice(0, most);
    if (!chosen.includes(codes[n])) chosen.push(codes[n]);
    return { codes: chosen, bits: bits.map((of) => chosen.map((k) => of[k])) };
  }

  /** The bits of the whole map with each candidate at n instead of the present code. */
  async rescore(codes, n, pricing, candidates) {
    const first = this.place(n).row;
    const skipped = n - first * this.width * this.levels; // codes of that row before n
    const maps = candidates.codes.map((k) => Int32Array.from(codes, (code, i) => (i === n ? k : code)));
    const everywhere = this.size <= SMALL;
    // At first the codes after n have the bits that they have now; then the sum is exact where the class matters.
    const totals = pricing.before.map((sums, c) =>
      maps.map((_, i) => (everywhere ? 0 : sums[n] + candidates.bits[c][i] + sums[this.size] - sums[n + 1])),
    );
    const best = maps.map((_, i) => Math.min(...totals.map((of) => of[i])));
    await Promise.all(
      this.everyClass.map(async (c) => {
        const kept = [...maps.keys()].filter((i) => everywhere || totals[c][i] < best[i] + CERTAIN);
        if (!kept.length) return;
        const { bits } = await this.run("tail", {
          codes: stack(kept.map((i) => maps[i]), this.grid),
          ...this.labels(kept.map(() => c)),
          first: tensor("int32", [], Int32Array.of(first)),
        });
        const each = bits.data.length / kept.length;
        kept.forEach((i, b) => {
          let sum = pricing.before[c][n];
          for (let j = skipped; j < each; j++) sum += bits.data[b * each + j];
          totals[c][i] = sum;
        });
      }),
    );
    return maps.map((_, i) => meanBits(totals.map((of) => of[i])));
  }

  /** Draws the codes from n on, given those before; `label` null: a class that fits those before. */
  async drawRest(codes, n, pricing, { label, temperature, random, wanted }) {
    const drawn = Int32Array.from(codes);
    const fits = () => draw(shares(pricing.before.map((sums) => sums[n])), random);
    const labels = [label ?? fits()];
    for (let i = n; i < this.size && wanted(i); i += this.levels - (i % this.levels)) {
      const { level } = this.place(i);
      const start = i - level;
      const step = await this.step(drawn, i, labels, temperature, (values, l) => {
        if (l < level) values[drawn[start + l]] = FORCE;
        else for (let k = 0; k < this.K; k++) values[k] = gumbel(random);
      });
      drawn.set(step.drawn.data, start);
    }
    return drawn;
  }
}
