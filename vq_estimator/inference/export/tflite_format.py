"""TFLite files: one per function, converted by the converter that comes with TensorFlow 2."""

import contextlib
import json
import os
import re
import sys
from typing import Iterator, List

import tensorflow.compat.v1 as tf

from vq_estimator.errors import VQError, one_line
from vq_estimator.inference.export.files import write_functions
from vq_estimator.inference.export.formats import Job
from vq_estimator.inference.export.functions import Function
from vq_estimator.inference.export.verification import Compute, Difference

SUFFIX = ".tflite"
METADATA = "vq_estimator"  # name of the metadata buffer, which holds JSON


def convert(function: Function, float16: bool = False) -> bytes:
    """Converts a function to TFLite, with one signature of its name and its metadata as JSON.

    Args:
      function: the function.
      float16: store the weights as float16; they are computed with in float32, or in float16 where a GPU does.

    Raises:
      VQError: TFLite does not have an op of the function, such as one of a network of the caller.
    """
    from tensorflow.lite.python.convert_phase import ConverterError

    with tf.Graph().as_default() as graph:
        tf.import_graph_def(function.graph, name="")
        inputs, outputs = (
            [graph.get_tensor_by_name(t) for t in part.values()] for part in (function.inputs, function.outputs)
        )
        converter = tf.lite.TFLiteConverter(graph.as_graph_def(add_shapes=True), inputs, outputs)
        if float16:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.target_spec.supported_types = [tf.float16]
        try:
            with _quiet():
                content = converter.convert()
        except ConverterError as e:
            ops = re.search(r"^(?:TF Select|Custom) ops: (.*)$", str(e), re.MULTILINE)
            got = f"{function.name}, which TFLite can't compute ({ops.group(1) if ops else one_line(str(e))[:200]})"
            raise VQError(f"format: got tflite for {got}, expected saved_model or onnx") from None
    return _described(content, function)


def load(content: bytes) -> Compute:
    """Opens the content of a file in TensorFlow's interpreter."""
    interpreter = tf.lite.Interpreter(model_content=content, num_threads=os.cpu_count())
    (name,) = interpreter.get_signature_list()
    return interpreter.get_signature_runner(name)


def write(job: Job, folder: str) -> List[Difference]:
    """Writes NAME.tflite for encode, decode and reconstruct, as far as the model has them; see `write_functions`."""
    return write_functions(job, folder, SUFFIX, lambda function: convert(function, job.float16), load, False)


def read_metadata(content: bytes) -> dict:
    """Returns the metadata of a file's content."""
    from tensorflow.lite.tools import flatbuffer_utils

    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(content))
    (entry,) = [m for m in model.metadata if m.name == METADATA.encode()]
    return json.loads(bytes(model.buffers[entry.buffer].data))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hides the statistics that the converter's C++ code prints to the standard error stream."""
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "wb") as nothing:
        os.dup2(nothing.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _described(content: bytes, function: Function) -> bytes:
    """Adds the signature, the metadata and a description, which this converter writes for SavedModels alone."""
    from tensorflow.lite.python import schema_py_generated as schema
    from tensorflow.lite.tools import flatbuffer_utils

    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(content))
    signature, (main,) = schema.SignatureDefT(), model.subgraphs
    signature.signatureKey, signature.subgraphIndex = function.name, 0
    signature.inputs = _named(schema, function.inputs, main.inputs)
    signature.outputs = _named(schema, function.outputs, main.outputs)
    model.signatureDefs = [signature]
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = list(json.dumps(function.metadata).encode())
    entry.name, entry.buffer = METADATA, len(model.buffers)
    model.buffers.append(buffer)
    model.metadata = [*(model.metadata or []), entry]
    model.description = f"{function.name}, vq_estimator {function.metadata['vq_estimator']}"
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _named(schema, names, indices):
    """Returns the inputs or outputs of a signature; both are in the order that the converter was given."""
    maps = []
    for name, index in zip(names, indices):
        one = schema.TensorMapT()
        one.name, one.tensorIndex = name, int(index)
        maps.append(one)
    return maps
