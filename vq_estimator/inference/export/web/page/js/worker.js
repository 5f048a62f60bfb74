// Runs the ONNX models off the page's own thread.
//
// Messages in:  {load: {models, base}} once, then {model, inputs}, one at a time.
// Messages out: {ready: true} or {failed: text}, then {outputs} or {error: text}.
// A tensor is {type, dims, data}.

import * as ort from "../runtime/ort.wasm.bundle.min.js";

const sessions = {};

async function load({ models, base }) {
  ort.env.wasm.numThreads = 1; // more threads need a cross-origin isolated page
  ort.env.wasm.wasmPaths = { wasm: new URL("runtime/ort-wasm-simd-threaded.wasm", base).href };
  ort.env.logLevel = "error";
  for (const name of models) {
    const response = await fetch(new URL(`models/${name}.onnx`, base));
    if (!response.ok) throw new Error(`models/${name}.onnx: ${response.status} ${response.statusText}`);
    const bytes = new Uint8Array(await response.arrayBuffer());
    sessions[name] = await ort.InferenceSession.create(bytes, { executionProviders: ["wasm"] });
  }
}

async function run({ model, inputs }) {
  const feeds = {};
  for (const [name, { type, dims, data }] of Object.entries(inputs)) feeds[name] = new ort.Tensor(type, data, dims);
  const outputs = {};
  for (const [name, { type, dims, data }] of Object.entries(await sessions[model].run(feeds))) {
    outputs[name] = { type, dims, data };
  }
  return outputs;
}

self.onmessage = async ({ data }) => {
  try {
    if (data.load) {
      await load(data.load);
      self.postMessage({ ready: true });
    } else {
      self.postMessage({ outputs: await run(data) });
    }
  } catch (error) {
    self.postMessage({ [data.load ? "failed" : "error"]: String(error.message ?? error) });
  }
};
