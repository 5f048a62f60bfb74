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
from vq_estimator.training.run_folder import Checkpoint
from vq_estimator.version import __version__

Arrays = Dict[str, np.ndarray]


class Traced(NamedTuple):
    """A function in a run's graph.

    Attributes:
      name: such as "encode".
      inputs: the placeholders by the names of the inputs.
      outputs: the tensors by the names of the outputs, which differ from those of the inputs.
    """

    name: str
    inputs: Dict[str, tf.Tensor]
    outputs: Dict[str, tf.Tensor]


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
      images) and `reconstruct` (images -> reconstructions).
    """
    m, model = run.config.model, run.vqvae
    images, codes = tf.placeholder(tf.uint8, (None, *m.shape)), tf.placeholder(tf.int32, (None, *m.grid))
    encoded = model.encode(images)
    found = [Traced("encode", {"images": images}, {"codes": encoded})]
    if not m.is_stochastic_decoder:
        found.append(Traced("decode", {"codes": codes}, {"images": model.decode(codes)}))
        found.append(Traced("reconstruct", {"images": images}, {"reconstructions": model.decode(encoded)}))
    return found


def trace_speech(run: OpenRun) -> List[Traced]:
    """Adds the functions of a model of speech to the run's graph.

    Returns:
      `encode` (mu-law levels uint8 [B, T] -> codes int32 [B, n, L]).
    """
    levels = tf.placeholder(tf.uint8, [None, None])
    codes = run.vqvae.encode(levels[:, tf.newaxis, :, tf.newaxis])
    return [Traced("encode", {"levels": levels}, {"codes": codes[:, 0]})]


class FunctionSet:
    """The functions of an open run: as frozen graphs, and computed by the checkpoint's own graph.

    Args:
      run: an open run in float32.
      trace: adds the functions to the run's graph; None: those of the run's kind.
    """

    def __init__(self, run: OpenRun, trace: Optional[Trace] = None):
        self._run = run
        trace = trace or part(run.config.model, "functions")
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

    def inputs(self, name: str) -> Tuple[str, ...]:
        """Names of a function's inputs."""
        return tuple(self._traced[name].inputs)

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
        traced = self._reference[name]
        return self._run.session.run(traced.outputs, {traced.inputs[k]: value for k, value in inputs.items()})

    def frozen(self, name: str) -> Function:
        """Makes the graph of a function, with nothing in it that the function does not need."""
        traced, session = self._traced[name], self._run.session
        kept = [t.op.name for t in traced.outputs.values()]
        graph = tf.graph_util.convert_variables_to_constants(session, session.graph_def, kept)
        tensors = [{key: t.name for key, t in part.items()} for part in (traced.inputs, traced.outputs)]
        return Function(name, graph, *tensors, metadata={"function": name, **describe(self._run)})


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
