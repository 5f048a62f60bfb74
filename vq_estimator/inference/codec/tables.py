"""Quantises probabilities to integer tables, which the encoder and the decoder must compute identically.

A distribution over K symbols becomes K counts, each at least 1, whose sum is 2^24. The boundary before symbol k is

    floor(F_k (2^24 - K)) + k,

where F_k is the probability of the symbols before k, in float64. The boundaries are stored without `+ k`, as integers
in float64. So `constriction` gets each count minus one, and these sum to 2^24 - K. Its own quantisation adds one to
each and multiplies by (2^24 - K) / sum = 1, which results in exactly these counts; `tests/test_codec_coder.py` checks
it. The cost of a symbol is within K / 2^24 of -ln p, relative to p.
"""

from typing import NamedTuple

import numpy as np

from vq_estimator.errors import VQError

BITS = 24  # the precision of constriction's tables
TOTAL = 1 << BITS
MAX_SYMBOLS = 1 << 16
NOT_FINITE = "checkpoint: got likelihoods that are NaN or infinite, expected finite numbers"


class Table(NamedTuple):
    """The tables of n symbols, as integers in float64.

    Attributes:
      bounds: [K + 1, n], the boundaries from 0 to 2^24 - K, without `+ k`.
      weights: [n, K], the counts minus one.
    """

    bounds: np.ndarray
    weights: np.ndarray


def table(cumulative: np.ndarray) -> Table:
    """Quantises n cumulative distributions.

    Args:
      cumulative: float64 [K - 1, n], the probability of the symbols up to and including each except the last.

    Raises:
      VQError: a value is not finite.
    """
    K = len(cumulative) + 1
    bounds = np.empty([K + 1, cumulative.shape[1]])
    bounds[0], bounds[K] = 0.0, TOTAL - K
    inner = bounds[1:K]
    np.multiply(cumulative, TOTAL - K, out=inner)
    np.floor(inner, out=inner)
    weights = np.subtract(bounds[1:], bounds[:-1])
    if not weights.min(initial=0.0) >= 0.0:  # F is flat and was rounded, or it is NaN
        if not np.isfinite(inner).all():
            raise VQError(NOT_FINITE)
        np.minimum(np.maximum.accumulate(inner, 0), TOTAL - K, out=inner)
        np.maximum(inner, 0.0, out=inner)
        weights = np.subtract(bounds[1:], bounds[:-1])
    return Table(bounds, np.ascontiguousarray(weights.T))
