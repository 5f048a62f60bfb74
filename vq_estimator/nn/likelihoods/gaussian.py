"""The discretised Gaussian: the mass within half a level of each value; the end values take the tails."""

import math

import tensorflow.compat.v1 as tf

from vq_estimator.nn.likelihoods.base import Likelihood, argmax_by_channel, clipped_log_scale, clipped_mean
from vq_estimator.nn.likelihoods.pixels import LEVELS, noise_shape, normal, to_uint8
from vq_estimator.nn.module import static_shape

_LOG_SQRT_2PI = 0.5 * math.log(2.0 * math.pi)


def log_ndtr(x: tf.Tensor) -> tf.Tensor:
    """Computes the log of the standard normal CDF in float32, with a relative error below 2e-6.

    It is finite down to about x = -1e18. Below -10 it uses an asymptotic series (Abramowitz and Stegun 26.2.12),
    because erfc underflows.
    """
    low = tf.minimum(x, -10.0)
    i = 1.0 / tf.square(low)
    series = tf.log1p(-i * (1.0 - i * (3.0 - i * 15.0)))
    tail = -0.5 * tf.square(low) - tf.log(-low) - _LOG_SQRT_2PI + series
    high = tf.maximum(x, -10.0)
    # Above 0 the CDF rounds to 1, so ln(1 - a) is computed by log1p.
    upper = tf.math.erfc(tf.abs(high) * math.sqrt(0.5)) * 0.5  # the smaller tail
    body = tf.where(high > 0, tf.log1p(-upper), tf.log(tf.maximum(upper, 1e-37)))
    return tf.where(x < -10.0, tail, body)


def log_ndtr_difference(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """Computes ln(Phi(b) - Phi(a)) for a < b in float32."""
    # Mirror the interval to the left of 0 if possible, where the CDF has a small relative error.
    flip = a + b > 0
    low, high = tf.where(flip, -b, a), tf.where(flip, -a, b)
    log_high = log_ndtr(high)
    ratio = tf.minimum(log_ndtr(low) - log_high, -1e-30)
    wide = log_high + tf.log(-tf.math.expm1(ratio))
    # For a narrow interval, use its width times the density at its middle with the second-order term, because the
    # difference of two logarithms would cancel.
    width, middle = b - a, 0.5 * (a + b)
    square = tf.square(middle)
    curve = tf.square(width) / 24.0 * (square - 1.0)
    narrow = (
        tf.log(tf.maximum(width, 1e-30)) - 0.5 * square - _LOG_SQRT_2PI + tf.log1p(tf.clip_by_value(curve, -0.5, 0.5))
    )
    use_narrow = tf.logical_and(width < 0.05, width * tf.abs(middle) < 0.3)
    return tf.where(use_narrow, narrow, wide)


class DiscretizedGaussian(Likelihood):
    """P(x = k) is the mass of a Gaussian within half a level of k; the first and last level take the tails.

    Args:
      mean: float32 [B, H, W, C] in levels, 0..255.
      scale: standard deviation in levels, broadcast to `mean`.
    """

    def __init__(self, mean: tf.Tensor, scale):
        self._mean = mean
        self._scale = tf.ones_like(mean) * scale

    @classmethod
    def parameters(cls, channels: int) -> int:
        """Returns the number of parameters per pixel: a mean and a log scale for each channel."""
        return 2 * channels

    @classmethod
    def from_parameters(cls, parameters: tf.Tensor, channels: int = 0) -> "DiscretizedGaussian":
        """Makes the likelihood from a decoder's output [B, H, W, 2 C]."""
        mean, log_scale = tf.split(parameters, 2, -1)
        return cls(clipped_mean(mean), tf.exp(clipped_log_scale(log_scale)))

    def log_prob_elements(self, x: tf.Tensor) -> tf.Tensor:
        """Returns ln P of each value of x, integer levels [B, H, W, C], in nats, float32 [B, H, W, C]."""
        return self._log_prob(tf.cast(x, tf.float32), self._mean, self._scale)

    @staticmethod
    def _log_prob(x, mean, scale):
        below = (x - 0.5 - mean) / scale
        above = (x + 0.5 - mean) / scale
        inside = log_ndtr_difference(below, above)
        return tf.where(x <= 0.0, log_ndtr(above), tf.where(x >= LEVELS - 1.0, log_ndtr(-below), inside))

    def log_prob(self, x: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(self.log_prob_elements(x), [1, 2, 3])

    def log_table(self, channel: int, x=None) -> tf.Tensor:
        mean, scale = (t[..., channel, tf.newaxis] for t in (self._mean, self._scale))  # [B, H, W, 1]
        levels = tf.range(float(LEVELS)) + tf.zeros_like(mean)  # [B, H, W, 256]
        return self._log_prob(levels, mean + tf.zeros_like(levels), scale + tf.zeros_like(levels))

    def mean(self) -> tf.Tensor:
        return tf.clip_by_value(self._mean / (LEVELS - 1.0), 0.0, 1.0)

    def mode(self) -> tf.Tensor:
        return argmax_by_channel(self, static_shape(self._mean)[-1])

    def sample(self, seed: tf.Tensor, shared: bool = False) -> tf.Tensor:
        return to_uint8((self._mean + self._scale * normal(noise_shape(self._mean, shared), seed)) / (LEVELS - 1.0))
