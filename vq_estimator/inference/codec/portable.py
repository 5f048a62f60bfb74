"""The exact form of a decoder, whose results are the same on every machine; portable files use it.

`nn.exact` explains the arithmetic. The exponents of the layers' inputs are the only numbers that are measured in
floating point. The writer measures them on drawn codes and, for a local decoder, on the images that they decode to. The
header of the file stores them.
"""

import contextlib
import copy
import dataclasses
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence

import numpy as np
import tensorflow.compat.v1 as tf

from vq_estimator.config import Config, has_wavefronts, type_name
from vq_estimator.errors import VQError
from vq_estimator.inference.codec.run import AUTO, LEARNED, UNIFORM, UNIGRAM, Run, prior_for
from vq_estimator.inference.session import OpenRun
from vq_estimator.nn import exact, exact_local, local_weights, networks
from vq_estimator.nn.decoders.local import couples_residuals
from vq_estimator.nn.likelihoods import cumulative
from vq_estimator.nn.local_weights import LocalWeights
from vq_estimator.nn.quantizers.clustering import gather_entries

FACTORISED = "factorised"
DRAWN = 64  # code maps on which the exponents are measured


def supports(decoder: str) -> bool:
    """Returns whether the decoder with this name has an exact form."""
    return decoder == FACTORISED or has_wavefronts(decoder)


def check(model) -> None:
    """Raises VQError if the decoder of a model's configuration has no exact form."""
    decoder = type_name(model.decoder)
    if not supports(decoder):
        want = "decoder=factorised or decoder=local; others have no exact form"
        raise VQError(f"portable: got a model with decoder={decoder}, expected {want}")


def in_float32(config: Config) -> Config:
    """Returns the configuration of a run whose network computes in float32, as the exact form does."""
    return dataclasses.replace(config, model=dataclasses.replace(config.model, precision="float32"))


def pixels(model, make: Callable[..., cumulative.Pixels]) -> Callable[..., cumulative.Pixels]:
    """Returns a function from the outputs of the exact decoder to `cumulative.Pixels`.

    Args:
      model: the configuration.
      make: the function for likelihood parameters.
    """
    if not (model.decoder.has_wavefronts and couples_residuals(model)):
        return make
    components = model.likelihood.components
    return lambda outputs: make(cumulative.couple_residuals(outputs, components))


def choose_prior(run: Run, prior: str) -> str:
    """Returns the prior of a portable file: `prior` itself, or if it is AUTO the best one without a network.

    Raises:
      VQError: the prior is learned, or the run does not have it.
    """
    if prior == LEARNED:
        want = f"{UNIGRAM} or {UNIFORM}, because the network of the learned prior has no exact form"
        raise VQError(f"prior: got {prior!r} for a portable file, expected {want}")
    if prior == AUTO:
        prior = UNIFORM if run.calibration is None else UNIGRAM
    return prior_for(run, prior)


class _Layer(NamedTuple):
    """A layer of the decoder: its input, its variables, and the last arguments of `exact.make_layer`."""

    x: tf.Tensor
    weights: tf.Variable
    bias: tf.Variable
    upsampling: int
    signed: bool


class _Local(NamedTuple):
    """The local network of a decoder: its name, the values of its variables, and the inputs of measured layers."""

    scope: str
    values: Dict[str, tf.Tensor]
    inputs: Dict[str, tf.Tensor]


class _ExactQuantizer:
    """A quantizer that looks up rounded entries, whose sums are exact."""

    def __init__(self, quantizer, entries: np.ndarray, summed: bool):
        self._quantizer, self._entries, self._summed = quantizer, entries, summed

    def __call__(self, *args, **kwargs):
        return self._quantizer(*args, **kwargs)

    def lookup(self, codes: tf.Tensor) -> tf.Tensor:
        vectors = gather_entries(tf.constant(self._entries), codes)  # [B, h, w, L, D]
        return tf.reduce_sum(vectors, -2, keepdims=True) if self._summed else vectors


