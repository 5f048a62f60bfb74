// Sums of probabilities that are given as bits, -log2 p.

/** Bits of the mean of probabilities. */
export function meanBits(bits) {
  const least = Math.min(...bits);
  let sum = 0;
  for (const b of bits) sum += 2 ** (least - b);
  return least - Math.log2(sum / bits.length);
}

/** Probabilities in proportion to 2^-bits. */
export function shares(bits) {
  const least = Math.min(...bits);
  const weights = bits.map((b) => 2 ** (least - b));
  const total = weights.reduce((a, b) => a + b, 0);
  return weights.map((w) => w / total);
}

/** Bits of a softmax over `size` logits from `offset` on. */
export function softmaxBits(logits, offset, size) {
  let most = -Infinity;
  for (let k = 0; k < size; k++) most = Math.max(most, logits[offset + k]);
  let sum = 0;
  for (let k = 0; k < size; k++) sum += Math.exp(logits[offset + k] - most);
  const whole = most + Math.log(sum);
  return Float64Array.from({ length: size }, (_, k) => (whole - logits[offset + k]) / Math.LN2);
}

/** A number of 0 .. n-1, drawn with these probabilities. */
export function draw(probabilities, random) {
  let rest = random();
  for (let i = 0; i < probabilities.length; i++) {
    rest -= probabilities[i];
    if (rest < 0) return i;
  }
  return probabilities.length - 1;
}

/** Standard Gumbel noise: argmax(logits + noise) is a draw from the softmax. */
export const gumbel = (random) => -Math.log(-Math.log(Math.min(Math.max(random(), 1e-12), 1 - 1e-12)));
