"""Configurations of the network and of the image model: network, quantizer, decoder and likelihood."""

import dataclasses
from dataclasses import MISSING
from typing import Optional, Sequence, Tuple, Union

from vq_estimator.config.checks import MAX_CHANNELS, MAX_LAYERS, check
from vq_estimator.config.decoder import DECODERS, DecoderConfig, FactorisedDecoder
from vq_estimator.config.fields import COMMON, DECODER, MODEL, Settings, setting, variant
from vq_estimator.config.likelihood import LIKELIHOODS, MSE, BernoulliPixels, LikelihoodConfig
from vq_estimator.config.quantizer import QUANTIZERS, QuantizerConfig
from vq_estimator.config.registry import type_name
from vq_estimator.config.values import Bool, Choice, Integer, Integers, Size

PRECISIONS = ("float32", "bfloat16")
INITIALIZERS = ("normal", "he")
MAX_LINEAR_LAYERS = 5  # a stride of 32 makes kernels of 64 x 64 pixels
MAX_SIZE = 2**14  # largest height or width in pixels
MAX_IMAGE_CHANNELS = 16
MAX_LABEL = 200  # letters
SIZE = Size(MAX_SIZE, "a side such as 64, or height and width such as 64x96")
ImageSize = Union[int, Tuple[int, ...]]  # the side of square images, otherwise height and width


def precision_setting() -> str:
    help = "number format of the layers; the quantizer and the likelihood are always float32"
    return setting("float32", Choice(PRECISIONS), help, MODEL)


@dataclasses.dataclass(frozen=True)
class NetworkConfig(Settings):
    """Strided convolutions (4 x 4, stride 2), then residual blocks; the image decoder mirrors the encoder.

    A residual block is ReLU, 3 x 3, ReLU, 1 x 1 and a skip connection, at the resolution of the latent grid.
    `residual_relu` adds a ReLU after the decoder's last block, as in tf-vqvae's ImageNet network. If `output_channels`
    is 0, the last transposed convolution outputs the likelihood's parameters, as in tf-vqvae. With `linear_path` a
    linear convolution is added to the output of the encoder, and another one to the output of the decoder, as in
    transform coding. The encoder's starts as a cosine transform of blocks. The networks then start at 0 and learn the
    difference.
    """

    hidden_channels: Tuple[int, ...] = setting(
        MISSING, Integers("the channels of each layer, such as 64,128"), "channels of each stride-2 convolution", MODEL
    )
    residual_blocks: int = setting(
        0, Integer(0, MAX_LAYERS), "residual blocks of the encoder and of the decoder", MODEL
    )
    residual_channels: int = setting(
        0,
        Integer(0, MAX_CHANNELS),
        "channels inside a residual block; 0: the block's input channels",
        MODEL,
        applies=lambda config: config.model.network.residual_blocks > 0,
        why="there are no residual blocks",
    )
    residual_relu: bool = setting(False, Bool(), "add a ReLU after the decoder's residual blocks", MODEL)
    output_channels: int = setting(
        0,
        Integer(0, MAX_CHANNELS),
        "channels of a decoder layer at the image's resolution; 0: no such layer",
        MODEL,
    )
    linear_path: bool = setting(
        False, Bool(), "add a linear convolution to the encoder's and to the decoder's output", MODEL
    )
    initializer: str = setting(
        "normal", Choice(INITIALIZERS), "initial weights: normal (deviation 0.02, tf-vqvae) or he (by fan-in)", MODEL
    )

    def check(self) -> None:
        count = len(self.hidden_channels)
        check(count <= 16, "hidden_channels", self.hidden_channels, "1 to 16 layers")
        fits = not self.linear_path or count <= MAX_LINEAR_LAYERS
        want = f"at most {MAX_LINEAR_LAYERS} of them with linear_path"
        check(fits, "hidden_channels", self.hidden_channels, want)

    @property
    def stride(self) -> int:
        """The downsampling factor."""
        return 2 ** len(self.hidden_channels)


