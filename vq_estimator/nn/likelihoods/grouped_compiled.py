"""`grouped.GroupedMixture` compiled by Numba: the same bits, without NumPy's cost per call.

One image has eight pixels per wavefront, for which a NumPy call takes much longer than its arithmetic. These functions
loop over the pixels instead. They do the same operations in the same order as the NumPy class, and Numba neither
reorders nor fuses them, so their results are equal bit for bit. `tests/test_grouped.py` compares them.

The state of a block of pixels is one array, float64 [rows, M, n]. Its rows are the exponents of the components' weights
(one, or one per channel if channels are not coupled), the means, inverse scales and odds ratios of the C channels, the
coefficients, and then the factors of the weights, and the means and the weights in the current channel.
"""

import numpy as np

from vq_estimator.nn import arithmetic
from vq_estimator.nn.compiled import compiled, inlined
from vq_estimator.nn.likelihoods import cumulative, grouped
from vq_estimator.nn.likelihoods.base import LOG_SCALE_RANGE, LOG_SCALE_START, MEAN_RANGE
from vq_estimator.nn.likelihoods.logistic import couples, mixture_sizes
from vq_estimator.nn.likelihoods.pixels import LEVELS

CENTRE, ANCHOR_EXPONENT, GROUP_EXPONENT = cumulative.CENTRE, cumulative.MAX_EXPONENT, grouped.MAX_EXPONENT
GROUP, GROUPS, LEAST = grouped.GROUP, LEVELS // grouped.GROUP, grouped.LEAST
POWER = GROUP.bit_length() - 1  # squarings of x^GROUP
LARGEST, LOG2_E, LN2_HIGH, LN2_LOW = arithmetic.LARGEST, arithmetic.LOG2_E, arithmetic.LN2_HIGH, arithmetic.LN2_LOW
_, C1, C2, C3, C4, C5, C6, C7 = arithmetic.COEFFICIENTS
MEAN_LOW, MEAN_HIGH = (float(end) for end in MEAN_RANGE)
SCALE_LOW, SCALE_HIGH = LOG_SCALE_RANGE
AT_ONCE = 128  # pixels whose intermediate results fit in the processor's first cache
FACTORS, MEANS, WEIGHTS = -3, -2, -1  # the last rows of the state


@inlined
def _clip(x, low, high):
    return min(max(x, low), high)


@inlined
def _exp(x):
    """`arithmetic.exp`."""
    r = min(max(x, -LARGEST), LARGEST)
    n = np.rint(r * LOG2_E)
    r -= n * LN2_HIGH
    r -= n * LN2_LOW
    r *= 0.125
    y = r * C7
    y = (y + C6) * r
    y = (y + C5) * r
    y = (y + C4) * r
    y = (y + C3) * r
    y = (y + C2) * r
    y = (y + C1) * r
    y += 1.0
    y *= y
    y *= y
    y *= y
    return y * np.int64((np.int64(n) + 1023) << 52).view(np.float64)


