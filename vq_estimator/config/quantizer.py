"""The quantizers and their codebooks."""

import dataclasses
from typing import Any, Tuple, Union

from vq_estimator.config.checks import MOST_LAYERS, MOST_MAPS, check, natural, number, positive_int

GRADIENTS = ("straight_through", "rotation")
MAX_CODES = 2**20
MOST_ENTRIES = 2**24  # of a codebook


@dataclasses.dataclass(frozen=True)
class GradientCodebook:
    """Codebook moved by the gradient of the codebook loss (van den Oord et al. 2017, equation 3).

    Attributes:
      kmeans_steps: Lloyd's algorithm on the batches of the first steps replaces the codebook; 0 keeps the random start.
      restart_below: an entry used less than this share of a fair share is moved to a random encoder output; 0 never.
    """

    kmeans_steps: int = 0
    restart_below: float = 0.0

    def __post_init__(self):
        natural("kmeans_steps", self.kmeans_steps)
        number("restart_below", self.restart_below, 0.0, 1.0, "a share from 0 to 1")


@dataclasses.dataclass(frozen=True)
class EMACodebook:
    """Codebook as the moving average of the encoder outputs assigned to it (van den Oord et al. 2017, appendix A.1)."""

    decay: float = 0.99
    kmeans_steps: int = 10
    restart_below: float = 0.03

    def __post_init__(self):
        number("codebook_decay", self.decay, 0.0, 1.0 - 1e-6, "a number from 0 to below 1")
        natural("kmeans_steps", self.kmeans_steps)
        number("restart_below", self.restart_below, 0.0, 1.0, "a share from 0 to 1")


CODEBOOKS = {"gradient": GradientCodebook, "ema": EMACodebook}
CodebookConfig = Union[GradientCodebook, EMACodebook]
# setting of `make_config`: field of a codebook
CODEBOOK_SETTINGS = {"codebook_decay": "decay", "kmeans_steps": "kmeans_steps", "restart_below": "restart_below"}


class _Sizes:
    """What the rest of the code asks of any quantizer, beside its K, D and L.

    K codes are possible for each of the L codes at a position; z_e and z_q have `vectors` of D numbers there.
    """

    @property
    def vectors(self) -> int:
        """Vectors at each position of z_e and z_q."""
        return self.L

    @property
    def features(self) -> int:
        """Numbers at each position of z_e and z_q, which the encoder gives and the decoder takes."""
        return self.vectors * self.D

    @property
    def codebook_by_gradient(self) -> bool:
        """Whether the codebook term belongs to the loss."""
        return isinstance(self.codebook, GradientCodebook)


def _sizes(q: Any) -> None:
    positive_int("K", q.K, MOST_ENTRIES)
    positive_int("D", q.D, MOST_MAPS)
    positive_int("L", q.L, MOST_LAYERS)


@dataclasses.dataclass(frozen=True)
class VectorQuantizerConfig(_Sizes):
    """`L` codebooks of `K` entries, each for its own `D` numbers, at each position of the code grid.

    `gradient`: "straight_through" (van den Oord et al. 2017) or "rotation" (Fifty et al. 2024).
    """

    K: int
    D: int
    L: int = 1
    codebook: CodebookConfig = GradientCodebook()
    gradient: str = "straight_through"

    def __post_init__(self):
        _sizes(self)
        check(self.gradient in GRADIENTS, "gradient", self.gradient, "one of " + ", ".join(GRADIENTS))


@dataclasses.dataclass(frozen=True)
class ResidualQuantizerConfig(_Sizes):
    """`L` codebooks of `K` entries in turn for the same `D` numbers, each for what those before it leave."""

    K: int
    D: int
    L: int = 1
    codebook: CodebookConfig = GradientCodebook()

    def __post_init__(self):
        _sizes(self)

    @property
    def vectors(self) -> int:
        """One: the entries are summed."""
        return 1


@dataclasses.dataclass(frozen=True)
class FiniteScalarConfig(_Sizes):
    """`L` groups of numbers, each rounded to one of a few levels (Mentzer et al. 2023); there is no codebook."""

    levels: Tuple[int, ...] = (8, 5, 5, 5)
    L: int = 1

    def __post_init__(self):
        ok = 1 <= len(self.levels) <= 20 and all(type(n) is int and n >= 2 for n in self.levels)
        check(ok, "levels", self.levels, "integers of 2 or more, such as 8,5,5,5")
        check(self.K <= MAX_CODES, "levels", self.levels, f"a product of at most {MAX_CODES:,} codes")
        positive_int("L", self.L, MOST_LAYERS)

    @property
    def K(self) -> int:
        """Codes: the combinations of the levels."""
        product = 1
        for n in self.levels:
            product *= n
        return product

    @property
    def D(self) -> int:
        """Numbers in a group."""
        return len(self.levels)

    @property
    def codebook_by_gradient(self) -> bool:
        """There is no codebook."""
        return False


QUANTIZERS = {"vq": VectorQuantizerConfig, "residual": ResidualQuantizerConfig, "fsq": FiniteScalarConfig}
QuantizerConfig = Union[VectorQuantizerConfig, ResidualQuantizerConfig, FiniteScalarConfig]
