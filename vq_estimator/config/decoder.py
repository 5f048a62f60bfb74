"""Configurations of the image decoders."""

import dataclasses
from typing import Union

from vq_estimator.config.checks import MAX_CHANNELS, MAX_LAYERS
from vq_estimator.config.fields import DECODER, Settings, setting
from vq_estimator.config.registry import Registry, Row
from vq_estimator.config.values import Bool, Choice, Integer, Number

PIXEL_LAYERS = ("residual", "gated")


class DecoderSettings(Settings):
    """Base class of the configurations of image decoders, with what holds for a decoder that does not say otherwise.

    Attributes:
      is_stochastic: whether decoding returns a draw from p(x | z_q) and not the mean.
      has_wavefronts: whether the decoder draws and codes wavefronts of pixels (`nn.local.Wavefronts`).
      training_stride: a training step evaluates one pixel of each cell of n x n pixels.
    """

    is_stochastic = False
    has_wavefronts = False
    training_stride = 1


@dataclasses.dataclass(frozen=True)
class FactorisedDecoder(DecoderSettings):
    """Pixels are independent given z_q, as in tf-vqvae."""


@dataclasses.dataclass(frozen=True)
class AutoregressiveDecoder(DecoderSettings):
    """A PixelCNN over the pixels: each depends on z_q and on the pixels above it and to its left.

    The first layer reaches three rows up and three columns to the left; `layers` more layers follow it.
    """

    is_stochastic = True

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


@dataclasses.dataclass(frozen=True)
class LocalDecoder(DecoderSettings):
    """A local autoregressive network: each pixel depends on z_q and on the few pixels next to it that come before it.

    Only the first layer reads neighbouring pixels, so pixels along a wavefront are drawn and coded at once.
    """

    is_stochastic = True
    has_wavefronts = True

    reach: int = setting(
        3,
        Integer(1, 16),
        "rows above a pixel, and columns to each side of it, on which it depends",
        DECODER,
        "decoder_reach",
    )
    layers: int = setting(2, Integer(0, MAX_LAYERS), "residual blocks of the local decoder", DECODER, "decoder_layers")
    channels: int = setting(
        256, Integer(1, MAX_CHANNELS), "channels of the local decoder's layers", DECODER, "decoder_channels"
    )
    condition_channels: int = setting(
        32,
        Integer(1, MAX_CHANNELS),
        "channels per pixel of the condition, which is computed from z_q",
        DECODER,
        "decoder_condition_channels",
    )
    training_stride: int = setting(
        1,
        Integer(1, 16),
        "a training step evaluates one pixel of each cell of n x n pixels; a divisor of the image's size",
        DECODER,
        "decoder_training_stride",
    )
    contrasts: bool = setting(
        False,
        Bool(),
        "also read each neighbour's difference from the mean of the pixels above and to the left",
        DECODER,
        "decoder_contrasts",
    )
    residual_coupling: bool = setting(
        False,
        Bool(),
        "shift a colour's mean by the earlier colours' deviations from their means, not by their levels",
        DECODER,
        "decoder_residual_coupling",
    )
    training_focus: float = setting(
        1.0,
        Number(1.0, 1000.0, "a number from 1 to 1000"),
        "how much likelier a training step evaluates a pixel that differs from one of its eight neighbours",
        DECODER,
        "decoder_training_focus",
    )
    embedded_neighbours: int = setting(
        0,
        Integer(0, 64),
        "number of nearest pixels that are also read as embeddings of their 256 levels",
        DECODER,
        "decoder_embedded_neighbours",
    )


DECODERS = Registry(
    "decoder",
    "pixels that a pixel depends on: factorised: none; autoregressive: all earlier ones; local: near ones",
    DECODER,
    {
        "factorised": Row(FactorisedDecoder, "vq_estimator.nn.decoders:Factorised"),
        "autoregressive": Row(AutoregressiveDecoder, "vq_estimator.nn.decoders:Autoregressive"),
        "local": Row(LocalDecoder, "vq_estimator.nn.decoders:Local"),
    },
    base=DecoderSettings,
)
DecoderConfig = Union[FactorisedDecoder, AutoregressiveDecoder, LocalDecoder]


def has_wavefronts(name: str) -> bool:
    """Returns whether `name` is a decoder that codes along wavefronts."""
    return name in DECODERS.rows and DECODERS.rows[name].config.has_wavefronts
