"""The likelihoods in NumPy, as cumulative distributions in float64, for the tables of the entropy coder.

    pixels = for_likelihood(config.likelihood, channels, scale)
    p = pixels(parameters)                  # a decoder's output for n pixels, float32 [n, outputs]
    for channel in range(channels):
        below = p.cumulative(channel)       # [len(p.levels) - 1, n]: P(x <= each level except the last)
        p.observe(channel, x[:, channel])   # later channels may depend on it

Pixels are the last axis, along which NumPy is fast. The same parameters give the same bits on every machine
(`nn/arithmetic.py`). The TensorFlow classes in this package are the same distributions as log-probabilities in float32;
`tests/test_cumulative.py` compares them.
"""

import dataclasses
import functools
from typing import Callable, Optional

import numpy as np

from vq_estimator import config as c
from vq_estimator.nn import arithmetic
from vq_estimator.nn.likelihoods.base import LOG_SCALE_RANGE, LOG_SCALE_START, MEAN_RANGE
from vq_estimator.nn.likelihoods.logistic import couples, mixture_sizes
from vq_estimator.nn.likelihoods.pixels import LEVELS

CENTRE = 0.5 * (LEVELS - 1.0)
BOUNDARIES = np.arange(LEVELS - 1)[:, np.newaxis] + 0.5  # between the levels
ANCHORS, STRIDE = 8, 32  # of the boundaries, see `LogisticMixture.cumulative`
MAX_EXPONENT = 370.0  # of an anchor: beyond it the CDF is 0 or 1 at all of its boundaries, and products do not overflow


class Pixels:
    """The distributions of n pixels. Channels are queried and observed in order."""

    levels = np.arange(LEVELS, dtype=np.uint8)  # the possible values

    def code(self, coder, channel: int, numbers: np.ndarray) -> np.ndarray:
        """Codes a channel given the observed ones; `coder` has `code(cumulative [K - 1, n], symbols [n]) -> symbols`.

        Args:
          numbers: int32 [n], the numbers of the values among `levels`; ignored where the coder decodes.

        Returns:
          The numbers of the values, int32 [n].
        """
        return coder.code(self.cumulative(channel), numbers)

    def cumulative(self, channel: int) -> np.ndarray:
        """P(x <= level) of a channel given the observed ones, without the last level, float64 [levels - 1, n]."""
        raise TypeError(f"{type(self).__name__}: define cumulative")

    def observe(self, channel: int, x: np.ndarray) -> None:
        """Sets the values uint8 [n] of a channel."""


def for_likelihood(likelihood: c.LikelihoodConfig, channels: int, scale: Optional[float]) -> Callable[..., Pixels]:
    """Returns a function from a decoder's output [n, outputs] to Pixels; `scale` is the fitted one for "mse"."""
    kind = c.numpy_implementation(likelihood)
    if isinstance(likelihood, c.MSE):
        return functools.partial(kind, scale=scale)
    return functools.partial(kind, channels=channels, **dataclasses.asdict(likelihood))


def couple_residuals(parameters: np.ndarray, components: int) -> np.ndarray:
    """Computes `logistic.couple_residuals` of parameters float32 [n, outputs], with the same bits on every machine."""
    sizes = np.cumsum([components * size for size in mixture_sizes(3)])[:-1]
    logits, mean, log_scale, coefficients = np.split(parameters, sizes, -1)
    red, green, blue = np.split(mean.astype(np.float64), 3, -1)
    tanh = 2.0 * arithmetic.sigmoid(2.0 * coefficients.astype(np.float64)) - 1.0
    green_red, blue_red, blue_green = np.split(tanh, 3, -1)
    blue = blue - blue_red * red - blue_green * green
    means = np.concatenate([red, green - green_red * red, blue], -1).astype(np.float32)
    return np.concatenate([logits, means, log_scale, coefficients], -1)


def of_probabilities(p: np.ndarray) -> np.ndarray:
    """Returns the cumulative distribution [K - 1, n] of probabilities [K, n], which need not sum to one."""
    total = np.cumsum(p, 0)
    return total[:-1] / total[-1]


def of_logits(logits: np.ndarray) -> np.ndarray:
    """Returns the cumulative distribution [K - 1, n] of logits [K, n]."""
    return of_probabilities(arithmetic.exp(logits - logits.max(0)))


