"""Exported files called in a loop, by onnxruntime and by TensorFlow's TFLite interpreter."""

import os

import numpy as np

THREADS = len(os.sched_getaffinity(0))


def write(model: str, path: str, formats) -> dict:
    """Exports a provided model to path/<format>; returns the bytes of each file by format and function."""
    from vq_estimator import estimators

    sizes = {}
    with estimators.load(model) as run:
        for name in formats:
            folder = os.path.join(path, name)
            run.export(folder, name.split("-")[0], float16=name.endswith("float16"))
            sizes[name] = {file: os.path.getsize(os.path.join(folder, file)) for file in sorted(os.listdir(folder))}
    return sizes


def functions(folder: str) -> dict:
    """The functions in a folder of ONNX or TFLite files, by name: named arrays in, named arrays out."""
    found = {}
    for file in sorted(os.listdir(folder)):
        name, suffix = os.path.splitext(file)
        with open(os.path.join(folder, file), "rb") as f:
            found[name] = {".onnx": _onnx, ".tflite": _tflite}[suffix](f.read())
    return found


def calls(path: str, batches, folder: str) -> dict:
    """Functions "encode B" and "decode B" that call the files in path/folder on the twin's inputs."""
    given, found = np.load(os.path.join(path, "twin.npz")), {}
    for name, function in functions(os.path.join(path, folder)).items():
        key = {"encode": "images", "decode": "codes"}.get(name)
        for B in batches if key else ():
            call = _bound(function, key, given[key][:B])
            for _ in range(3):
                call()
            found[f"{name} {B}"] = call
    return found


def _bound(function, key, value):
    return lambda: function(**{key: value})


def _onnx(content: bytes):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda **inputs: dict(zip(names, session.run(names, inputs)))


def _tflite(content: bytes):
    import tensorflow as tf

    # The interpreter itself: its signature runner takes a tenth of a millisecond more for each call.
    interpreter = tf.lite.Interpreter(model_content=content, num_threads=THREADS)
    (given,), (asked,) = interpreter.get_input_details(), interpreter.get_output_details()
    shape = []

    def call(**inputs):
        (value,) = inputs.values()
        if shape != [value.shape]:
            interpreter.resize_tensor_input(given["index"], value.shape)
            interpreter.allocate_tensors()
            shape[:] = [value.shape]
        interpreter.set_tensor(given["index"], value)
        interpreter.invoke()
        return {"output": interpreter.get_tensor(asked["index"])}

    return call
