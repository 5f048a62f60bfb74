// The models of the page in a pool of workers: an idle worker takes the call that has waited longest.

const MAX_WORKERS = 2; // each holds the runtime and all models

export const tensor = (type, dims, data) => ({ type, dims, data });

/** Code maps as one tensor int32 [maps, ...grid]. */
export function stack(maps, grid) {
  const size = grid.reduce((a, b) => a * b);
  const data = new Int32Array(maps.length * size);
  maps.forEach((codes, i) => data.set(codes, i * size));
  return tensor("int32", [maps.length, ...grid], data);
}

/** The two halves of a list, for two workers; of a list of one, that one. */
export function halves(list) {
  const half = Math.ceil(list.length / 2);
  return [list.slice(0, half), list.slice(half)].filter((part) => part.length);
}

class Pool {
  constructor() {
    this.idle = [];
    this.waiting = [];
  }

  async add(models, base) {
    const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
    await new Promise((resolve, reject) => {
      worker.onerror = (event) => reject(new Error(event.message || "the worker did not start"));
      worker.onmessage = ({ data }) => (data.ready ? resolve() : reject(new Error(data.failed)));
      worker.postMessage({ load: { models, base } });
    });
    this.idle.push(worker);
    this.next();
  }

  run(model, inputs) {
    return new Promise((resolve, reject) => {
      this.waiting.push({ model, inputs, resolve, reject });
      this.next();
    });
  }

  next() {
    if (!this.idle.length || !this.waiting.length) return;
    const worker = this.idle.pop();
    const { model, inputs, resolve, reject } = this.waiting.shift();
    const done = (settle, value) => {
      this.idle.push(worker);
      settle(value);
      this.next();
    };
    worker.onerror = (event) => done(reject, new Error(event.message || `${model}: the worker failed`));
    worker.onmessage = ({ data }) => (data.error ? done(reject, new Error(data.error)) : done(resolve, data.outputs));
    worker.postMessage({ model, inputs });
  }
}

/** Loads models, by their names, from the page's folder; returns run(model, inputs), a promise of the outputs. */
export async function start(models, base) {
  const pool = new Pool();
  const workers = Math.max(1, Math.min(MAX_WORKERS, navigator.hardwareConcurrency || 1));
  await pool.add(models, base); // the others find the files in the browser's cache
  for (let i = 1; i < workers; i++) pool.add(models, base).catch((error) => console.warn(error));
  return (model, inputs) => pool.run(model, inputs);
}
