"""Exact sums over examples: the result does not depend on how they were divided, or on the order of the parts."""

import functools
from fractions import Fraction
from typing import Any, Dict, Iterable, List, NamedTuple, Optional

import numpy as np

from vq_estimator.config import Config
from vq_estimator.inference import code_cost
from vq_estimator.inference.calibration import Calibration
from vq_estimator.inference.code_cost import CodeCost
from vq_estimator.inference.measurement import PerExample, PixelSums
from vq_estimator.inference.summary import Summary, count_codes

Sums = Dict[str, Optional[Fraction]]


class Totals(NamedTuple):
    """Sums over examples.

    Attributes:
      examples, dims: their number, and that of all their dimensions.
      sums: sums in nats and of errors, by the names of `Summary`; None for those that some examples do not have.
      pixels: sums over pixels.
      counts: int64 [L, K], how often each code occurs.
      speakers: whether all speakers are known; None for images.
      left_out: the files that were left out.
    """

    examples: int
    dims: int
    sums: Sums
    pixels: PixelSums
    counts: np.ndarray
    speakers: Optional[bool]
    left_out: List[dict]


def totals_of(
    found: PerExample, config: Config, calibration: Calibration, cost: Optional[CodeCost], left_out: List[dict]
) -> Totals:
    """The totals of examples, and of the cost of their codes under the trained prior if there is one."""
    values = {
        "distortion": found.distortion,
        "rate_uniform": code_cost.uniform_cost(config, found.positions),
        "rate_unigram": code_cost.unigram_cost(found.codes, calibration),
        "rate_prior": None if cost is None else cost.nats,
        "rate_given_class": None if cost is None else cost.given_class,
        "mse": found.mse,
        "original_nll": found.original_nll,
    }
    sums = {name: None if array is None else exact_sum(array) for name, array in values.items()}
    speakers = None if found.voices is None else found.speakers is not None
    counts = count_codes(found.codes, config.model.quantizer.K)
    return Totals(len(found.distortion), int(found.dims.sum()), sums, found.pixels, counts, speakers, left_out)


def without_examples(left_out: List[dict]) -> Totals:
    """The totals of a shard whose files can't be read."""
    return Totals(0, 0, {}, PixelSums(0, 0, 0), np.zeros((0, 0), np.int64), None, left_out)


def exact_sum(values: np.ndarray) -> Fraction:
    """The sum of numbers without any rounding."""
    return sum((Fraction(float(value)) for value in values), Fraction(0))


def join(parts: Iterable[Optional[Totals]]) -> Optional[Totals]:
    """The totals of several parts, of which None has no example; None without any example."""
    known = [one for one in parts if one is not None]
    return functools.reduce(_add, known) if known else None


def _add(a: Totals, b: Totals) -> Totals:
    left_out = sorted(a.left_out + b.left_out, key=lambda file: file["name"])
    for empty, other in ((a, b), (b, a)):
        if not empty.examples:
            return other._replace(left_out=left_out)
    sums: Sums = {}
    for name, value in a.sums.items():
        other = b.sums[name]
        sums[name] = None if value is None or other is None else value + other
    pixels = PixelSums(*(x + y for x, y in zip(a.pixels, b.pixels)))
    speakers = None if a.speakers is None else a.speakers and b.speakers
    return Totals(a.examples + b.examples, a.dims + b.dims, sums, pixels, a.counts + b.counts, speakers, left_out)


def summary_of(whole: Totals) -> Summary:
    """The means, each rounded once."""
    n = whole.examples
    means: Dict[str, Any] = {name: None if s is None else float(s / n) for name, s in whole.sums.items()}
    speakers = {None: None, True: "known", False: "likeliest"}[whole.speakers]
    variance = whole.pixels.variance
    return Summary(n, whole.dims / n, pixel_variance=variance, counts=whole.counts, speakers=speakers, **means)