def columns(parameters: np.ndarray) -> np.ndarray:
    """Transposes [n, outputs] to float64 [outputs, n]."""
    return parameters.T.astype(np.float64, order="C")


def clipped_mean(parameter: np.ndarray) -> np.ndarray:
    return clip((parameter + 1.0) * CENTRE, *MEAN_RANGE)


def minus_log_scale(parameter: np.ndarray) -> np.ndarray:
    return -clip(parameter + LOG_SCALE_START, *LOG_SCALE_RANGE)


def clip(x: np.ndarray, low: float, high: float) -> np.ndarray:
    """`np.clip` with less overhead for small arrays."""
    return np.minimum(np.maximum(x, low), high)


class Bernoulli(Pixels):
    """Binary pixels with the levels 0 and 255."""

    levels = np.array([0, LEVELS - 1], np.uint8)

    def __init__(self, parameters: np.ndarray, channels: int):
        del channels
        self._zero = arithmetic.sigmoid(-columns(parameters))

    def cumulative(self, channel: int) -> np.ndarray:
        return self._zero[channel, np.newaxis]


class Categorical(Pixels):
    """A softmax over the levels."""

    def __init__(self, parameters: np.ndarray, channels: int):
        self._logits = parameters.T.reshape(channels, LEVELS, -1)

    def cumulative(self, channel: int) -> np.ndarray:
        return of_logits(self._logits[channel].astype(np.float64, order="C"))


class Gaussian(Pixels):
    """The discretised Gaussian with a mean and a scale for each channel."""

    def __init__(self, parameters: np.ndarray, channels: int):
        mean, log_scale = np.split(columns(parameters), [channels])
        self._mean, self._inverse = clipped_mean(mean), arithmetic.exp(minus_log_scale(log_scale))

    def cumulative(self, channel: int) -> np.ndarray:
        mean, inverse = self._mean[channel], self._inverse[channel]
        found = np.empty([LEVELS - 1, len(mean)])
        for i in range(0, LEVELS - 1, STRIDE):  # parts that fit in the processor's cache
            found[i : i + STRIDE] = arithmetic.normal_cdf((BOUNDARIES[i : i + STRIDE] - mean) * inverse)
        return found


class FittedGaussian(Gaussian):
    """The discretised Gaussian around tf-vqvae's values, with one fitted scale."""

    def __init__(self, parameters: np.ndarray, scale: float):
        self._mean = arithmetic.sigmoid(columns(parameters)) * (LEVELS - 1.0)
        self._inverse = np.full_like(self._mean, 1.0 / scale)


