"""The functions of a trained model as separate graphs, with named inputs and outputs and the weights as constants.

A format that holds one graph per file, such as ONNX, writes a file for each function. The reference values that its
files are compared with come from the same graph with the checkpoint's variables.
"""

import contextlib
import dataclasses
import json
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple

import numpy as np
import tensorflow.compat.v1 as tf
from tensorflow.core.framework import graph_pb2

from vq_estimator.config import Config, part, type_name
from vq_estimator.inference.session import OpenRun
from vq_estimator.inference.trained_prior import TrainedPrior
from vq_estimator.models.vqvae import OURS, Networks
from vq_estimator.nn.quantizers import clustering
from vq_estimator.nn.stepwise import POSITION, SEED, Traced
from vq_estimator.training.checkpoints import Checkpoint
from vq_estimator.version import __version__

Arrays = Dict[str, np.ndarray]
WHOLE = ("encode", "decode", "reconstruct")  # the functions that belong to no loop
RANDOM = {"StatelessRandomUniform": "uniform", "StatelessRandomNormal": "normal"}  # ops and the kinds of their noise
Trace = Callable[[OpenRun], List[Traced]]


class Function(NamedTuple):
    """A function as a graph of its own, with its weights as constants.

    Attributes:
      name: such as "encode".
      graph: the frozen graph.
      inputs, outputs: the names of the graph's tensors ("images:0") by the names of the inputs and outputs.
      metadata: facts about the function and its model for the file, as JSON values by their names.
    """

    name: str
    graph: graph_pb2.GraphDef
    inputs: Dict[str, str]
    outputs: Dict[str, str]
    metadata: Dict[str, Any]


def trace_images(run: OpenRun) -> List[Traced]:
    """Adds the functions of a model of images to the run's graph.

    Returns:
      `encode` (images uint8 [B, H, W, C] -> codes int32 [B, h, w, L]), and with a factorised decoder `decode` (codes ->
      images) and `reconstruct` (images -> reconstructions). Another decoder and the prior have the steps of their
      loops (`nn.stepwise`).
    """
    m, model = run.config.model, run.vqvae
    images, codes = tf.placeholder(tf.uint8, (None, *m.shape)), tf.placeholder(tf.int32, (None, *m.grid))
    encoded = model.encode(images)
    found = [Traced("encode", {"images": images}, {"codes": encoded})]
    if m.is_stochastic_decoder:
        found += model.step_functions(codes)
    else:
        found.append(Traced("decode", {"codes": codes}, {"images": model.decode(codes)}))
        found.append(Traced("reconstruct", {"images": images}, {"reconstructions": model.decode(encoded)}))
    return found + _trace_prior(run)


def trace_speech(run: OpenRun) -> List[Traced]:
    """Adds the functions of a speech model to the run's graph.

    Returns:
      `encode` (mu-law levels uint8 [B, T] -> codes int32 [B, n, L]), and the steps of the loops of decoder and prior.
    """
    levels = tf.placeholder(tf.uint8, [None, None])
    codes = tf.placeholder(tf.int32, [None, None, run.config.model.quantizer.L])
    # A slice with new axes would need a TensorFlow op in TFLite.
    encoded = run.vqvae.encode(tf.expand_dims(tf.expand_dims(levels, 1), 3))
    first = Traced("encode", {"levels": levels}, {"codes": encoded[:, 0]})
    steps = run.vqvae.step_functions(codes[:, tf.newaxis])
    steps[0] = steps[0]._replace(inputs={**steps[0].inputs, "codes": codes})
    return [first, *steps, *_trace_prior(run)]


def _trace_prior(run: OpenRun) -> List[Traced]:
    return [] if run.prior is None else run.code_prior.step_functions()


class Noise(NamedTuple):
    """A random op of a function: its output, and the facts that the file carries.

    The facts are the kind, the shape (-1 for the batch), and `first` and `stride`: the seed of the element at index i
    is [seed, first + stride * i].
    """

    tensor: tf.Tensor
    facts: Dict[str, Any]


