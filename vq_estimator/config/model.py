"""The network, the likelihood, and the model that they and a quantizer make."""

import dataclasses
from typing import Tuple, Union

from vq_estimator.config.checks import MOST_LAYERS, MOST_MAPS, check, natural, positive_int
from vq_estimator.config.quantizer import QuantizerConfig

PRECISIONS = ("float32", "bfloat16")
INITIALIZERS = ("normal", "he")
PIXEL_LAYERS = ("residual", "gated")
MOST_LAYERS_OF_LINEAR_PATH = 5  # a stride of 32: its kernels are of 64 x 64 pixels
MOST_SIZE = 2**14  # pixels of an image's side


@dataclasses.dataclass(frozen=True)
class NetworkConfig:
    """Strided convolutions, then residual blocks; the decoder mirrors it.

    Attributes:
      widths: feature maps of each 4x4 stride-2 convolution; their number decides the code grid.
      residual_blocks: ReLU, 3x3, ReLU, 1x1, skip, at the resolution of the code grid.
      residual_width: feature maps between the two convolutions of a block; 0: as many as around it.
      residual_relu: a ReLU after the decoder's last residual block (tf-vqvae's ImageNet network has it).
      output_width: feature maps that the decoder makes at the image's resolution before what the likelihood needs of
        each pixel; 0: none, its last transposed convolution makes the likelihood's parameters (as tf-vqvae).
      linear_path: beside the encoder one linear strided convolution from the pixels to z_e, which starts as a cosine
        transform of blocks, and beside the decoder one from z_q to its outputs, as in transform coding. The networks
        start at 0 then, and learn what a linear transform lacks.
      initializer: "normal" (tf-vqvae's 0.02) or "he" (He et al. 2015, gain by fan-in).
    """

    widths: Tuple[int, ...]
    residual_blocks: int = 0
    residual_width: int = 0
    residual_relu: bool = False
    output_width: int = 0
    linear_path: bool = False
    initializer: str = "normal"

    def __post_init__(self):
        check(1 <= len(self.widths) <= 16, "widths", self.widths, "1 to 16 numbers of feature maps")
        for width in self.widths:
            positive_int("widths", width, MOST_MAPS)
        natural("residual_blocks", self.residual_blocks, MOST_LAYERS)
        for field in ("residual_width", "output_width"):
            natural(field, getattr(self, field), MOST_MAPS)
        ok = not self.linear_path or len(self.widths) <= MOST_LAYERS_OF_LINEAR_PATH
        check(ok, "widths", self.widths, f"at most {MOST_LAYERS_OF_LINEAR_PATH} of them with linear_path")
        check(self.initializer in INITIALIZERS, "initializer", self.initializer, "one of " + ", ".join(INITIALIZERS))

    @property
    def stride(self) -> int:
        return 2 ** len(self.widths)


@dataclasses.dataclass(frozen=True)
class MSE:
    """tf-vqvae's sigmoid and squared error; evaluated as a discretised Gaussian with one fitted scale."""


@dataclasses.dataclass(frozen=True)
class BernoulliPixels:
    """Binary pixels, for data that `binarize` made so."""


@dataclasses.dataclass(frozen=True)
class GaussianPixels:
    """A discretised Gaussian for each dimension, its scale learnt."""


@dataclasses.dataclass(frozen=True)
class LogisticPixels:
    """A discretised logistic for each dimension, its scale learnt."""


@dataclasses.dataclass(frozen=True)
class LogisticMixturePixels:
    """A mixture of discretised logistics, channels in turn (Salimans et al. 2017)."""

    components: int = 3

    def __post_init__(self):
        positive_int("components", self.components, MOST_LAYERS)


@dataclasses.dataclass(frozen=True)
class CategoricalPixels:
    """A softmax over the 256 values of each dimension (van den Oord et al. 2017)."""


LIKELIHOODS = {
    "mse": MSE,
    "bernoulli": BernoulliPixels,
    "gaussian": GaussianPixels,
    "logistic": LogisticPixels,
    "logistic_mixture": LogisticMixturePixels,
    "categorical": CategoricalPixels,
}
LikelihoodConfig = Union[MSE, BernoulliPixels, GaussianPixels, LogisticPixels, LogisticMixturePixels, CategoricalPixels]


@dataclasses.dataclass(frozen=True)
class FactorisedDecoder:
    """Pixels are independent given z_q (tf-vqvae, and van den Oord et al. 2017, section 4.1)."""


@dataclasses.dataclass(frozen=True)
class AutoregressiveDecoder:
    """Each pixel depends on z_q and on those above it and to its left, by a PixelCNN over the pixels.

    Attributes:
      kind: of its layers, one of PIXEL_LAYERS.
      layers: after the first one, which sees three rows up and three columns to the left.
      maps: feature maps of each of its two stacks.
      features: feature maps of z_q at each pixel, which every layer is given.
    """

    kind: str = "residual"
    layers: int = 6
    maps: int = 64
    features: int = 32

    def __post_init__(self):
        check(self.kind in PIXEL_LAYERS, "decoder_kind", self.kind, "one of " + ", ".join(PIXEL_LAYERS))
        positive_int("decoder_layers", self.layers, MOST_LAYERS)  # the first one does not see the codes
        positive_int("decoder_maps", self.maps, MOST_MAPS)
        positive_int("decoder_features", self.features, MOST_MAPS)


DECODERS = {"factorised": FactorisedDecoder, "autoregressive": AutoregressiveDecoder}
DecoderConfig = Union[FactorisedDecoder, AutoregressiveDecoder]


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """The network, the quantizer, the decoder, the likelihood and the images they are for."""

    image_size: int
    channels: int
    network: NetworkConfig
    quantizer: QuantizerConfig
    likelihood: LikelihoodConfig = MSE()
    decoder: DecoderConfig = FactorisedDecoder()
    precision: str = "float32"
    binarize: bool = False

    def __post_init__(self):
        positive_int("image_size", self.image_size, MOST_SIZE)
        positive_int("channels", self.channels)
        check(self.precision in PRECISIONS, "precision", self.precision, "one of " + ", ".join(PRECISIONS))
        stride = self.network.stride
        check(
            self.image_size % stride == 0,
            "image_size",
            self.image_size,
            f"a multiple of {stride} (the network halves the image {len(self.network.widths)} times)",
        )
        binary = isinstance(self.likelihood, BernoulliPixels)
        unfit = isinstance(self.decoder, AutoregressiveDecoder) and isinstance(self.likelihood, MSE)
        check(not unfit, "likelihood", "mse", "another with --decoder=autoregressive: mse gives no probabilities")
        check(self.binarize or not binary, "likelihood", "bernoulli", "--binarize beside it: it is for binary pixels")

    @property
    def shape(self) -> Tuple[int, int, int]:
        """The shape [S, S, C] of an image."""
        return self.image_size, self.image_size, self.channels

    @property
    def grid(self) -> Tuple[int, int, int]:
        """The shape [h, w, L] of an image's codes."""
        side = self.image_size // self.network.stride
        return side, side, self.quantizer.L

    @property
    def codes_shape(self) -> Tuple[int, int, int]:
        """The same: all images are of one size."""
        return self.grid

    @property
    def dims(self) -> int:
        """Numbers in an image."""
        return self.image_size * self.image_size * self.channels

    @property
    def codes_a_dim(self) -> float:
        """Codes for each number of an image."""
        height, width, L = self.grid
        return height * width * L / self.dims
