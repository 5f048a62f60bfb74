"""Quantizers behind one interface: `quantizer(z_e, training, step)` gives a `Quantized`, `lookup(codes)` its z_q."""

from vq_estimator.config import QuantizerConfig, implementation
from vq_estimator.nn.quantizers.finite_scalar import FiniteScalarQuantizer
from vq_estimator.nn.quantizers.quantized import Quantized
from vq_estimator.nn.quantizers.residual import ResidualQuantizer
from vq_estimator.nn.quantizers.vector import VectorQuantizer

__all__ = ["FiniteScalarQuantizer", "Quantized", "ResidualQuantizer", "VectorQuantizer", "make"]


def make(config: QuantizerConfig, seed: int = 0):
    """The quantizer that a configuration means; `seed` decides its random draws."""
    return implementation(config)(config, seed)