class FunctionSet:
    """The functions of an open run: as frozen graphs, and computed by the checkpoint's own graph.

    Args:
      run: an open run in float32.
      trace: adds the functions to the run's graph; None: those of the run's kind.
    """

    def __init__(self, run: OpenRun, trace: Optional[Trace] = None):
        self._run = run
        trace = trace or part(run.config.model, "functions")
        self._noise: Dict[str, Dict[str, Noise]] = {}
        self._reference = {f.name: f for f in run.op("reference", lambda: trace(run))}
        with clustering.without_parts():
            self._traced = {f.name: f for f in run.op("functions", lambda: trace(run))}

    @property
    def run(self) -> OpenRun:
        """The run."""
        return self._run

    @property
    def names(self) -> Tuple[str, ...]:
        """Names of the functions."""
        return tuple(self._traced)

    @property
    def without_steps(self) -> Tuple[str, ...]:
        """Names of the functions that belong to no loop."""
        return tuple(name for name in self._traced if name in WHOLE)

    def inputs(self, name: str) -> Tuple[str, ...]:
        """Names of a function's inputs."""
        given = [key for key in self._traced[name].inputs if key not in (SEED, POSITION)]
        return (*given, *self.noise(name))

    def draws(self, num: int) -> np.ndarray:
        """Draws examples from the model: decoded from codes that are equally likely."""
        m, random = self._run.config.model, np.random.RandomState(0)
        shape = tuple(16 if n is None else n for n in m.codes_shape)
        codes = random.randint(0, m.quantizer.K, (num, *shape)).astype(np.int32)
        speakers = np.zeros(num, np.int32)
        drawn = self._run.op(
            "draws", lambda: self._run.vqvae.decode(tf.constant(codes), speakers=tf.constant(speakers))
        )
        found = self._run.session.run(drawn)
        return found if m.fixed_dims is not None else found[:, 0, :, 0]

    def compute(self, name: str, **inputs: np.ndarray) -> Arrays:
        """Computes a function with the checkpoint's variables, as the package does.

        Args:
          name: the function.
          **inputs: arrays by the names of the inputs.

        Returns:
          Arrays by the names of the outputs.
        """
        noise = self.noise(name)
        if noise:
            traced = self._traced[name]
            traced = traced._replace(inputs={**traced.inputs, **{key: one.tensor for key, one in noise.items()}})
        else:
            traced = self._reference[name]
        return self._run.session.run(traced.outputs, {traced.inputs[k]: value for k, value in inputs.items()})

    def frozen(self, name: str) -> Function:
        """Makes the graph of a function, with nothing in it that the function does not need."""
        traced, session, noise = self._traced[name], self._run.session, self.noise(name)
        kept = [t.op.name for t in traced.outputs.values()]
        graph = tf.graph_util.convert_variables_to_constants(session, session.graph_def, kept)
        if noise:
            graph = _with_inputs(graph, {key: one.tensor for key, one in noise.items()}, kept)
        outputs = {key: t.name for key, t in traced.outputs.items()}
        inputs = {key: traced.inputs[key].name if key in traced.inputs else key + ":0" for key in self.inputs(name)}
        facts = {"function": name, **describe(self._run), **(traced.metadata or {})}
        if noise:
            facts["noise"] = [{"input": key, **one.facts} for key, one in noise.items()]
        return Function(name, graph, inputs, outputs, facts)

    def shapes(self, name: str) -> Dict[str, Tuple[tf.DType, list]]:
        """Returns dtype and shape of a function's inputs by name, None for the dimensions that are free."""
        tensors = {**self._traced[name].inputs, **{key: one.tensor for key, one in self.noise(name).items()}}
        return {key: (tensors[key].dtype, tensors[key].shape.as_list()) for key in self.inputs(name)}

    def noise(self, name: str) -> Dict[str, Noise]:
        """Returns the random ops of a function, which are inputs of its file, by the names of the inputs."""
        if name not in self._noise:
            self._noise[name] = self._find_noise(self._traced[name])
        return self._noise[name]

    def _find_noise(self, traced: Traced) -> Dict[str, Noise]:
        if SEED not in traced.inputs:
            return {}
        graph = self._run.graph
        kept = tf.graph_util.extract_sub_graph(graph.as_graph_def(), [t.op.name for t in traced.outputs.values()])
        ops = [graph.get_operation_by_name(node.name) for node in kept.node if node.op in RANDOM]
        seeds, position = [op.inputs[1] for op in ops], traced.inputs[POSITION]
        at = [self._run.session.run(seeds, {traced.inputs[SEED]: 0, position: i}) for i in range(2)]
        found = {}
        for i, op in enumerate(ops):
            (_, first), (_, second) = at[0][i], at[1][i]
            shape = [-1 if n is None else n for n in op.outputs[0].shape.as_list()]
            facts = {"kind": RANDOM[op.type], "shape": shape, "first": int(first), "stride": int(second - first)}
            found[f"noise_{i}"] = Noise(op.outputs[0], facts)
        return found


def _with_inputs(graph: graph_pb2.GraphDef, tensors: Dict[str, tf.Tensor], kept: List[str]) -> graph_pb2.GraphDef:
    """Replaces tensors by placeholders of the names in `tensors`; `kept`: the names of the outputs."""
    with tf.Graph().as_default() as changed:
        given = {t.name: tf.placeholder(t.dtype, t.shape, name) for name, t in tensors.items()}
        tf.import_graph_def(graph, given, name="")
        return tf.graph_util.extract_sub_graph(changed.as_graph_def(), kept)


def describe(run: OpenRun) -> Dict[str, Any]:
    """Returns the facts about a model that its files carry, as JSON values."""
    config, prior = run.config, run.prior
    m, q = config.model, config.model.quantizer
    return {
        "vq_estimator": __version__,
        "dataset": config.dataset_source or config.dataset,
        "kind": type_name(m),
        "shape": list(m.shape),
        "codes_shape": list(m.codes_shape),
        "K": q.K,
        "D": q.D,
        "L": q.L,
        "likelihood": type_name(m.likelihood),
        "decoder": type_name(m.decoder),
        "classes": prior.config.codes.classes if prior is not None else 0,
        "speakers": list(m.speakers),
        "global_step": run.checkpoint.step,
        "fingerprint": run.fingerprint,
    }


def as_text(metadata: Dict[str, Any]) -> Dict[str, str]:
    """Returns metadata with text for all values: text as it is, others as JSON."""
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in metadata.items()}


@contextlib.contextmanager
def open_functions(
    config: Config,
    checkpoint: Checkpoint,
    prior: Optional[TrainedPrior] = None,
    networks: Networks = OURS,
    trace: Optional[Trace] = None,
) -> Iterator[FunctionSet]:
    """Opens a run for its functions, in float32 whatever precision it was trained in; `trace`: see `FunctionSet`.

    Raises:
      VQError: the checkpoint does not fit the configuration.
    """
    model = dataclasses.replace(config.model, precision="float32")
    with OpenRun(dataclasses.replace(config, model=model), checkpoint, prior=prior, networks=networks) as run:
        yield FunctionSet(run, trace)
