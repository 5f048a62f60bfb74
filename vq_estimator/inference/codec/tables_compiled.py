"""`tables` compiled by Numba: the same integers, without NumPy's cost per call."""

import numpy as np

from vq_estimator.nn.compiled import compiled


@compiled
def quantise(cumulative, total, bounds, weights):
    """Fills `bounds` [K + 1, n] and `weights` [n, K] of a Table; returns whether all of `cumulative` is finite."""
    K, n = bounds.shape[0] - 1, bounds.shape[1]
    finite = True
    bounds[0], bounds[K] = 0.0, total
    for k in range(1, K):
        given, before, here = cumulative[k - 1], bounds[k - 1], bounds[k]
        for p in range(n):
            finite &= np.isfinite(given[p])
            here[p] = min(max(np.floor(given[p] * total), before[p]), total)
    for k in range(K):
        low, high = bounds[k], bounds[k + 1]
        for p in range(n):
            weights[p, k] = high[p] - low[p]
    return finite


@compiled
def intervals(bounds, symbols, found):
    """Writes the boundaries below and above each symbol to int32 [2, n]; `bounds` has one column or n."""
    alike = bounds.shape[1] == 1
    for p in range(len(symbols)):
        column = 0 if alike else p
        found[0, p] = bounds[symbols[p], column]
        found[1, p] = bounds[symbols[p] + 1, column]
