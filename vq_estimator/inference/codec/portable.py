"""The exact form of a factorised decoder, whose results are the same on every machine; portable files use it.

`nn.exact` explains the arithmetic. The exponents of the layers' inputs are the only numbers that are measured in
floating point. The writer measures them on drawn codes, and the header of the file stores them.
"""

from typing import Dict, List, NamedTuple, Optional, Sequence

import numpy as np
import tensorflow.compat.v1 as tf

from vq_estimator.config import type_name
from vq_estimator.errors import VQError
from vq_estimator.inference.codec.run import AUTO, LEARNED, UNIFORM, UNIGRAM, Run, prior_for
from vq_estimator.inference.session import OpenRun
from vq_estimator.nn import exact, networks
from vq_estimator.nn.quantizers.clustering import gather_entries

FACTORISED = "factorised"  # the decoder that has an exact form
DRAWN = 64  # code maps on which the exponents are measured
SUM_BITS = 20  # of the sum of the entries at a position


def check(model) -> None:
    """Raises VQError if the decoder of a model's configuration has no exact form."""
    for name, got, want in (
        ("decoder", type_name(model.decoder), FACTORISED),
        ("precision", model.precision, "float32"),
    ):
        if got != want:
            raise VQError(f"portable: got a model with {name}={got}, expected {name}={want}; others have no exact form")


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


class PortableDecoder:
    """The exact decoder of a run, in the run's graph.

    Args:
      run: the open run. Its decoder is factorised.
      codes: the placeholder of the codes, int32 [B, h, w, L].
      exponents: the exponents in a file's header; None: measure them.
      probabilities: float64 [L, K], the code probabilities for the measurement.

    Attributes:
      exponents: the exponent of the inputs of each layer, in the alphabetical order of the layers' names.
      layers: the `exact.Layer` of each name.
      entries: float32 [L, K, D], the rounded entries.
      parameters: the likelihood parameters of every pixel, float32 [B, H, W, outputs].

    Raises:
      VQError: the number of exponents differs from the number of layers, or weights are not finite.
    """

    def __init__(self, run: OpenRun, codes: tf.Tensor, exponents: Optional[Sequence[int]], probabilities: np.ndarray):
        self._run, self._model = run, run.vqvae
        self._found: Dict[str, _Layer] = {}
        run.op("portable inputs", lambda: self._find_layers(codes))
        names = sorted(self._found)
        self.exponents: List[int] = self._measure(codes, probabilities) if exponents is None else list(exponents)
        if len(self.exponents) != len(names):
            want = f"{len(names)}, one for each layer of the decoder"
            raise VQError(f"header: got {len(self.exponents)} exponents, expected {want}")
        values = run.session.run({name: (layer.weights, layer.bias) for name, layer in self._found.items()})
        self.layers: Dict[str, exact.Layer] = {}
        for name, exponent in zip(names, self.exponents):
            found = self._found[name]
            self.layers[name] = exact.make_layer(name, *values[name], exponent, found.upsampling, found.signed)
        entries = run.session.run(run.op("portable entries", self._model.quantizer.entries))
        # A residual quantizer adds L entries, which is exact on this grid.
        self.entries = exact.round_to_grid(entries, exact.find_exponent(len(entries) * np.abs(entries).max(), SUM_BITS))
        self.parameters: tf.Tensor = run.op("portable parameters", lambda: self._connect(codes))

    def _find_layers(self, codes: tf.Tensor) -> tf.Tensor:
        """Connects the decoder in floating point, to find its layers and their inputs."""

        def convolve(x, weights, bias, stride, transposed):
            if not transposed and stride != 1:
                raise VQError(f"portable: got a decoder with a convolution of stride {stride}, expected stride 1")
            signed = x.op.type != "Relu"
            self._found[_name(weights)] = _Layer(x, weights, bias, stride if transposed else 0, signed)
            return networks.in_floating_point(x, weights, bias, stride, transposed)

        with networks.arithmetic(convolve):
            return self._model.parameters(codes)

    def _measure(self, codes: tf.Tensor, probabilities: np.ndarray) -> List[int]:
        """Returns the exponents for which the inputs of drawn code maps are within the limit."""
        random, (height, width, _) = np.random.RandomState(0), self._run.config.model.grid
        drawn = np.stack([random.choice(len(p), [DRAWN, height, width], p=p) for p in probabilities], -1)
        largest = self._run.op(
            "portable ranges", lambda: {name: tf.reduce_max(tf.abs(layer.x)) for name, layer in self._found.items()}
        )
        found = self._run.session.run(largest, {codes: drawn})
        return [exact.find_exponent(found[name], exact.INPUT_BITS) for name in sorted(found)]

    def _connect(self, codes: tf.Tensor) -> tf.Tensor:
        def convolve(x, weights, bias, stride, transposed):
            del bias, stride, transposed
            return exact.convolve(self.layers[_name(weights)], x)

        quantizer = self._run.config.model.quantizer
        vectors = gather_entries(tf.constant(self.entries), codes)  # [B, h, w, L, D]
        if quantizer.vectors_per_position < quantizer.L:
            vectors = tf.reduce_sum(vectors, -2, keepdims=True)
        with networks.arithmetic(convolve):
            return self._model.parameters_of_vectors(vectors)


def _name(weights: tf.Variable) -> str:
    """Returns the name of the layer that a variable of weights belongs to."""
    return weights.op.name.rsplit("/", 1)[0]
