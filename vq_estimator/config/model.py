"""The network, the likelihood, and the model that they and a quantizer make."""

import dataclasses
from typing import Tuple, Union

from vq_estimator.config.checks import check, positive_int
from vq_estimator.config.quantizer import QuantizerConfig

PRECISIONS = ("float32", "bfloat16")
INITIALIZERS = ("normal", "he")


@dataclasses.dataclass(frozen=True)
class NetworkConfig:
    """Strided convolutions, then residual blocks; the decoder mirrors it.

    Attributes:
      widths: feature maps of each 4x4 stride-2 convolution; their number decides the code grid.
      residual_blocks: ReLU, 3x3, ReLU, 1x1, skip, at the resolution of the code grid.
      initializer: "normal" (tf-vqvae's 0.02) or "he" (He et al. 2015, gain by fan-in).
    """

    widths: Tuple[int, ...]
    residual_blocks: int = 0
    initializer: str = "normal"

    def __post_init__(self):
        check(len(self.widths) >= 1, "widths", self.widths, "at least one number of feature maps")
        for width in self.widths:
            positive_int("widths", width)
        blocks = self.residual_blocks
        check(isinstance(blocks, int) and blocks >= 0, "residual_blocks", blocks, "an integer of 0 or more")
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
        positive_int("components", self.components)


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
class ModelConfig:
    """The network, the quantizer, the likelihood and the images they are for."""

    image_size: int
    channels: int
    network: NetworkConfig
    quantizer: QuantizerConfig
    likelihood: LikelihoodConfig = MSE()
    precision: str = "float32"
    binarize: bool = False

    def __post_init__(self):
        positive_int("image_size", self.image_size)
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
        check(self.binarize or not binary, "likelihood", "bernoulli", "--binarize beside it: it is for binary pixels")

    @property
    def grid(self) -> Tuple[int, int, int]:
        """The shape [h, w, L] of an image's codes."""
        side = self.image_size // self.network.stride
        return side, side, self.quantizer.L

    @property
    def dims(self) -> int:
        """Numbers in an image."""
        return self.image_size * self.image_size * self.channels