class PortableModel:
    """The exact decoder of a run, in the run's graph.

    Args:
      run: the open run, whose decoder `check` accepts.
      exponents: the exponents in a file's header; None: measure them.
      probabilities: float64 [L, K], the code probabilities for the measurement.

    Attributes:
      exponents: the exponent of the inputs of each measured layer, in the alphabetical order of the layers' names.
      layers: the `exact.Layer` of each name.
      levels: the rounded table of a local decoder's embeddings; None if it has none.
      entries: float32 [L, K, D], the rounded entries.
      vqvae: a VQVAE whose methods compute exactly within `arithmetic`, but for the encoder.

    Raises:
      VQError: the number of exponents differs from the number of layers, or weights are not finite.
    """

    def __init__(self, run: OpenRun, exponents: Optional[Sequence[int]], probabilities: np.ndarray):
        self._run, self._model = run, run.vqvae
        self._found: Dict[str, _Layer] = {}
        self._local: Optional[_Local] = None
        codes = run.op("portable inputs", self._find_layers)
        inputs = {name: layer.x for name, layer in self._found.items()}
        if self._local is not None:
            inputs.update((f"{self._local.scope}/{name}", x) for name, x in self._local.inputs.items())
        self.exponents: List[int]
        self.exponents = self._measure(inputs, codes, probabilities) if exponents is None else list(exponents)
        if len(self.exponents) != len(inputs):
            want = f"{len(inputs)}, one for each layer of the decoder"
            raise VQError(f"header: got {len(self.exponents)} exponents, expected {want}")
        self.layers: Dict[str, exact.Layer] = {}
        self.levels: Optional[np.ndarray] = None
        self._round(dict(zip(sorted(inputs), self.exponents)))
        entries = run.session.run(run.op("portable entries", self._model.quantizer.entries))
        # A residual quantizer adds L entries, which is exact on this grid.
        self.entries = exact.on_grid_of_sums(entries, len(entries))
        self.vqvae = copy.copy(self._model)
        quantizer = run.config.model.quantizer
        summed = quantizer.vectors_per_position < quantizer.L
        self.vqvae.quantizer = _ExactQuantizer(self._model.quantizer, self.entries, summed)

    @contextlib.contextmanager
    def arithmetic(self) -> Iterator[None]:
        """Computes the decoders that are connected within the context exactly."""

        def convolve(x, weights, bias, stride, transposed):
            layer = self.layers.get(_name(weights))
            if layer is None:  # of the encoder
                return networks.in_floating_point(x, weights, bias, stride, transposed)
            return exact.convolve(layer, x)

        def make(scope: str, values: Dict[str, tf.Tensor]) -> LocalWeights:
            return exact_local.ExactWeights(scope, values, self.layers, self.levels)

        with networks.arithmetic(convolve), local_weights.computed_by(make):
            yield

    def _find_layers(self) -> tf.Tensor:
        """Connects the decoder in floating point, to find its layers and their inputs; returns its codes."""

        def convolve(x, weights, bias, stride, transposed):
            if not transposed and stride != 1:
                raise VQError(f"portable: got a decoder with a convolution of stride {stride}, expected stride 1")
            signed = x.op.type != "Relu"
            self._found[_name(weights)] = _Layer(x, weights, bias, stride if transposed else 0, signed)
            return networks.in_floating_point(x, weights, bias, stride, transposed)

        def make(scope: str, values: Dict[str, tf.Tensor]) -> LocalWeights:
            self._local = _Local(scope, values, {})
            return exact_local.Measured(scope, values, self._local.inputs.__setitem__)

        model = self._model
        codes = tf.placeholder(tf.int32, (None, *model.config.codes_shape))
        images = model.decode(codes) if model.config.is_stochastic_decoder else None
        with networks.arithmetic(convolve), local_weights.computed_by(make):
            if images is None:
                model.parameters(codes)
            else:
                model.likelihood(codes, images)
        return codes

    def _measure(self, inputs: Dict[str, tf.Tensor], codes: tf.Tensor, probabilities: np.ndarray) -> List[int]:
        """Returns the exponents for which the inputs of drawn code maps are within the limit."""
        random, (height, width, _) = np.random.RandomState(0), self._run.config.model.grid
        drawn = np.stack([random.choice(len(p), [DRAWN, height, width], p=p) for p in probabilities], -1)
        largest = self._run.op(
            "portable ranges", lambda: {name: tf.reduce_max(tf.abs(x)) for name, x in inputs.items()}
        )
        found = self._run.session.run(largest, {codes: drawn})
        return [exact.find_exponent(found[name], exact.INPUT_BITS) for name in sorted(found)]

    def _round(self, exponents: Dict[str, int]) -> None:
        """Rounds the variables of all layers."""
        values = self._run.session.run({name: (layer.weights, layer.bias) for name, layer in self._found.items()})
        for name, found in self._found.items():
            self.layers[name] = exact.make_layer(name, *values[name], exponents[name], found.upsampling, found.signed)
        if self._local is not None:
            local: Dict[str, Any] = self._run.session.run(self._local.values)
            layers, self.levels = exact_local.round_variables(self._local.scope, local, exponents)
            self.layers.update(layers)


def _name(weights: tf.Variable) -> str:
    """Returns the name of the layer that a variable of weights belongs to."""
    return weights.op.name.rsplit("/", 1)[0]