@dataclasses.dataclass(frozen=True)
class ModelConfig(Settings):
    """An image model."""

    example, unit = "image", "dim"  # names of an example and of its dimensions
    codes_axis = 0  # the axis along which the codes of several images are concatenated
    has_one_row = False  # whether an example is an image with one row
    has_mse = True  # whether a reconstruction can be compared with the original element by element
    speakers = ()

    image_size: ImageSize = setting(
        MISSING,
        SIZE,
        "side of the images in pixels, or HEIGHTxWIDTH; multiples of the downsampling factor",
        COMMON,
    )
    channels: int = setting(
        MISSING,
        Integer(1, MAX_IMAGE_CHANNELS),
        "channels of your own images: 3 (colour), 1 (grey), or as many as your arrays have",
        COMMON,
    )
    network: NetworkConfig  # type: ignore[misc]  # the settings above have no default either
    quantizer: QuantizerConfig = variant(MISSING, QUANTIZERS)
    likelihood: LikelihoodConfig = variant(MSE(), LIKELIHOODS)
    decoder: DecoderConfig = variant(FactorisedDecoder(), DECODERS)
    precision: str = precision_setting()
    binarize: bool = setting(
        False, Bool(), "set pixels of 128 or more to white and the others to black, for --likelihood=bernoulli", DECODER
    )
    # The caller's names for their own networks; None: the networks of the package. Nothing is imported by these names.
    custom_encoder: Optional[str] = None
    custom_decoder: Optional[str] = None

    def check(self) -> None:
        for name in ("custom_encoder", "custom_decoder"):
            label = getattr(self, name)
            check(
                label is None or (isinstance(label, str) and 0 < len(label) <= MAX_LABEL), name, label, "a short name"
            )
        fits = self.custom_decoder is None or not self.decoder.is_stochastic
        check(fits, "decoder", type_name(self.decoder), "factorised with decoder_fn")
        self._check_strides()
        unfit = self.decoder.is_stochastic and isinstance(self.likelihood, MSE)
        want = f"another one with --decoder={type_name(self.decoder)}, because mse has no probabilities"
        check(not unfit, "likelihood", "mse", want)
        binary = isinstance(self.likelihood, BernoulliPixels)
        check(
            self.binarize or not binary,
            "likelihood",
            "bernoulli",
            "--binarize with it, because it is for binary pixels",
        )

    def _check_strides(self) -> None:
        """Raises a VQError with the nearest valid sizes if the downsampling factor does not divide the size."""
        stride, times = self.network.stride, len(self.network.hidden_channels)
        below = tuple(max(n // stride, 1) * stride for n in self.size)
        above = tuple(-(-n // stride) * stride for n in self.size)
        nearest = " or ".join(SIZE.text(sides) for sides in dict.fromkeys((below, above)))
        want = f"a multiple of {stride} (the network halves the image {times} times), such as {nearest}"
        check(self.size == above, "image_size", self.image_size, want)
        apart = self.decoder.training_stride
        sides = "{} and {}".format(*self.size)
        divides = all(n % apart == 0 for n in self.size)
        check(divides, "decoder_training_stride", apart, f"a divisor of the image's height and width, {sides}")

    @property
    def is_stochastic_decoder(self) -> bool:
        """Whether decoding returns a draw from p(x | z_q) and not the mean."""
        return self.decoder.is_stochastic

    @property
    def reconstruction_metric(self) -> str:
        """Name of the reconstruction error in the progress bar.

        In training the mean of an autoregressive decoder depends on the true earlier pixels, so its error is smaller
        than the error of a draw.
        """
        return "mse_given_pixels" if self.is_stochastic_decoder else "mse"

    @property
    def size(self) -> Tuple[int, int]:
        """Height and width of an image in pixels."""
        if isinstance(self.image_size, tuple):
            return self.image_size[0], self.image_size[1]
        return self.image_size, self.image_size

    @property
    def shape(self) -> Tuple[int, int, int]:
        """The shape [H, W, C] of an image."""
        return (*self.size, self.channels)

    @property
    def grid(self) -> Tuple[int, int, int]:
        """The shape [h, w, L] of an image's codes."""
        height, width = self.size
        return height // self.network.stride, width // self.network.stride, self.quantizer.L

    @property
    def codes_shape(self) -> Tuple[int, int, int]:
        """The shape of any example's codes: `grid`, since all images have one size."""
        return self.grid

    @property
    def dims(self) -> int:
        """Number of dimensions of an image."""
        height, width, channels = self.shape
        return height * width * channels

    @property
    def fixed_dims(self) -> Optional[int]:
        """Number of dimensions of every example; None if examples differ."""
        return self.dims

    @property
    def prior_grid(self) -> Tuple[int, int, int]:
        """The shape [h, w, L] of the codes that a prior is trained on."""
        return self.grid

    def describe_examples(self) -> str:
        """Describes the images and the downsampling factor, such as "images 64x64x3, 8 x 8 pixels per position"."""
        stride = self.network.stride
        return f"{self.describe_input()}, {stride} x {stride} pixels per position"

    def describe_input(self) -> str:
        """Describes the images that the likelihood is about, such as "images 28x28x1, binarized"."""
        return f"images {'x'.join(map(str, self.shape))}" + (", binarized" if self.binarize else "")

    def with_speakers(self, speakers: Sequence[str]) -> "ModelConfig":
        """Returns the configuration itself: images have no speakers."""
        del speakers
        return self

    def describe(self) -> str:
        """Describes grid, K and decoder, such as "8x8x2 codes of 256, autoregressive"."""
        kind = "" if type_name(self.quantizer) == "vq" else ", " + type_name(self.quantizer)
        grid = "x".join(map(str, self.grid))
        return f"{grid} codes of {self.quantizer.K}{kind}, {type_name(self.decoder)}"

    @property
    def codes_per_dim(self) -> float:
        """Codes per dimension of an image."""
        height, width, L = self.grid
        return height * width * L / self.dims