@compiled
def _start(values, state, channels, coupled):
    """Fills the state from a decoder's output, float64 [outputs, n]."""
    M, n = state.shape[1:]
    logits = 1 if coupled else channels
    pairs = channels * (channels - 1) // 2 if coupled else 0
    mean, inverse = logits, logits + channels
    ratio, coefficients = inverse + channels, inverse + 2 * channels
    state[:logits] = values[: logits * M].reshape(logits, M, n)
    for k in range(channels * M):
        c, m = k // M, k % M
        given, here = values[mean * M + k], state[mean + c, m]
        for p in range(n):
            here[p] = _clip((given[p] + 1.0) * CENTRE, MEAN_LOW, MEAN_HIGH)
        given, here, odds = values[inverse * M + k], state[inverse + c, m], state[ratio + c, m]
        for p in range(n):
            here[p] = _exp(-_clip(given[p] + LOG_SCALE_START, SCALE_LOW, SCALE_HIGH))
        for p in range(n):
            odds[p] = _exp(-here[p])
    for k in range(pairs * M):
        given, here = values[ratio * M + k], state[coefficients + k // M, k % M]
        for p in range(n):
            small = _exp(-2.0 * abs(given[p]))
            here[p] = np.sign(given[p]) * ((1.0 - small) / (1.0 + small))
    state[FACTORS] = 1.0


@compiled
def _code_groups(state, channels, coupled, channel, observed, cdf):
    """Writes the cumulative distribution of the groups of a channel, float64 [15, n], and the channel's rows."""
    M, n = state.shape[1:]
    logits = 1 if coupled else channels
    mean, inverse = logits + channel, logits + channels + channel
    ratio, coefficients = inverse + channels, logits + 3 * channels + channel * (channel - 1) // 2
    own, weights = state[0 if coupled else channel], state[WEIGHTS]
    largest, power, anchor = np.empty(AT_ONCE), np.empty(AT_ONCE), np.empty(AT_ONCE)
    total = np.empty((GROUPS, AT_ONCE))
    for start in range(0, n, AT_ONCE):
        stop = min(start + AT_ONCE, n)
        size = stop - start
        largest[:] = -np.inf
        for m in range(M):
            row = own[m, start:stop]
            for p in range(size):
                largest[p] = max(largest[p], row[p])
        whole = total[0]
        whole[:] = 0.0
        for m in range(M):
            row, weight, factor = own[m, start:stop], weights[m, start:stop], state[FACTORS, m, start:stop]
            for p in range(size):
                weight[p] = _exp(row[p] - largest[p]) * factor[p]
            for p in range(size):
                whole[p] += weight[p]
        for m in range(M):
            weight = weights[m, start:stop]
            for p in range(size):
                weight[p] /= whole[p]
        total[:] = 0.0
        for m in range(M):
            means, weight = state[MEANS, m, start:stop], weights[m, start:stop]
            scale, odds = state[inverse, m, start:stop], state[ratio, m, start:stop]
            means[:] = state[mean, m, start:stop]
            for earlier in range(channel if coupled else 0):
                coefficient, x = state[coefficients + earlier, m, start:stop], observed[earlier, start:stop]
                for p in range(size):
                    means[p] += coefficient[p] * (x[p] - CENTRE)
            for p in range(size):
                power[p] = odds[p]
            for _ in range(POWER):
                for p in range(size):
                    power[p] *= power[p]
            for a in range(GROUPS // 2):
                boundary, even, odd = 2.0 * GROUP * a - 0.5, total[2 * a], total[2 * a + 1]
                for p in range(size):
                    exponent = (means[p] - boundary) * scale[p]
                    anchor[p] = _exp(_clip(exponent, -ANCHOR_EXPONENT, ANCHOR_EXPONENT))
                for p in range(size):
                    even[p] += weight[p] / (anchor[p] + 1.0)
                for p in range(size):
                    odd[p] += weight[p] / (anchor[p] * power[p] + 1.0)
        cdf[:, start:stop] = total[1:, :size]


@compiled
def _code_levels(state, channels, coupled, channel, group, cdf):
    """Writes the cumulative distribution of the levels in a group int32 [n], float64 [15, n]."""
    M, n = state.shape[1:]
    inverse = (1 if coupled else channels) + channels + channel
    ratio = inverse + channels
    power, odds = np.empty(AT_ONCE), np.empty((GROUP + 1, AT_ONCE))
    r, total, ends = np.empty((GROUP + 1, AT_ONCE)), np.empty((GROUP, AT_ONCE)), np.empty((2, AT_ONCE))
    for start in range(0, n, AT_ONCE):
        stop = min(start + AT_ONCE, n)
        size = stop - start
        place = group[start:stop]
        total[:] = 0.0
        for m in range(M):
            means, weight = state[MEANS, m, start:stop], state[WEIGHTS, m, start:stop]
            scale, step, here = state[inverse, m, start:stop], state[ratio, m, start:stop], odds[0]
            for p in range(size):
                exponent = (means[p] - (GROUP * place[p] - 0.5)) * scale[p]
                here[p] = _exp(_clip(exponent, -GROUP_EXPONENT, GROUP_EXPONENT))
                power[p] = step[p]
            known = 1
            while known < GROUP:
                for k in range(known):
                    here, there = odds[k], odds[known + k]
                    for p in range(size):
                        there[p] = here[p] * power[p]
                known *= 2
                for p in range(size):
                    power[p] *= power[p]
            here, there = odds[0], odds[GROUP]
            for p in range(size):
                there[p] = here[p] * power[p]
            for k in range(GROUP + 1):
                here, there = odds[k], r[k]
                for p in range(size):
                    there[p] = 1.0 / (1.0 + here[p])
            second, last = r[1], odds[GROUP - 1]
            for p in range(size):
                ends[0, p] = total[0, p] + second[p] * weight[p]
                ends[1, p] = total[GROUP - 1, p] + last[p] * r[GROUP - 1, p] * weight[p]
            for k in range(GROUP):
                here, below, above, mass = odds[k], r[k], r[k + 1], total[k]
                for p in range(size):
                    mass[p] += here[p] * below[p] * above[p] * (weight[p] * (1.0 - step[p]))
            for p in range(size):  # level 0 has all mass below its boundary, and level 255 all mass above it
                if place[p] == 0:
                    total[0, p] = ends[0, p]
                if place[p] == GROUPS - 1:
                    total[GROUP - 1, p] = ends[1, p]
        whole = power
        whole[:] = 0.0
        for k in range(GROUP):
            mass = total[k]
            for p in range(size):
                whole[p] += mass[p] + LEAST
                mass[p] = whole[p]
        for k in range(GROUP - 1):
            mass, found = total[k], cdf[k, start:stop]
            for p in range(size):
                found[p] = mass[p] / whole[p]


@compiled
def _observe(state, channels, channel, x):
    """Multiplies the weights by their components' masses of x, float64 [n], in the first row and the factors."""
    M, n = state.shape[1:]
    inverse = 1 + channels + channel
    for m in range(M):
        means, scale, ratio = state[MEANS, m], state[inverse, m], state[inverse + channels, m]
        exponent, factor = state[0, m], state[FACTORS, m]
        for p in range(n):
            first, last = x[p] <= 0.0, x[p] >= LEVELS - 1.0
            above, below = (x[p] + 0.5 - means[p]) * scale[p], (x[p] - 0.5 - means[p]) * scale[p]
            high, low = 1.0 / (1.0 + _exp(-abs(above))), 1.0 / (1.0 + _exp(-abs(below)))
            exponent[p] += 0.0 if last else min(above, 0.0)
            exponent[p] -= 0.0 if first else max(below, 0.0)
            sides = (1.0 if last else high) * (1.0 if first else low)
            factor[p] = factor[p] * sides * (1.0 if first or last else 1.0 - ratio[p])


class CompiledMixture(cumulative.Pixels):
    """The distributions and the symbols of `grouped.GroupedMixture`."""

    def __init__(self, parameters: np.ndarray, channels: int, components: int):
        self._channels, self._coupled = channels, couples(channels)
        rows = sum(mixture_sizes(channels)) + channels + 3
        self._state = np.empty([rows, components, len(parameters)])
        self._observed = np.empty([channels, len(parameters)])
        _start(cumulative.columns(parameters), self._state, channels, self._coupled)

    def code(self, coder, channel: int, numbers: np.ndarray) -> np.ndarray:
        place, n = (self._state, self._channels, self._coupled, channel), len(numbers)
        cdf = np.empty([GROUPS - 1, n])
        _code_groups(*place, self._observed, cdf)
        group = coder.code(cdf, numbers // GROUP)
        cdf = np.empty([GROUP - 1, n])
        _code_levels(*place, group, cdf)
        return GROUP * group + coder.code(cdf, numbers % GROUP)

    def observe(self, channel: int, x: np.ndarray) -> None:
        if self._coupled and channel + 1 < self._channels:
            self._observed[channel] = x
            _observe(self._state, self._channels, channel, self._observed[channel])
