"""Configurations of the quantizers and their codebooks."""

import dataclasses
from dataclasses import MISSING
from typing import TYPE_CHECKING, Any, ClassVar, Dict, Tuple, Union

from vq_estimator.config.checks import MAX_CHANNELS, MAX_LAYERS, check
from vq_estimator.config.fields import COMMON, QUANTIZER, Settings, setting, variant
from vq_estimator.config.registry import Registry, Row
from vq_estimator.config.values import Choice, Integer, Integers, Number

GRADIENTS = ("straight_through", "rotation")
MAX_CODES = 2**20  # largest K of finite scalar quantization
MAX_ENTRIES = 2**24  # largest K of a codebook


def _L() -> Any:
    help = "codes per position: codebooks of vq, stages of residual, groups of fsq"
    return setting(1, Integer(1, MAX_LAYERS), help, QUANTIZER)


def _kmeans_init_steps(default: int) -> Any:
    help = "first steps in which k-means on the batch sets the codebook; 0 keeps the random codebook"
    return setting(default, Integer(0), help, QUANTIZER)


def _dead_entry_threshold(default: float) -> Any:
    help = "reset an entry used less than this fraction of uniform usage; 0 disables it"
    return setting(default, Number(0.0, 1.0, "a number from 0 to 1"), help, QUANTIZER)


@dataclasses.dataclass(frozen=True)
class GradientCodebook(Settings):
    """A codebook trained by the gradient of the codebook loss (van den Oord et al. 2017, equation 3)."""

    kmeans_init_steps: int = _kmeans_init_steps(0)
    dead_entry_threshold: float = _dead_entry_threshold(0.0)


@dataclasses.dataclass(frozen=True)
class EMACodebook(Settings):
    """A codebook of moving averages of the assigned encoder outputs (van den Oord et al. 2017, appendix A.1)."""

    decay: float = setting(
        0.99,
        Number(0.0, 1.0 - 1e-6, "a number from 0 to below 1"),
        "decay of the codebook's moving average",
        QUANTIZER,
        "codebook_decay",
    )
    kmeans_init_steps: int = _kmeans_init_steps(10)
    dead_entry_threshold: float = _dead_entry_threshold(0.03)


CODEBOOKS = Registry(
    "codebook",
    "how the codebook is trained: by the gradient of the codebook loss, or as a moving average (ema)",
    QUANTIZER,
    {
        "gradient": Row(GradientCodebook, "vq_estimator.nn.quantizers.codebooks:WithCodebooks"),
        "ema": Row(EMACodebook, "vq_estimator.nn.quantizers.codebooks:WithCodebooks"),
    },
)
CodebookConfig = Union[GradientCodebook, EMACodebook]


class QuantizerSettings(Settings):
    """Properties of every quantizer.

    At each position there are L codes with K values each. z_e and z_q have `vectors_per_position` vectors of D numbers
    at each position.
    """

    if TYPE_CHECKING:  # at run time properties would hide the fields with these names

        @property
        def K(self) -> int: ...

        @property
        def D(self) -> int: ...

        @property
        def L(self) -> int: ...

    @property
    def vectors_per_position(self) -> int:
        return self.L

    @property
    def latent_channels(self) -> int:
        """Number of channels of z_e and z_q."""
        return self.vectors_per_position * self.D

    @property
    def codebook_by_gradient(self) -> bool:
        """Whether the codebook loss is part of the loss."""
        return isinstance(getattr(self, "codebook", None), GradientCodebook)

    @property
    def ignores_encoder(self) -> bool:
        """Whether the loss does not depend on the encoder, because there is one code only. Training then replaces z_e
        by zeros, so that the encoder is not computed. A codebook by gradient is trained as in tf-vqvae in any case.
        """
        return self.K == 1 and not self.codebook_by_gradient

    @property
    def has_updates(self) -> bool:
        """Whether anything besides the gradient changes the codebook: a moving average, k-means or restarts."""
        rule = getattr(self, "codebook", None)
        return rule is not None and (
            isinstance(rule, EMACodebook) or rule.kmeans_init_steps > 0 or rule.dead_entry_threshold > 0
        )


@dataclasses.dataclass(frozen=True)
class CodebookSettings(QuantizerSettings):
    """The settings of quantizers with codebooks."""

    kept_from_others = ("K", "D", "L", "codebook")

    K: int = setting(MISSING, Integer(1, MAX_ENTRIES), "entries of a codebook", COMMON)
    D: int = setting(
        MISSING,
        Integer(1, MAX_CHANNELS),
        "embedding dimension; in some presets also sets the network's channels",
        COMMON,
    )
    L: int = _L()
    codebook: CodebookConfig = variant(GradientCodebook(), CODEBOOKS)


@dataclasses.dataclass(frozen=True)
class VectorQuantizerConfig(CodebookSettings):
    """`L` independent codebooks of `K` entries, each for its own `D` numbers at every position."""

    gradient: str = setting(
        "straight_through",
        Choice(GRADIENTS),
        "how the gradient passes the quantizer: straight-through estimator or rotation trick",
        QUANTIZER,
    )


@dataclasses.dataclass(frozen=True)
class ResidualQuantizerConfig(CodebookSettings):
    """`L` stages with a codebook of `K` entries each; a stage quantizes the residual of the stages before it."""

    @property
    def vectors_per_position(self) -> int:
        """1, because the entries of all stages are summed."""
        return 1


@dataclasses.dataclass(frozen=True)
class FiniteScalarConfig(QuantizerSettings):
    """`L` groups of numbers, each rounded to one of a few levels (Mentzer et al. 2023), without a codebook."""

    # Settings that follow from the levels; a given value must agree.
    derived: ClassVar[Dict[str, str]] = {"K": "the product of the levels of fsq", "D": "the number of levels of fsq"}

    levels: Tuple[int, ...] = setting(
        (8, 5, 5, 5),
        Integers("integers of 2 or more, such as 8,5,5,5", Integer(1)),
        "levels of each number of a group, such as 8,5,5,5; their product is K, and their count is D",
        QUANTIZER,
    )
    L: int = _L()

    def check(self) -> None:
        ok = len(self.levels) <= 20 and min(self.levels) >= 2
        check(ok, "levels", self.levels, "integers of 2 or more, such as 8,5,5,5")
        check(self.K <= MAX_CODES, "levels", self.levels, f"a product of at most {MAX_CODES:,} codes")

    @property
    def K(self) -> int:
        """Number of codes: the product of the levels."""
        product = 1
        for n in self.levels:
            product *= n
        return product

    @property
    def D(self) -> int:
        """Number of values in a group."""
        return len(self.levels)


QUANTIZERS = Registry(
    "quantizer",
    "vq: independent codebooks; residual: stages on residuals; fsq: rounding without a codebook",
    QUANTIZER,
    {
        "vq": Row(VectorQuantizerConfig, "vq_estimator.nn.quantizers.vector:VectorQuantizer"),
        "residual": Row(ResidualQuantizerConfig, "vq_estimator.nn.quantizers.residual:ResidualQuantizer"),
        "fsq": Row(FiniteScalarConfig, "vq_estimator.nn.quantizers.finite_scalar:FiniteScalarQuantizer"),
    },
)
QuantizerConfig = Union[VectorQuantizerConfig, ResidualQuantizerConfig, FiniteScalarConfig]


def is_finite(quantizer: Any) -> bool:
    """Whether a quantizer, or the class of one, derives its entries, so that there is no codebook to be learnt."""
    return "K" in getattr(quantizer, "derived", {})
