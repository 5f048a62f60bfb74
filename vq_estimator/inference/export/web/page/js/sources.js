// Where the image comes from: the examples, a drawing, or a file that is chosen, dropped or pasted.

import { byId, element, picture, radios } from "./dom.js";
import { modelView, pixelsOf } from "./view.js";

/** A strip of the examples as a radio group; `choose(pixels, i)`. */
export function exampleStrip(container, model, choose) {
  model.examples.forEach((pixels, i) => {
    container.append(
      element(
        "button",
        { type: "button", role: "radio", value: i, "aria-label": `Example ${i + 1}` },
        picture(pixels, model.shape),
      ),
    );
  });
  return radios(container, (button) => choose(model.examples[Number(button.value)], Number(button.value)));
}

/** The tabs of the sources: the arrow keys move between them. */
function tabs(container) {
  const all = [...container.querySelectorAll('[role="tab"]')];
  const show = (tab) => {
    for (const each of all) {
      each.setAttribute("aria-selected", String(each === tab));
      each.tabIndex = each === tab ? 0 : -1;
      byId(each.getAttribute("aria-controls")).hidden = each !== tab;
    }
  };
  all.forEach((tab, i) => {
    tab.addEventListener("click", () => show(tab));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const next = all[(i + step + all.length) % all.length];
      show(next);
      next.focus();
    });
  });
}

/** A canvas to draw on with a pen, or with the arrow keys and the space bar. */
class Pad {
  constructor(model, changed) {
    Object.assign(this, { model, changed, canvas: byId("pad"), last: null, cursor: null });
    const [height, width, channels] = model.shape;
    const scale = Math.ceil(280 / Math.max(height, width));
    Object.assign(this.canvas, { width: width * scale, height: height * scale });
    this.canvas.style.aspectRatio = `${width} / ${height}`;
    this.context = this.canvas.getContext("2d", { willReadFrequently: true });
    this.ground = channels === 1 ? "#000000" : "#ffffff";
    byId("ink").value = channels === 1 ? "#ffffff" : "#c2410c";
    this.canvas.addEventListener("pointerdown", (event) => {
      this.canvas.setPointerCapture(event.pointerId);
      this.last = null;
      this.line(this.place(event));
    });
    this.canvas.addEventListener("pointermove", (event) => event.buttons && this.last && this.line(this.place(event)));
    for (const end of ["pointerup", "pointercancel"]) this.canvas.addEventListener(end, () => this.end());
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    byId("clear").addEventListener("click", () => this.clear());
    this.clear(false);
  }

  place(event) {
    const box = this.canvas.getBoundingClientRect();
    const { width, height } = this.canvas;
    return [((event.clientX - box.left) / box.width) * width, ((event.clientY - box.top) / box.height) * height];
  }

  line(to) {
    const { context } = this;
    context.lineWidth = (Number(byId("pen").value) / 100) * this.canvas.width;
    context.lineCap = context.lineJoin = "round";
    context.strokeStyle = context.fillStyle = byId("ink").value;
    context.beginPath();
    context.arc(...to, context.lineWidth / 2, 0, 2 * Math.PI); // a line of no length has no ends
    context.fill();
    context.beginPath();
    context.moveTo(...(this.last ?? to));
    context.lineTo(...to);
    context.stroke();
    this.last = to;
  }

  end() {
    if (!this.last) return;
    this.last = null;
    this.changed(this.canvas);
  }

  key(event) {
    const { width, height } = this.canvas;
    const step = width / 24;
    const move = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] }[event.key];
    if (!move && event.key !== " ") return;
    event.preventDefault();
    this.cursor ??= [width / 2, height / 2];
    const from = this.cursor;
    if (move) {
      const within = (x, most) => Math.min(most, Math.max(0, x));
      this.cursor = [within(from[0] + step * move[0], width), within(from[1] + step * move[1], height)];
    }
    if (event.shiftKey || event.key === " ") {
      this.last = from;
      this.line(this.cursor);
      this.end();
    }
    byId("pad-cursor").style.transform =
      `translate(${(this.cursor[0] / width) * this.canvas.clientWidth}px, ${(this.cursor[1] / height) * this.canvas.clientHeight}px)`;
    byId("pad-cursor").hidden = false;
  }

  clear(tell = true) {
    this.context.fillStyle = this.ground;
    this.context.fillRect(0, 0, this.canvas.width, this.canvas.height);
    if (tell) this.changed(this.canvas);
  }
}

/** What is wrong with a file of the user's. */
export class Unreadable extends Error {}

/** Sets up all sources; `use(pixels, name)` gets what the model sees, or a promise of it that may be Unreadable. */
export function setUp(model, use) {
  tabs(byId("sources"));
  const check = exampleStrip(byId("examples"), model, (pixels, i) => use(pixels, `Example ${i + 1}`));
  const other = (pixels, name) => {
    check(null);
    use(pixels, name);
  };

  async function read(file, name) {
    const pixels = await pixelsOf(file).catch(() => {
      throw new Unreadable(`${name}: this browser can't read it; expected an image such as PNG or JPEG`);
    });
    return modelView(pixels, model);
  }

  function open(file) {
    const name = file.name || "The pasted image";
    other(read(file, name), name);
  }

  new Pad(model, (canvas) => other(read(canvas, "Your drawing"), "Your drawing"));
  byId("file").addEventListener("click", ({ target }) => (target.value = "")); // so that the same file can be chosen again
  byId("file").addEventListener("change", ({ target }) => target.files[0] && open(target.files[0]));
  addEventListener("paste", ({ clipboardData }) => clipboardData.files[0] && open(clipboardData.files[0]));
  addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  addEventListener("dragleave", (event) => event.relatedTarget || document.body.classList.remove("dropping"));
  addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dropping");
    if (event.dataTransfer.files[0]) open(event.dataTransfer.files[0]);
  });
  check(byId("examples").firstElementChild);
}
