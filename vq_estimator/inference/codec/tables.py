"""From probabilities to integers: the one step of a codec that both sides must take to the bit.

A distribution over K symbols becomes K counts of at least 1 with the sum 2^24: the boundary before symbol k is

    floor(F_k (2^24 - K)) + k,

F_k the probability of the symbols before k, in float64. The boundaries are kept without their `+ k`, as float64 holding
integers, so that what `constriction` gets are counts less one with the sum 2^24 - K: its own quantisation adds one to
each and multiplies by (2^24 - K) / sum = 1, and gives these counts and no others (`tests/test_codec_coder.py` asks it).
A symbol's cost is within K / 2^24 of -ln p, relative to p.
"""

from typing import NamedTuple

import numpy as np

from vq_estimator.errors import VQError

BITS = 24  # the precision of constriction's tables
TOTAL = 1 << BITS
MAX_SYMBOLS = 1 << 16


class Table(NamedTuple):
    """Tables of n symbols in turn, as floats that hold integers.

    Attributes:
      bounds: [K + 1, n], from 0 to 2^24 - K, without the `+ k`.
      weights: [n, K], the counts less one.
    """

    bounds: np.ndarray
    weights: np.ndarray


def table(cumulative: np.ndarray) -> Table:
    """Tables of cumulative distributions [K - 1, n], the probability of the symbols up to each but the last.

    Raises:
      VQError: one is no number.
    """
    K = len(cumulative) + 1
    bounds = np.empty([K + 1, cumulative.shape[1]])
    bounds[0], bounds[K] = 0.0, TOTAL - K
    inner = bounds[1:K]
    np.multiply(cumulative, TOTAL - K, out=inner)
    np.floor(inner, out=inner)
    weights = np.subtract(bounds[1:], bounds[:-1])
    if not weights.min(initial=0.0) >= 0.0:  # rounding, where F is flat; or NaN
        if not np.isfinite(inner).all():
            raise VQError("checkpoint: gives likelihoods that are no numbers (NaN)")
        np.minimum(np.maximum.accumulate(inner, 0), TOTAL - K, out=inner)
        np.maximum(inner, 0.0, out=inner)
        weights = np.subtract(bounds[1:], bounds[:-1])
    return Table(bounds, np.ascontiguousarray(weights.T))
