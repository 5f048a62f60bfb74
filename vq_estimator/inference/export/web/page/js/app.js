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
    this.turn = 0; // of the last thing that was asked for: what an earlier one finds is not shown
    this.history = [];
    this.describe();
    this.stage = new Stage(model, (n) => this.select(n));
    this.alternatives = new Alternatives(model, (code) => this.change(code));
    this.interpolation = new Interpolation(model, (codes, name) => this.use(codes, name));
    byId("undo").addEventListener("click", () => this.undo());
    byId("reset").addEventListener("click", () => this.use(this.own, "the encoder's own codes"));
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

  /** A new image; its pixels may be a promise. */
  open(promised, name) {
    return this.request("", async (current) => {
      const pixels = await promised;
      const codes = await this.model.encode(pixels);
      const state = await this.withBits(codes, pixels);
      if (!current()) return;
      Object.assign(this, { own: codes, ownTotal: state.pricing.rate + state.distortion, history: [] });
      this.stage.selected = null;
      this.alternatives.clear();
      this.interpolation.setStart(pixels);
      this.show(state, `${name[0].toUpperCase()}${name.slice(1)}`);
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

  /** Other codes for the same image. */
  use(codes, name, keepAlternatives = false) {
    return this.request("", async (current) => {
      const state = await this.withBits(codes, this.state.pixels);
      if (!current()) return;
      this.history.push(this.state.codes);
      this.show(state, `${name[0].toUpperCase()}${name.slice(1)}`);
      if (keepAlternatives) this.alternatives.mark(codes[this.stage.selected]);
      else if (this.stage.selected !== null) await this.alternatives.show(state, this.stage.selected, current);
    });
  }

  undo() {
    return this.request("", async (current) => {
      const state = await this.withBits(this.history.at(-1), this.state.pixels);
      if (!current()) return;
      this.history.pop();
      this.show(state, "Undone");
      if (this.stage.selected !== null) await this.alternatives.show(state, this.stage.selected, current);
    });
  }

  select(n) {
    byId("rest").disabled = n + 1 >= this.model.size;
    return this.request("", async (current) => {
      const { length } = await this.alternatives.show(this.state, n, current);
      if (current()) say(`${length} codes that could stand there, those with the fewest bits first.`);
    });
  }

  change(code) {
    const n = this.stage.selected;
    const codes = Int32Array.from(this.state.codes, (old, i) => (i === n ? code : old));
    return this.use(codes, `code ${code}`, true);
  }

  resample(from) {
    const label = byId("class").value === "" ? null : Number(byId("class").value);
    const temperature = Number(byId("temperature").value);
    return this.request("Drawing the rest …", async (current) => {
      const how = { label, temperature, random: Math.random, wanted: current };
      const codes = await this.model.prior.drawRest(this.state.codes, from, this.state.pricing, how);
      if (!current()) return;
      const state = await this.withBits(codes, this.state.pixels);
      if (!current()) return;
      this.history.push(this.state.codes);
      this.show(state, from ? "The rest is drawn again" : "All codes are drawn again");
      if (this.stage.selected !== null) await this.alternatives.show(state, this.stage.selected, current);
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
  await app.open(model.examples[0], "example 1");
  document.body.classList.add("ready");
  say("Choose a code in the grid to see what else could stand there.");
} catch (error) {
  console.error(error);
  byId("title").textContent = "The page can’t start";
  byId("facts").textContent = error.message;
}
