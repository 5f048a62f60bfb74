"""Distributions over the 256 values of a pixel: normalised, edges included, stable in float32."""

import math

import tensorflow.compat.v1 as tf

LEVELS = 256
_LOG_SQRT_2PI = 0.5 * math.log(2.0 * math.pi)


def log_ndtr(x: tf.Tensor) -> tf.Tensor:
    """ln of the standard normal's CDF, float32, finite to about x = -1e18, relative error below 2e-6.

    Below -10 by the asymptotic series (Abramowitz and Stegun 26.2.12), where erfc runs out of float32's range soon.
    """
    low = tf.minimum(x, -10.0)
    i = 1.0 / tf.square(low)
    series = tf.log1p(-i * (1.0 - i * (3.0 - i * 15.0)))
    tail = -0.5 * tf.square(low) - tf.log(-low) - _LOG_SQRT_2PI + series
    high = tf.maximum(x, -10.0)
    # Above 0, ln(1 - a) by log1p: the CDF itself rounds to 1.
    upper = tf.math.erfc(tf.abs(high) * math.sqrt(0.5)) * 0.5  # the smaller of the two sides
    body = tf.where(high > 0, tf.log1p(-upper), tf.log(tf.maximum(upper, 1e-37)))
    return tf.where(x < -10.0, tail, body)


def log_ndtr_difference(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """ln(Phi(b) - Phi(a)) for a < b, float32."""
    # Both to the left of 0 as far as can be, where the CDF has its relative precision.
    flip = a + b > 0
    low, high = tf.where(flip, -b, a), tf.where(flip, -a, b)
    log_high = log_ndtr(high)
    ratio = tf.minimum(log_ndtr(low) - log_high, -1e-30)
    wide = log_high + tf.log(-tf.math.expm1(ratio))
    # A narrow interval is its width times the density at its middle, with the second-order term; the difference of
    # two logarithms would cancel.
    width, middle = b - a, 0.5 * (a + b)
    square = tf.square(middle)
    curve = tf.square(width) / 24.0 * (square - 1.0)
    narrow = (
        tf.log(tf.maximum(width, 1e-30)) - 0.5 * square - _LOG_SQRT_2PI + tf.log1p(tf.clip_by_value(curve, -0.5, 0.5))
    )
    use_narrow = tf.logical_and(width < 0.05, width * tf.abs(middle) < 0.3)
    return tf.where(use_narrow, narrow, wide)


class DiscretizedGaussian:
    """P(x = k) is the mass that a Gaussian has within half a level of k; the first and last level take the tails.

    Args:
      mean: float32 [B, H, W, C] in levels, 0..255.
      scale: standard deviation in levels, broadcast to `mean`.
    """

    def __init__(self, mean: tf.Tensor, scale):
        self._mean = mean
        self._scale = tf.ones_like(mean) * scale

    def log_prob_elements(self, x: tf.Tensor) -> tf.Tensor:
        """ln P of each value of x (integer levels): [B, H, W, C]."""
        x = tf.cast(x, tf.float32)
        below = (x - 0.5 - self._mean) / self._scale
        above = (x + 0.5 - self._mean) / self._scale
        inside = log_ndtr_difference(below, above)
        return tf.where(x <= 0.0, log_ndtr(above), tf.where(x >= LEVELS - 1.0, log_ndtr(-below), inside))

    def log_prob(self, x: tf.Tensor) -> tf.Tensor:
        """ln P(x) in nats: [B]."""
        return tf.reduce_sum(self.log_prob_elements(x), [1, 2, 3])

    def mode(self) -> tf.Tensor:
        """The likeliest level, uint8 [B, H, W, C]."""
        return to_uint8(self._mean / (LEVELS - 1.0))

    def sample(self, seed) -> tf.Tensor:
        """One draw, uint8 [B, H, W, C]; `seed` is an int tensor of shape [2] and decides it."""
        noise = tf.random.stateless_normal(tf.shape(self._mean), seed=seed)
        return to_uint8((self._mean + self._scale * noise) / (LEVELS - 1.0))


def to_unit(images: tf.Tensor) -> tf.Tensor:
    """uint8 levels to float32 in 0..1; float images pass as they are."""
    return tf.cast(images, tf.float32) / 255.0 if images.dtype == tf.uint8 else images


def to_uint8(unit: tf.Tensor) -> tf.Tensor:
    """float32 in 0..1 to the nearest of 256 levels."""
    return tf.cast(tf.round(tf.clip_by_value(unit, 0.0, 1.0) * (LEVELS - 1.0)), tf.uint8)


class SigmoidPixels:
    """What tf-vqvae's decoder says of an image: one grey value in 0..1 for each pixel and channel, and no uncertainty.

    Args:
      logits: float32 [B, H, W, C].
    """

    def __init__(self, logits: tf.Tensor):
        self.logits = logits

    def mean(self) -> tf.Tensor:
        """float32 [B, H, W, C] in 0..1."""
        return tf.sigmoid(self.logits)

    def mode(self) -> tf.Tensor:
        """uint8 [B, H, W, C]."""
        return to_uint8(self.mean())

    def squared_error(self, unit: tf.Tensor) -> tf.Tensor:
        """Mean over the dimensions of (x_hat - x)^2, on pixels in 0..1: [B]."""
        return tf.reduce_mean(tf.squared_difference(self.mean(), unit), [1, 2, 3])

    def cross_entropy(self, unit: tf.Tensor) -> tf.Tensor:
        """Mean over the dimensions of the cross-entropy between grey values in 0..1, in nats: [B].

        A training loss whose gradient to the logits, x_hat - x, does not vanish where the sigmoid saturates; no
        likelihood over 256 values.
        """
        terms = tf.nn.sigmoid_cross_entropy_with_logits(labels=unit, logits=self.logits)
        return tf.reduce_mean(terms, [1, 2, 3])

    def original_nll(self, K: int) -> tf.Tensor:
        """tf-vqvae's `nll`, -(mean ln x_hat + ln(1/K)) / ln 2, in [B]: kept for comparison.

        Not a likelihood: the image does not occur in it.
        """
        log_mean = tf.reduce_mean(tf.log_sigmoid(self.logits), [1, 2, 3])
        return -(log_mean - math.log(K)) / math.log(2.0)

    def with_scale(self, scale) -> DiscretizedGaussian:
        """The likelihood: a discretised Gaussian around x_hat with one standard deviation, in levels."""
        return DiscretizedGaussian(self.mean() * (LEVELS - 1.0), scale)
