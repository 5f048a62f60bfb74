// Codes on the line between the encoder outputs of two images.

import { byId, element, picture, radios } from "./dom.js";
import { exampleStrip } from "./sources.js";

const STEPS = 9;

export class Interpolation {
  /** `use(codes, name)` is called when the user chooses a step. */
  constructor(model, use) {
    Object.assign(this, { model, use, from: null, to: null, turn: 0, strip: byId("steps") });
    this.check = exampleStrip(byId("ends"), model, (pixels) => {
      this.to = pixels;
      this.update();
    });
    radios(this.strip, (button) => {
      const step = Number(button.value);
      this.use(this.maps[step], `${Math.round((100 * step) / (STEPS - 1))} % of the way`);
    });
  }

  setStart(pixels) {
    this.from = pixels;
    this.update();
  }

  async update() {
    if (!this.from || !this.to) return;
    const turn = ++this.turn;
    const maps = await this.model.interpolate(this.from, this.to, STEPS);
    const decoded = await this.model.decode(maps, this.from);
    if (turn !== this.turn) return;
    this.maps = maps;
    this.strip.replaceChildren(
      ...decoded.map(({ pixels }, i) => {
        const share = `${Math.round((100 * i) / (STEPS - 1))} %`;
        return element(
          "button",
          { type: "button", role: "radio", value: i, tabIndex: i ? -1 : 0, "aria-checked": "false", "aria-label": `${share} of the way` },
          picture(pixels, this.model.shape),
          element("span", { className: "share" }, share),
        );
      }),
    );
  }
}
