// What else could stand at a place: thumbnails, each with the bits of the whole image.

import { bits, byId, crop, difference, element, picture } from "./dom.js";

const MOST = 32; // alternatives; of larger codebooks the likeliest
const WHOLE = 6; // up to this many rows or columns the complete image is drawn, and the part that changes in finer grids
const AROUND = 4; // positions across that part, as in vq_estimator.explore

export class Alternatives {
  /** `change(n, code)` is called when the user chooses a code for the place n. */
  constructor(model, change) {
    Object.assign(this, { model, list: byId("alternatives"), items: [], of: null });
    this.list.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button || button.getAttribute("aria-pressed") === "true" || this.list.hasAttribute("aria-busy")) return;
      change(this.of.n, Number(button.value));
    });
    this.list.addEventListener("keydown", (event) => this.move(event));
  }

  move(event) {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const all = [...this.list.querySelectorAll("button")];
    const at = all.indexOf(document.activeElement);
    if (!step || at < 0) return;
    event.preventDefault();
    all[Math.min(all.length - 1, Math.max(0, at + step))].focus();
  }

  clear() {
    this.of = null; // the place n, codes and pixels that the items belong to
    this.items = [];
    this.list.replaceChildren();
    this.list.removeAttribute("aria-busy");
    byId("place").textContent = "";
    byId("hint").hidden = false;
    byId("limit").hidden = true;
  }

  /** Names the place whose alternatives are being computed; until then the present ones cannot be chosen. */
  announce(n) {
    const { grid, K } = this.model;
    const [position, level] = [Math.floor(n / grid[2]), n % grid[2]];
    const [row, column] = [Math.floor(position / grid[1]), position % grid[1]];
    const several = grid[2] > 1 ? ` · ${this.model.residual ? "stage" : "book"} ${level + 1}` : "";
    byId("place").textContent = `row ${row + 1}, column ${column + 1}${several}`;
    byId("hint").hidden = true;
    byId("limit").hidden = K <= MOST;
    byId("limit").textContent = `The ${MOST} likeliest of ${K} codes given the codes before, and the current one.`;
    this.list.setAttribute("aria-busy", "true");
    return { level, part: this.part(row, column) };
  }

  /** Shows the alternatives of the code n of a state, unless `current()` is false once they are computed. */
  async show(state, n, current) {
    const { level, part } = this.announce(n);
    if (!this.areOf(state, n)) {
      const items = await this.model.alternatives(state.codes, n, state.pricing, state.pixels, MOST);
      if (!current()) return;
      Object.assign(this, { level, items, of: { n, codes: state.codes, pixels: state.pixels } });
      this.list.replaceChildren(...items.map((item) => this.button(item, part)));
    }
    this.mark(state.codes[n]);
    this.list.removeAttribute("aria-busy");
  }

  /** Whether the items are the alternatives of the code n of a state: no other code may have changed since. */
  areOf({ codes, pixels }, n) {
    const { of, items } = this;
    if (of === null || of.n !== n || of.pixels !== pixels || !items.some(({ code }) => code === codes[n])) return false;
    return codes.every((code, i) => i === n || code === of.codes[i]);
  }

  /** The part of the image that is shown. */
  part(row, column) {
    const { grid, shape } = this.model;
    if (Math.max(grid[0], grid[1]) <= WHOLE) return { top: 0, left: 0, side: [shape[0], shape[1]] };
    const side = Math.min(shape[0], shape[1], Math.ceil((AROUND * Math.max(shape[0], shape[1])) / Math.max(grid[0], grid[1])));
    const start = (place, axis) => {
      const middle = ((place + 0.5) * shape[axis]) / grid[axis];
      return Math.min(shape[axis] - side, Math.max(0, Math.round(middle - side / 2)));
    };
    return { top: start(row, 0), left: start(column, 1), side: [side, side] };
  }

  button({ code, pixels, rate, distortion }, part) {
    const shape = [...part.side, this.model.shape[2]];
    const chip = element("span", { className: "chip" }, String(code));
    chip.style.setProperty("--code", this.model.colours[this.level][code]);
    return element(
      "button",
      { type: "button", value: code, title: `rate ${bits(rate)} + distortion ${bits(distortion)} bits` },
      picture(crop(pixels, this.model.shape, part), shape),
      chip,
      element("span", { className: "cost" }, bits(rate + distortion)),
      element("span", { className: "change" }),
    );
  }

  /** Marks the present code; the differences are to its sum. */
  mark(code) {
    const present = this.items.find((item) => item.code === code);
    [...this.list.children].forEach((button, i) => {
      const item = this.items[i];
      const change = item.rate + item.distortion - present.rate - present.distortion;
      const isPresent = item === present;
      button.setAttribute("aria-pressed", String(isPresent));
      button.querySelector(".change").textContent = isPresent ? "now" : difference(change);
      button.querySelector(".change").classList.toggle("better", change < -0.05);
      const cost = `${bits(item.rate + item.distortion)} bits`;
      button.setAttribute("aria-label", `Code ${item.code}: ${cost}${isPresent ? ", the present one" : `, ${difference(change)}`}`);
    });
  }
}
