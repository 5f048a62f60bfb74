// A prior under which codes are independent: their frequencies in the training split, or all the same.

import { draw, shares } from "./bits.js";

/** Has the methods of TrainedPrior; `code_bits[level][k]` is what a code costs. */
export class TablePrior {
  constructor({ grid, code_bits: table }) {
    Object.assign(this, { table, classes: 0, levels: grid[2], size: grid[0] * grid[1] * grid[2] });
  }

  async price(codes) {
    const each = Float64Array.from(codes, (k, n) => this.table[n % this.levels][k]);
    return { each, rate: each.reduce((a, b) => a + b, 0) };
  }

  async candidates(codes, n, pricing, most) {
    const bits = this.table[n % this.levels];
    const order = bits.map((_, k) => k).sort((a, b) => bits[a] - bits[b]).slice(0, most);
    return { codes: order.includes(codes[n]) ? order : [...order, codes[n]] };
  }

  async rescore(codes, n, pricing, candidates) {
    const bits = this.table[n % this.levels];
    return candidates.codes.map((k) => pricing.rate - pricing.each[n] + bits[k]);
  }

  async drawRest(codes, n, pricing, { temperature, random }) {
    return Int32Array.from(codes, (k, i) =>
      i < n ? k : draw(shares(this.table[i % this.levels].map((b) => b / temperature)), random),
    );
  }
}
