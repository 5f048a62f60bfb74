"""Quantizers with one interface: `quantizer(z_e, training, step)` returns a `Quantized`, `lookup(codes)` its z_q."""

from vq_estimator.config import QuantizerConfig, implementation
from vq_estimator.nn.quantizers.finite_scalar import FiniteScalarQuantizer
from vq_estimator.nn.quantizers.quantized import Quantized
from vq_estimator.nn.quantizers.residual import ResidualQuantizer
from vq_estimator.nn.quantizers.vector import VectorQuantizer

__all__ = ["FiniteScalarQuantizer", "Quantized", "ResidualQuantizer", "VectorQuantizer", "make"]


def make(config: QuantizerConfig, seed: int = 0):
    """Makes the quantizer of a configuration; `seed` determines its random draws."""
    return implementation(config)(config, seed)
