"""ONNX files: one per function, converted by tf2onnx."""

import contextlib
import logging
from typing import Any, Iterator, List

import onnx
import onnxruntime
import tensorflow.compat.v1 as tf
import tf2onnx

from vq_estimator.errors import VQError
from vq_estimator.inference.export import onnx_ops, onnx_upsampling
from vq_estimator.inference.export.files import write_functions
from vq_estimator.inference.export.formats import Job
from vq_estimator.inference.export.functions import Function, as_text
from vq_estimator.inference.export.verification import Compute, Difference

OPSET = 17  # of 2022: read by onnxruntime 1.12 and later, and by onnxruntime-web
SUFFIX = ".onnx"
# Ops of ONNX whose inputs are broadcast to one shape.
ELEMENTWISE = {"Add", "Sub", "Mul", "Div", "Pow", "Mod", "Min", "Max", "Where", "And", "Or", "Xor"}
ELEMENTWISE |= {"Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"}


def convert(function: Function) -> onnx.ModelProto:
    """Converts a function to ONNX; the names of inputs and outputs and the metadata are in the model."""
    # tf2onnx wants tensors and final names that differ.
    renamed, prefix = tf.Graph(), "model"
    with renamed.as_default():
        tf.import_graph_def(function.graph, name=prefix)
    tensors = {f"{prefix}/{t}": name for t, name in ((t, n) for p in function[2:4] for n, t in p.items())}
    with _quiet(), _translate_errors(function.name):
        model, _ = tf2onnx.convert.from_graph_def(
            renamed.as_graph_def(),
            name=function.name,
            input_names=[f"{prefix}/{t}" for t in function.inputs.values()],
            output_names=[f"{prefix}/{t}" for t in function.outputs.values()],
            opset=OPSET,
            tensors_to_rename=tensors,
            custom_op_handlers=onnx_ops.HANDLERS,
        )
        onnx.checker.check_model(model)
    _name_the_batch(model)
    _match_ranks_of_scalars(model.graph)
    onnx_upsampling.merge(model.graph)
    onnx.helper.set_model_props(model, as_text(function.metadata))
    model.producer_name, model.producer_version = "vq_estimator", function.metadata["vq_estimator"]
    return model


def load(content: bytes) -> Compute:
    """Opens the content of a file in onnxruntime."""
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda **inputs: dict(zip(names, session.run(names, inputs)))


def write(job: Job, folder: str) -> List[Difference]:
    """Writes NAME.onnx for each function; see `files.write_functions`."""
    return write_functions(job, folder, SUFFIX, lambda function: convert(function).SerializeToString(), load)


def _match_ranks_of_scalars(graph: onnx.GraphProto) -> None:
    """Gives a constant of one number as many dimensions of size 1 as the tensor that it is combined with.

    If the tensor's last dimension is 1, as in grey images, onnxruntime takes a hundred times as long for a scalar
    (1.23, and 1.30 in the browser).
    """
    constants = {c.name: onnx.numpy_helper.to_array(c) for c in graph.initializer}
    inferred = onnx.shape_inference.infer_shapes(onnx.helper.make_model(graph)).graph
    types = {value.name: value.type.tensor_type for value in [*inferred.value_info, *inferred.input, *inferred.output]}
    ranks = {name: len(known.shape.dim) for name, known in types.items() if known.HasField("shape")}
    ranks.update((name, value.ndim) for name, value in constants.items())
    for node in graph.node:
        if node.op_type not in ELEMENTWISE or not all(name in ranks for name in node.input):
            continue
        rank = max(ranks[name] for name in node.input)
        for i, name in enumerate(node.input):
            if name in constants and constants[name].size == 1 and ranks[name] < rank:
                node.input[i] = f"{name}/rank_{rank}"
                if node.input[i] not in ranks:
                    ranks[node.input[i]] = rank
                    one = constants[name].reshape([1] * rank)
                    graph.initializer.append(onnx.numpy_helper.from_array(one, node.input[i]))
    onnx_upsampling.remove_unused_constants(graph)


def _name_the_batch(model: onnx.ModelProto) -> None:
    """Calls the first unknown dimension of inputs and outputs `batch`."""
    for value in [*model.graph.input, *model.graph.output]:
        dims = value.type.tensor_type.shape.dim
        if dims and not dims[0].HasField("dim_value"):
            dims[0].dim_param = "batch"


@contextlib.contextmanager
def _translate_errors(name: str) -> Iterator[None]:
    """Turns what the converter raises for an op that it does not know into a VQError."""
    try:
        yield
    except Exception as e:  # tf2onnx raises whatever its parts raise
        raise VQError(f"{name}: got a graph that tf2onnx can't convert ({e}), expected ops that ONNX has") from None


@contextlib.contextmanager
def _quiet() -> Iterator[Any]:
    """Hides the progress reports of tf2onnx."""
    logger = logging.getLogger("tf2onnx")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
