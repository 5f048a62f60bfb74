// The image with its codes as a coloured grid over it. One cell is one stop of the tab key; the arrow keys move.

import { bits, byId, element, paint, radios } from "./dom.js";

const LABELLED = 6; // a grid of up to this many rows or columns has room for the codes' numbers

export class Stage {
  /** `select(n)` is called when the user chooses the code of index n. */
  constructor(model, select) {
    Object.assign(this, { model, select, level: 0, selected: null, shown: "reconstruction" });
    [this.height, this.width, this.levels] = model.grid;
    this.canvas = byId("picture");
    this.grid = byId("codes");
    const [rows, columns] = model.shape;
    byId("stage").style.aspectRatio = `${columns} / ${rows}`;
    this.grid.style.gridTemplate = `repeat(${this.height}, 1fr) / repeat(${this.width}, 1fr)`;
    this.grid.classList.toggle("labelled", Math.max(this.height, this.width) <= LABELLED);
    this.cells = Array.from({ length: this.height }, (_, i) => this.row(i)).flat();
    this.grid.addEventListener("keydown", (event) => this.move(event));
    radios(byId("shown"), (button) => {
      this.shown = button.value;
      this.paint();
    });
    const opacity = byId("opacity");
    const fade = () => this.grid.style.setProperty("--opacity", opacity.value / 100);
    opacity.addEventListener("input", fade);
    if (!this.grid.classList.contains("labelled")) opacity.value = 30; // the image stays visible below many cells
    fade();
    if (this.levels > 1) this.addLevels();
  }

  row(i) {
    const cells = Array.from({ length: this.width }, (_, j) =>
      element("button", {
        type: "button",
        role: "gridcell",
        className: "cell",
        tabIndex: i + j ? -1 : 0,
        onclick: () => this.choose(i * this.width + j),
      }),
    );
    this.grid.append(element("div", { role: "row" }, ...cells));
    return cells;
  }

  addLevels() {
    const group = byId("levels");
    group.hidden = false;
    const name = this.model.residual ? "Stage" : "Book";
    group.append(
      element("span", { className: "label" }, name),
      ...Array.from({ length: this.levels }, (_, l) =>
        element(
          "button",
          { type: "button", role: "radio", value: l, "aria-checked": String(l === 0), "aria-label": `${name} ${l + 1}` },
          String(l + 1),
        ),
      ),
    );
    radios(group, (button) => {
      this.level = Number(button.value);
      this.update();
      if (this.selected !== null) this.choose(Math.floor(this.selected / this.levels));
    });
  }

  choose(position) {
    this.selected = position * this.levels + this.level;
    for (const cell of this.cells) cell.tabIndex = -1;
    this.cells[position].tabIndex = 0;
    this.update();
    this.select(this.selected);
  }

  move(event) {
    const at = this.cells.indexOf(document.activeElement);
    if (at < 0) return;
    const [i, j] = [Math.floor(at / this.width), at % this.width];
    const to = {
      ArrowUp: [i - 1, j],
      ArrowDown: [i + 1, j],
      ArrowLeft: [i, j - 1],
      ArrowRight: [i, j + 1],
      Home: [i, 0],
      End: [i, this.width - 1],
    }[event.key];
    if (!to) return;
    event.preventDefault();
    const row = Math.min(this.height - 1, Math.max(0, to[0]));
    const column = Math.min(this.width - 1, Math.max(0, to[1]));
    this.cells[at].tabIndex = -1;
    const cell = this.cells[row * this.width + column];
    cell.tabIndex = 0;
    cell.focus();
  }

  /** Shows a state: `{pixels, reconstruction, codes, pricing}`. */
  show(state) {
    this.state = state;
    this.paint();
    this.update();
  }

  paint() {
    if (!this.state) return;
    const { pixels, reconstruction } = this.state;
    paint(this.canvas, this.shown === "original" ? pixels : reconstruction, this.model.shape);
    const what = this.shown === "original" ? "The image" : "What the codes decode to";
    this.canvas.setAttribute("aria-label", `${what}, ${this.model.shape[0]} by ${this.model.shape[1]} pixels`);
  }

  update() {
    if (!this.state) return;
    const { codes, pricing } = this.state;
    const several = this.levels > 1 ? `, ${this.model.residual ? "stage" : "book"} ${this.level + 1}` : "";
    this.cells.forEach((cell, position) => {
      const n = position * this.levels + this.level;
      const place = `row ${Math.floor(position / this.width) + 1}, column ${(position % this.width) + 1}${several}`;
      cell.textContent = codes[n];
      cell.title = `code ${codes[n]}: ${bits(pricing.each[n])} bits`;
      cell.setAttribute("aria-label", `${place}: code ${codes[n]}, ${bits(pricing.each[n])} bits`);
      cell.style.setProperty("--code", this.model.colours[this.level][codes[n]]);
      cell.setAttribute("aria-selected", String(n === this.selected));
    });
  }
}