class LogisticMixture(Pixels):
    """A mixture of logistics; three channels share the component, and means are shifted by the channels before."""

    def __init__(self, parameters: np.ndarray, channels: int, components: int):
        C, M, sizes = channels, components, mixture_sizes(channels)
        values, ends = columns(parameters), [M * sum(sizes[:k]) for k in range(5)]
        logits, mean, log_scale, coefficients = (values[a:b] for a, b in zip(ends, ends[1:]))
        self._couples = couples(channels)
        # A component's weight is factor * exp(exponent), so that nothing underflows: [M, n], or [C, M, n] if the
        # channels are not coupled.
        self._exponent, self._factor = logits if self._couples else logits.reshape(C, M, -1), 1.0
        self._inverse, small = arithmetic.exps(minus_log_scale(log_scale), -2.0 * np.abs(coefficients))
        tanh = np.sign(coefficients) * ((1.0 - small) / (1.0 + small))
        self._coefficients = tanh.reshape(sizes[3], M, logits.shape[1])
        self._set(mean.reshape(C, M, -1), self._inverse.reshape(C, M, -1))

    def _set(self, mean: np.ndarray, inverse: np.ndarray) -> None:
        """Sets means and inverse scales [C, M, n]."""
        self._mean, self._inverse, self._observed = clipped_mean(mean), inverse, []
        self._ratio = arithmetic.exp(-inverse)  # of the odds at a boundary to the odds at the one before
        self._powers = None  # type: Optional[np.ndarray]

    def _ratio_powers(self) -> np.ndarray:
        """Returns ratio^(b - 15.5) for b = 0 .. 31, [STRIDE, C, M, n]."""
        if self._powers is None:
            self._powers = np.empty((STRIDE, *self._mean.shape))
            self._powers[0] = arithmetic.exp(0.5 * (STRIDE - 1) * self._inverse)
            known, power = 1, self._ratio
            while known < STRIDE:
                np.multiply(self._powers[:known], power, out=self._powers[known : 2 * known])
                known, power = 2 * known, power * power
        return self._powers

    def _mean_given(self, channel: int) -> np.ndarray:
        mean, first = self._mean[channel], channel * (channel - 1) // 2
        for earlier, x in enumerate(self._observed[:channel]):  # empty if channels are not coupled
            mean = mean + self._coefficients[first + earlier] * (x - CENTRE)
        return mean  # [M, n]

    def cumulative(self, channel: int) -> np.ndarray:
        """Returns the cumulative distribution of a channel, float64 [255, n].

        A logistic's CDF is 1 / (1 + e^-t) at t = (k + 1/2 - mean) / scale, and the odds e^-t are a geometric sequence
        in k. So one exp per stride of boundaries, at its middle, is enough; the others are products. Each operation is
        monotone in k, including rounding, and so is the sum, except for values below 1e-17, where anchors are clipped.
        """
        middle = STRIDE * (np.arange(ANCHORS)[:, np.newaxis, np.newaxis] + 0.5)
        exponent = (self._mean_given(channel) - middle) * self._inverse[channel]
        exponent = clip(exponent, -MAX_EXPONENT, MAX_EXPONENT)
        weights, anchors = self._weights_and(channel, exponent)  # [M, n], [ANCHORS, M, n]
        M, n = weights.shape
        odds = anchors[:, np.newaxis] * self._ratio_powers()[:, channel]
        odds += 1.0
        np.divide(weights, odds, out=odds)
        odds = odds.reshape(LEVELS, M, n)[: LEVELS - 1]
        total = odds[:, 0]
        for m in range(1, M):
            total = total + odds[:, m]
        return total

    def _weights_and(self, channel, exponent):
        """Returns the components' weights in a channel, and e^exponent."""
        own = self._exponent if self._couples else self._exponent[channel]
        weights, power = arithmetic.exps((own - own.max(0))[np.newaxis], exponent)
        weights = weights[0] * self._factor
        return weights / np.cumsum(weights, 0)[-1], power

    def observe(self, channel: int, x: np.ndarray) -> None:
        """Multiplies each component's weight by its mass of x, sigmoid(b) sigmoid(-a) (1 - e^(-1 / scale)).

        b and a are the boundaries above and below x. The factor e^-|t| of a small sigmoid is added to the exponent.
        """
        if not self._couples:
            return
        x = x.astype(np.float64)
        inverse, mean = self._inverse[channel], self._mean_given(channel)
        self._observed.append(x)
        if channel + 1 == len(self._mean):
            return
        above, below = (x + 0.5 - mean) * inverse, (x - 0.5 - mean) * inverse
        first, last = x <= 0.0, x >= LEVELS - 1.0
        self._exponent = self._exponent + np.where(last, 0.0, np.minimum(above, 0.0))
        self._exponent -= np.where(first, 0.0, np.maximum(below, 0.0))
        high, low = arithmetic.exps(-np.abs(above)[np.newaxis], -np.abs(below)[np.newaxis])
        factor = np.where(last, 1.0, 1.0 / (1.0 + high[0])) * np.where(first, 1.0, 1.0 / (1.0 + low[0]))
        self._factor = self._factor * factor * np.where(first | last, 1.0, 1.0 - self._ratio[channel])


class Logistic(LogisticMixture):
    """An independent logistic distribution for each channel."""

    def __init__(self, parameters: np.ndarray, channels: int):
        mean, log_scale = np.split(columns(parameters), [channels])
        self._set(mean[:, np.newaxis], arithmetic.exp(minus_log_scale(log_scale))[:, np.newaxis])

    def _mean_given(self, channel: int) -> np.ndarray:
        return self._mean[channel]

    def _weights_and(self, channel, exponent):
        return np.ones_like(self._mean[0]), arithmetic.exp(exponent)

    def observe(self, channel: int, x: np.ndarray) -> None:
        """Does nothing, because the channels are independent."""
