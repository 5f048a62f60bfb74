// Small helpers for elements.

/** Makes an element: properties by their names, attributes after "aria-" or "data-", listeners after "on". */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name.includes("-") || name === "role" || name === "for") made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children);
  return made;
}

export const byId = (id) => document.getElementById(id);

/** Draws pixels uint8 [H, W, 1 or 3] on a canvas of their own size; CSS enlarges it. */
export function paint(canvas, pixels, [height, width, channels]) {
  canvas.width = width;
  canvas.height = height;
  const image = new ImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = pixels[i * channels + (channels === 3 ? c : 0)];
    image.data[4 * i + 3] = 255;
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

export const picture = (pixels, shape) => paint(element("canvas", { "aria-hidden": "true" }), pixels, shape);

/** A part of an image as one of its own: rows and columns from (top, left) on. */
export function crop(pixels, [, width, channels], { top, left, side: [height, across] }) {
  const out = new Uint8Array(height * across * channels);
  for (let y = 0; y < height; y++) {
    const start = ((top + y) * width + left) * channels;
    out.set(pixels.subarray(start, start + across * channels), y * across * channels);
  }
  return out;
}

/** A radio group of buttons: one stop of the tab key, the arrow keys move and choose. */
export function radios(container, choose) {
  const all = () => [...container.querySelectorAll('[role="radio"]')];
  const check = (chosen) => {
    const some = chosen ?? all()[0];
    for (const each of all()) {
      each.setAttribute("aria-checked", String(each === chosen));
      each.tabIndex = each === some ? 0 : -1;
    }
  };
  container.setAttribute("role", "radiogroup");
  container.addEventListener("click", (event) => {
    const chosen = event.target.closest('[role="radio"]');
    if (!chosen) return;
    check(chosen);
    choose(chosen);
  });
  container.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const at = all().indexOf(document.activeElement);
    if (!step || at < 0) return;
    event.preventDefault();
    const next = all()[(at + step + all().length) % all().length];
    next.focus();
    next.click();
  });
  check(all().find((each) => each.getAttribute("aria-checked") === "true"));
  return check;
}

const format = (digits) => new Intl.NumberFormat("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
const [one, three] = [format(1), format(3)];

export const bits = (x) => one.format(x);
export const perDim = (x) => three.format(x);
/** A difference with its sign; one that is shown as 0 has none. */
export const difference = (x) => (Math.abs(x) < 0.05 ? "±0.0" : (x < 0 ? "−" : "+") + one.format(Math.abs(x)));
