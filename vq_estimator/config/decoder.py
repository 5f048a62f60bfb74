"""Configurations of the image decoders."""

import dataclasses
from typing import Union

from vq_estimator.config.checks import MAX_CHANNELS, MAX_LAYERS
from vq_estimator.config.fields import DECODER, Settings, setting
from vq_estimator.config.registry import Registry, Row
from vq_estimator.config.values import Choice, Integer

PIXEL_LAYERS = ("residual", "gated")


@dataclasses.dataclass(frozen=True)
class FactorisedDecoder:
    """Pixels are independent given z_q, as in tf-vqvae."""

    is_stochastic = False  # decoding returns the mean of p(x | z_q)


@dataclasses.dataclass(frozen=True)
class AutoregressiveDecoder(Settings):
    """A PixelCNN over the pixels: each depends on z_q and on the pixels above it and to its left.

    The first layer reaches three rows up and three columns to the left; `layers` more layers follow it.
    """

    is_stochastic = True  # decoding returns a draw from p(x | z_q)

    kind: str = setting(
        "residual",
        Choice(PIXEL_LAYERS),
        "kind of the autoregressive decoder's layers; residual is faster",
        DECODER,
        "decoder_kind",
    )
    layers: int = setting(
        6, Integer(1, MAX_LAYERS), "layers of the autoregressive decoder after the first one", DECODER, "decoder_layers"
    )
    channels: int = setting(
        64, Integer(1, MAX_CHANNELS), "channels of each of the decoder's two stacks", DECODER, "decoder_channels"
    )
    condition_channels: int = setting(
        32,
        Integer(1, MAX_CHANNELS),
        "channels per pixel of the condition, which is computed from z_q for every layer",
        DECODER,
        "decoder_condition_channels",
    )


DECODERS = Registry(
    "decoder",
    "factorised: pixels independent given z_q; autoregressive: each depends on earlier pixels too",
    DECODER,
    {
        "factorised": Row(FactorisedDecoder, "vq_estimator.nn.decoders:Factorised"),
        "autoregressive": Row(AutoregressiveDecoder, "vq_estimator.nn.decoders:Autoregressive"),
    },
)
DecoderConfig = Union[FactorisedDecoder, AutoregressiveDecoder]
