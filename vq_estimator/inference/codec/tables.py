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
from vq_estimator.nn import compiled

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

    def part(self, block: slice) -> "Table":
        """Returns the tables of some of the symbols."""
        return Table(self.bounds[:, block], self.weights[block])

    def intervals(self, symbols: np.ndarray) -> np.ndarray:
        """Returns the boundaries below and above symbols int32 [m], "<i4" [2, m].

        Each of m = n symbols has its own table. If there is only one table, it is that of all m symbols.
        """
        found, twin = np.empty([2, len(symbols)], "<i4"), compiled.twin(__name__)
        if twin is not None:
            twin.intervals(self.bounds, symbols, found)
        else:
            columns = np.arange(len(symbols)) if self.bounds.shape[1] > 1 else 0
            found[0], found[1] = self.bounds[symbols, columns], self.bounds[symbols + 1, columns]
        return found


def table(cumulative: np.ndarray) -> Table:
    """Quantises n cumulative distributions.

    Args:
      cumulative: float64 [K - 1, n], the probability of the symbols up to and including each except the last.

    Raises:
      VQError: a value is not finite.
    """
    K, n = len(cumulative) + 1, cumulative.shape[1]
    twin, bounds = compiled.twin(__name__), np.empty([K + 1, n])
    if twin is not None:
        weights = np.empty([n, K])
        if not twin.quantise(np.ascontiguousarray(cumulative), float(TOTAL - K), bounds, weights):
            raise VQError(NOT_FINITE)
        return Table(bounds, weights)
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
