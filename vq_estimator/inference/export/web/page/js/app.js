// The page: its state, and what the controls do.

import { Alternatives } from "./alternatives.js";
import { byId, element } from "./dom.js";
import { Interpolation } from "./interpolation.js";
import { showLedger } from "./ledger.js";
import { Model } from "./model.js";
import { setUp, Unreadable } from "./sources.js";
import { Stage } from "./stage.js";

const say = (text) => (byId("status").textContent = text);

class App {
  constructor(model) {
    this.model = model;
    this.turn = 0; // number of the newest request: the results of earlier ones are not shown
    this.altering = false; // whether the newest request computes another state
    this.opening = false; // whether that state has another image
    this.codes = null; // the codes of the newest requested state
    this.history = [];
    this.describe();
    this.stage = new Stage(model, (n) => this.select(n));
    this.alternatives = new Alternatives(model, (n, code) => this.change(n, code));
    this.interpolation = new Interpolation(model, (codes, name) => this.use(codes, name));
    byId("undo").addEventListener("click", () => this.undo());
    byId("reset").addEventListener("click", () => this.use(this.own, "The encoder's own codes"));
    byId("rest").addEventListener("click", () => this.resample(this.stage.selected + 1));
    byId("all").addEventListener("click", () => this.resample(0));
    byId("temperature").addEventListener("input", ({ target }) => (byId("heat").value = Number(target.value).toFixed(2)));
    setUp(model, (pixels, name) => this.open(pixels, name));
  }

  describe() {
    const { grid, K, shape, title, prior, classes, class_names: names } = this.model.manifest;
    document.title = `${title}: its codes`;
    byId("title").textContent = title;
    const codes = `${grid.slice(0, grid[2] > 1 ? 3 : 2).join(" × ")} codes of ${K} values`;
    const named = { trained: "a trained prior", unigram: "the codes' frequencies", uniform: "uniform codes" }[prior];
    byId("facts").textContent = `${shape[0]} × ${shape[1]} pixels as ${codes}, with the bits of ${named}`;
    byId("are-draws").hidden = !this.model.manifest.are_draws;
    const select = byId("class");
    if (classes) {
      for (let c = 0; c < classes; c++) select.append(element("option", { value: c }, names[c] ?? String(c)));
    } else select.closest("label").hidden = true;
  }

  /** Runs `work(current)` as the newest request; `current()` says whether it still is. Errors are shown on the page. */
  async request(busy, work) {
    const turn = ++this.turn;
    const current = () => turn === this.turn;
    document.body.setAttribute("aria-busy", "true");
    if (busy) say(busy);
    try {
      await work(current);
    } catch (error) {
      if (!(error instanceof Unreadable)) console.error(error);
      if (current()) say(error instanceof Unreadable ? error.message : `This did not work: ${error.message}`);
    }
    if (current()) document.body.removeAttribute("aria-busy");
  }

  /**
   * Runs `work`, which shows another state, as the newest request. Then it shows the alternatives of the selected place,
   * which the user may have selected in the meantime.
   */
  alter(busy, work) {
    this.altering = true;
    return this.request(busy, async (current) => {
      try {
        await work(current);
      } finally {
        if (current()) {
          Object.assign(this, { altering: false, opening: false, codes: this.state?.codes });
          await this.showAlternatives(current);
        }
      }
    });
  }

  /** A new image; its pixels may be a promise. */
  open(promised, name) {
    Object.assign(this, { opening: true, selectedMeanwhile: false });
    return this.alter("", async (current) => {
      const pixels = await promised;
      const codes = await this.model.encode(pixels);
      const state = await this.withBits(codes, pixels);
      if (!current()) return;
      Object.assign(this, { own: codes, ownTotal: state.pricing.rate + state.distortion, history: [] });
      if (!this.selectedMeanwhile) this.stage.selected = null;
      this.interpolation.setStart(pixels);
      this.show(state, name);
    });
  }

  async withBits(codes, pixels) {
    const [pricing, [decoded]] = await Promise.all([this.model.prior.price(codes), this.model.decode([codes], pixels)]);
    return { codes, pixels, pricing, reconstruction: decoded.pixels, distortion: decoded.distortion };
  }

  show(state, what) {
    this.state = state;
    this.stage.show(state);
    const total = showLedger(state, this.ownTotal, this.model.dims);
    byId("undo").disabled = !this.history.length;
    byId("reset").disabled = state.codes.every((code, n) => code === this.own[n]);
    byId("rest").disabled = this.stage.selected === null || this.stage.selected + 1 >= this.model.size;
    say(`${what}: ${total}`);
  }

  async showAlternatives(current) {
    if (this.stage.selected === null) this.alternatives.clear();
    else await this.alternatives.show(this.state, this.stage.selected, current);
  }

  /** Other codes for the same image. */
  use(codes, name) {
    if (this.opening) return; // the codes belong to the previous image
    this.history.push(this.codes);
    this.goTo(codes, name);
  }

  undo() {
    if (!this.opening && this.history.length) this.goTo(this.history.pop(), "Undone");
  }

  goTo(codes, what) {
    this.codes = codes;
    return this.alter("", async (current) => {
      const state = await this.withBits(codes, this.state.pixels);
      if (current()) this.show(state, what);
    });
  }

  select(n) {
    byId("rest").disabled = n + 1 >= this.model.size;
    this.selectedMeanwhile = true;
    this.alternatives.announce(n);
    if (this.altering) return;
    this.request("", async (current) => {
      await this.showAlternatives(current);
      if (current()) say(`${this.alternatives.items.length} codes that could stand there, those with the fewest bits first.`);
    });
  }

  change(n, code) {
    this.use(Int32Array.from(this.codes, (old, i) => (i === n ? code : old)), `Code ${code}`);
  }

  resample(from) {
    if (this.opening) return;
    const label = byId("class").value === "" ? null : Number(byId("class").value);
    const temperature = Number(byId("temperature").value);
    const [before, { codes: shown, pricing: known, pixels }] = [this.codes, this.state];
    this.alter("Drawing the rest …", async (current) => {
      const pricing = before === shown ? known : await this.model.prior.price(before);
      const how = { label, temperature, random: Math.random, wanted: current };
      const codes = await this.model.prior.drawRest(before, from, pricing, how);
      if (!current()) return;
      const state = await this.withBits(codes, pixels);
      if (!current()) return;
      this.history.push(before);
      this.show(state, from ? "The rest is drawn again" : "All codes are drawn again");
    });
  }
}

function setUpTheme() {
  const button = byId("theme");
  const isDark = () => {
    const chosen = document.documentElement.dataset.theme;
    return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  };
  const tell = () => button.setAttribute("aria-label", isDark() ? "Use light colours" : "Use dark colours");
  button.addEventListener("click", () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    tell();
  });
  tell();
}

setUpTheme();
try {
  const model = await Model.load(new URL("..", import.meta.url).href);
  const app = new App(model);
  globalThis.page = app; // for the console, and for tests
  await app.open(model.examples[0], "Example 1");
  document.body.classList.add("ready");
  say("Choose a code in the grid to see what else could stand there.");
} catch (error) {
  console.error(error);
  byId("title").textContent = "The page can’t start";
  byId("facts").textContent = error.message;
}
