"""The logistic mixture for the entropy coder, with a level coded as two symbols: its group of 16, and itself in it.

A table of 256 entries needs 255 values of the cumulative distribution. A group and a level in it need 15 and 17, and
the bits are the same: P(level) = P(group) P(level | group). Files of decoders that code along wavefronts have these two
symbols per dimension.
"""

from typing import Callable

import numpy as np

from vq_estimator.nn import arithmetic, compiled
from vq_estimator.nn.likelihoods import cumulative
from vq_estimator.nn.likelihoods.pixels import LEVELS

GROUP = 16  # levels per group; also the number of groups
MAX_EXPONENT = 500.0  # of the odds at a group's first boundary: beyond it the CDF is 0 or 1 in the whole group
LEAST = 1e-300  # added to each probability in a group, so that they sum to more than zero


class GroupedMixture(cumulative.LogisticMixture):
    """The same distributions as `cumulative.LogisticMixture`, by groups."""

    def code(self, coder, channel: int, numbers: np.ndarray) -> np.ndarray:
        mean, inverse, ratio = self._mean_given(channel), self._inverse[channel], self._ratio[channel]
        # The odds at the first boundary of every second group; the next group's are the product with ratio^16. An
        # inverse scale is at most e^3, so these odds do not overflow.
        first = 2.0 * GROUP * np.arange(GROUP // 2)[:, np.newaxis, np.newaxis] - 0.5
        exponent = cumulative.clip((mean - first) * inverse, -cumulative.MAX_EXPONENT, cumulative.MAX_EXPONENT)
        weights, anchors = self._weights_and(channel, exponent)
        group = coder.code(self._groups(anchors, ratio, weights), numbers // GROUP)
        within = cumulative.of_probabilities(self._within(group, mean, inverse, ratio, weights))
        return GROUP * group + coder.code(within, numbers % GROUP)

    @staticmethod
    def _groups(anchors, ratio, weights) -> np.ndarray:
        """Returns the cumulative distribution of the groups, float64 [15, n], from odds [8, M, n] and arrays [M, n]."""
        odds = np.empty((GROUP // 2, 2, *ratio.shape))
        odds[:, 0] = anchors
        np.multiply(anchors, _power(ratio, GROUP), out=odds[:, 1])
        odds += 1.0
        np.divide(weights, odds, out=odds)
        return _sum(odds.reshape(GROUP, *ratio.shape)[1:])

    @staticmethod
    def _within(group, mean, inverse, ratio, weights) -> np.ndarray:
        """Returns the probabilities of the levels in a group [n], up to a factor: float64 [16, n].

        A level's mass is o r_below r_above (1 - e^(-1 / scale)), where o are the odds at the boundary below it and
        r = 1 / (1 + odds).
        """
        exponent = cumulative.clip((mean - (GROUP * group - 0.5)) * inverse, -MAX_EXPONENT, MAX_EXPONENT)
        odds = np.empty((GROUP + 1, *mean.shape))
        odds[0] = arithmetic.exp(exponent)
        known, power = 1, ratio
        while known < GROUP:
            np.multiply(odds[:known], power, out=odds[known : 2 * known])
            known, power = 2 * known, power * power
        np.multiply(odds[0], power, out=odds[GROUP])
        r = 1.0 / (1.0 + odds)
        below = odds[:GROUP]
        below *= r[:GROUP]
        first, last = np.flatnonzero(group == 0), np.flatnonzero(group == LEVELS // GROUP - 1)
        top = below[GROUP - 1][:, last] * weights[:, last]  # level 255 has all mass above its boundary
        below *= r[1:]
        below *= weights * (1.0 - ratio)
        below[GROUP - 1][:, last] = top
        below[0][:, first] = r[1][:, first] * weights[:, first]  # level 0 has all mass below its boundary
        return _sum(below) + LEAST


def implementation() -> Callable[..., cumulative.Pixels]:
    """Returns the compiled class if Numba is installed, else GroupedMixture; both give the same bits."""
    twin = compiled.twin(__name__)
    return GroupedMixture if twin is None else twin.CompiledMixture


def _power(x: np.ndarray, n: int) -> np.ndarray:
    """Returns x^n, n a power of 2, by squaring."""
    while n > 1:
        x, n = x * x, n // 2
    return x


def _sum(x: np.ndarray) -> np.ndarray:
    """Sums [k, M, n] over M, in order."""
    total = x[:, 0]
    for m in range(1, x.shape[1]):
        total = total + x[:, m]
    return total
