// What the model sees of an image of any size: the rules of vq_estimator/data/model_view.py.

const GREY = [0.299, 0.587, 0.114]; // weights of red, green and blue (ITU-R BT.601)

/** To the nearest integer, halves to the even one, as in NumPy and TensorFlow. */
function round(x) {
  const below = Math.floor(x);
  return x - below > 0.5 || (x - below === 0.5 && below % 2 === 1) ? below + 1 : below;
}

const level = (x) => Math.min(255, Math.max(0, round(x)));

/** The weights of a triangle filter that averages when it shrinks: for each output [first input, weights]. */
function triangle(inputs, outputs) {
  const step = inputs / outputs;
  const radius = Math.max(step, 1);
  return Array.from({ length: outputs }, (_, i) => {
    const centre = (i + 0.5) * step;
    const first = Math.max(0, Math.ceil(centre - radius - 0.5));
    const last = Math.min(inputs - 1, Math.floor(centre + radius - 0.5));
    const weights = [];
    for (let j = first; j <= last; j++) weights.push(Math.max(0, 1 - Math.abs((j + 0.5 - centre) / radius)));
    const total = weights.reduce((a, b) => a + b, 0);
    return [first, weights.map((w) => w / total)];
  });
}

/** The weights of TensorFlow 1's bilinear resize, as a published data set is resized in training. */
function bilinear(inputs, outputs) {
  return Array.from({ length: outputs }, (_, i) => {
    const at = (i * inputs) / outputs;
    const first = Math.floor(at);
    return first + 1 < inputs ? [first, [1 - (at - first), at - first]] : [first, [1]];
  });
}

/** Resizes an image, first its columns and then its rows, by the weights of each. */
function resize({ height, width, channels, data }, rows, columns) {
  const tall = new Float64Array(rows.length * width * channels);
  rows.forEach(([top, weights], y) => {
    weights.forEach((weight, i) => {
      const from = (top + i) * width * channels;
      const to = y * width * channels;
      for (let x = 0; x < width * channels; x++) tall[to + x] += weight * data[from + x];
    });
  });
  const out = new Float64Array(rows.length * columns.length * channels);
  columns.forEach(([left, weights], x) => {
    weights.forEach((weight, j) => {
      for (let y = 0; y < rows.length; y++) {
        for (let c = 0; c < channels; c++) {
          out[(y * columns.length + x) * channels + c] += weight * tall[(y * width + left + j) * channels + c];
        }
      }
    });
  });
  return { height: rows.length, width: columns.length, channels, data: out };
}

function cut({ height, width, channels, data }, ownHeight, ownWidth) {
  const h = Math.min(height, Math.max(1, round((width * ownHeight) / ownWidth)));
  const w = Math.min(width, Math.max(1, round((height * ownWidth) / ownHeight)));
  const top = Math.floor((height - h) / 2);
  const left = Math.floor((width - w) / 2);
  const out = new Uint8Array(h * w * channels);
  for (let y = 0; y < h; y++) {
    const start = ((top + y) * width + left) * channels;
    out.set(data.subarray(start, start + w * channels), y * w * channels);
  }
  return { height: h, width: w, channels, data: out };
}

function grey({ height, width, data }) {
  const out = Float64Array.from({ length: height * width }, (_, i) =>
    GREY.reduce((sum, weight, c) => sum + weight * data[3 * i + c], 0),
  );
  return { height, width, channels: 1, data: out };
}

/**
 * An image as the model sees it.
 * image: {height, width, channels: 3, data: Uint8Array}; shape: the model's [H, W, C], C 1 or 3; published: height and
 * width of the images of the data set that the model is for, or null.
 */
export function modelView(image, { shape: [height, width, channels], published, binarize }) {
  const isPublished = published && image.height === published[0] && image.width === published[1];
  let seen;
  if (isPublished && (image.height !== height || image.width !== width)) {
    const own = channels === 1 ? grey(image) : image;
    const levels = { ...own, data: Float64Array.from(own.data, level) };
    seen = resize(levels, bilinear(image.height, height), bilinear(image.width, width));
  } else {
    const middle = cut(image, height, width);
    seen = resize(middle, triangle(middle.height, height), triangle(middle.width, width));
    if (channels === 1) seen = grey(seen);
  }
  const levels = Uint8Array.from(seen.data, level);
  return binarize ? levels.map((v) => (v >= 128 ? 255 : 0)) : levels;
}

/** The pixels of a file, a canvas or another image source, upright and on white. */
export async function pixelsOf(source) {
  const bitmap = await createImageBitmap(source, { imageOrientation: "from-image", colorSpaceConversion: "none" });
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "#fff";
  context.fillRect(0, 0, bitmap.width, bitmap.height);
  context.drawImage(bitmap, 0, 0);
  const { data, width, height } = context.getImageData(0, 0, bitmap.width, bitmap.height);
  bitmap.close();
  const rgb = new Uint8Array(width * height * 3);
  for (let i = 0, j = 0; i < data.length; i += 4) {
    rgb[j++] = data[i];
    rgb[j++] = data[i + 1];
    rgb[j++] = data[i + 2];
  }
  return { height, width, channels: 3, data: rgb };
}
