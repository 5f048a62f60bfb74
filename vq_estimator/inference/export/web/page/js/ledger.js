// What the image costs: rate and distortion, their sum, and how it compares with the encoder's own codes.

import { bits, byId, difference, perDim } from "./dom.js";

/** Shows a state; returns the sum in words. */
export function showLedger({ pricing: { rate }, distortion }, ownTotal, dims) {
  const total = rate + distortion;
  const change = total - ownTotal;
  byId("total").textContent = bits(total);
  byId("rate").textContent = bits(rate);
  byId("distortion").textContent = bits(distortion);
  byId("per-dim").textContent = perDim(total / dims);
  byId("change").textContent = Math.abs(change) < 0.05 ? "the encoder's own codes" : `${difference(change)} against the encoder's codes`;
  const whole = Math.max(total, ownTotal);
  byId("rate-bar").style.width = `${(100 * rate) / whole}%`;
  byId("distortion-bar").style.width = `${(100 * distortion) / whole}%`;
  byId("own-mark").style.left = `${(100 * ownTotal) / whole}%`;
  return `${bits(total)} bits, of which ${bits(rate)} are the codes' rate`;
}
