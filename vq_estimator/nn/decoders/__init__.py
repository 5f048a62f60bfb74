"""Decoders from z_q to p(x | z_q), and to images or sound: the mean of p(x | z_q) or a draw from it."""

from typing import Callable, Optional

from vq_estimator.config import implementation
from vq_estimator.nn.decoders.autoregressive import Autoregressive
from vq_estimator.nn.decoders.base import SEEDS_PER_PIXEL
from vq_estimator.nn.decoders.factorised import Factorised, Supplied
from vq_estimator.nn.decoders.local import Local
from vq_estimator.nn.decoders.waveform import Waveform


def make(config, dtype, supplied: Optional[Callable] = None):
    """Makes the decoder of a model's configuration; `supplied` replaces its network."""
    return implementation(config.decoder)(config, dtype) if supplied is None else Supplied(config, supplied)
