// The models of the page, in two workers: the prior prices codes while the network decodes images.

class Group {
  constructor(models, base) {
    this.waiting = new Map();
    this.next = 0;
    this.worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
    this.ready = new Promise((resolve, reject) => {
      this.worker.onerror = (event) => reject(new Error(event.message || "the worker did not start"));
      this.worker.onmessage = ({ data }) => {
        if (data.ready) resolve();
        else if (data.failed) reject(new Error(data.failed));
        else this.settle(data);
      };
    });
    this.worker.postMessage({ load: { models, base } });
  }

  settle({ id, outputs, error }) {
    const { resolve, reject } = this.waiting.get(id);
    this.waiting.delete(id);
    if (error) reject(new Error(error));
    else resolve(outputs);
  }

  run(model, inputs) {
    const id = this.next++;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ id, model, inputs });
    });
  }
}

/** Starts the workers; `groups` are lists of the names of models. Returns `run(model, inputs)`, a promise of outputs. */
export async function start(groups, base) {
  const owner = new Map();
  const started = groups.filter((models) => models.length).map((models) => {
    const group = new Group(models, base);
    models.forEach((name) => owner.set(name, group));
    return group;
  });
  await Promise.all(started.map((group) => group.ready));
  return (model, inputs) => owner.get(model).run(model, inputs);
}

export const tensor = (type, dims, data) => ({ type, dims, data });
