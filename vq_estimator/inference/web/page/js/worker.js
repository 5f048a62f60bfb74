// Runs the ONNX models of one group, one call after the other, off the page's own thread.
//
// Messages in:  {load: {models, base}} once, then {id, model, inputs}.
// Messages out: {ready: true} or {failed: text}, then {id, outputs} or {id, error}.
// A tensor is {type, dims, data}.

import * as ort from "../runtime/ort.wasm.bundle.min.js";

const sessions = {};
let queue = Promise.resolve();

async function load({ models, base }) {
  ort.env.wasm.numThreads = 1; // more threads need a cross-origin isolated page
  ort.env.wasm.wasmPaths = { wasm: new URL("runtime/ort-wasm-simd-threaded.wasm", base).href };
  ort.env.logLevel = "error";
  const options = { executionProviders: ["wasm"], graphOptimizationLevel: "all" };
  for (const name of models) {
    const response = await fetch(new URL(`models/${name}.onnx`, base));
    if (!response.ok) throw new Error(`models/${name}.onnx: ${response.status} ${response.statusText}`);
    sessions[name] = await ort.InferenceSession.create(new Uint8Array(await response.arrayBuffer()), options);
  }
}

async function run(model, inputs) {
  const feeds = {};
  for (const [name, { type, dims, data }] of Object.entries(inputs)) feeds[name] = new ort.Tensor(type, data, dims);
  const results = await sessions[model].run(feeds);
  const outputs = {};
  for (const [name, { type, dims, data }] of Object.entries(results)) outputs[name] = { type, dims, data };
  return outputs;
}

async function answer({ id, model, inputs }) {
  try {
    const outputs = await run(model, inputs);
    const owned = Object.values(outputs).map((output) => output.data.buffer);
    self.postMessage({ id, outputs }, owned.filter((buffer, i) => owned.indexOf(buffer) === i));
  } catch (error) {
    self.postMessage({ id, error: String(error.message ?? error) });
  }
}

self.onmessage = ({ data }) => {
  if (data.load) {
    queue = load(data.load).then(
      () => self.postMessage({ ready: true }),
      (error) => self.postMessage({ failed: String(error.message ?? error) }),
    );
  } else {
    queue = queue.then(() => answer(data));
  }
};
