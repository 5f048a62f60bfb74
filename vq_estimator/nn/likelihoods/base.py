"""The base class of likelihoods over the 256 values of a pixel, and the ranges of their parameters."""

import math

import tensorflow.compat.v1 as tf

from vq_estimator.nn.likelihoods.pixels import LEVELS

# Ranges in levels. A network may output any number. Values outside these ranges do not improve a distribution over 256
# levels, and inside them float32 neither overflows nor underflows.
LOG_SCALE_RANGE = (-3.0, 7.0)
LOG_SCALE_START = 3.0  # a parameter of 0 is a scale of 20 levels
MEAN_RANGE = (-LEVELS, 2.0 * LEVELS)


def clipped_mean(parameter: tf.Tensor) -> tf.Tensor:
    """Converts a decoder's output to a mean in levels, clipped to MEAN_RANGE: 0 is the middle, -1 and 1 the ends."""
    return clip((parameter + 1.0) * 0.5 * (LEVELS - 1.0), *MEAN_RANGE)


def clipped_log_scale(parameter: tf.Tensor) -> tf.Tensor:
    """Converts a decoder's output to the log of a scale in levels, clipped to LOG_SCALE_RANGE."""
    return clip(parameter + LOG_SCALE_START, *LOG_SCALE_RANGE)


def clip(x: tf.Tensor, low: float, high: float) -> tf.Tensor:
    """`tf.clip_by_value` whose gradient also passes outside the range if a gradient step leads back into it.

    Otherwise a parameter that left the range would stay outside. On CIFAR-10 the loss of a few images then became so
    large that their gradients dominated all others.
    """

    @tf.custom_gradient
    def clipped(x):
        def grad(dy):
            # This is much faster than the two selections in the gradient of `tf.clip_by_value`.
            passes = tf.logical_and(tf.logical_or(x >= low, dy < 0.0), tf.logical_or(x <= high, dy > 0.0))
            return dy * tf.cast(passes, dy.dtype)

        return tf.clip_by_value(x, low, high), grad

    return clipped(x)


class Likelihood:
    """p(x | z_q) for images x uint8 [B, H, W, C], normalised over the 256 values of every dimension."""

    @classmethod
    def parameters(cls, channels: int) -> int:
        """Returns the number of parameters per pixel that a decoder outputs."""
        raise TypeError(f"{cls.__name__}: define parameters")

    def log_prob(self, x: tf.Tensor) -> tf.Tensor:
        """Returns ln p(x | z_q) in nats, float32 [B]."""
        raise TypeError(f"{type(self).__name__}: define log_prob")

    def log_table(self, channel: int, x=None) -> tf.Tensor:
        """Returns the log-probabilities of the 256 values of one channel, float32 [B, H, W, 256].

        Args:
          channel: the index of the channel.
          x: [B, H, W, C], the values of the earlier channels if channels depend on each other; later channels are
            ignored.
        """
        raise TypeError(f"{type(self).__name__}: define log_table")

    def mean(self) -> tf.Tensor:
        """Returns the mean before the tails are added to the end values, float32 [B, H, W, C] in 0..1."""
        raise TypeError(f"{type(self).__name__}: define mean")

    def log_mean(self) -> tf.Tensor:
        """Returns the logarithm of the mean, float32 [B, H, W, C], finite."""
        return tf.log(tf.maximum(self.mean(), 1e-7))

    def squared_error(self, unit: tf.Tensor) -> tf.Tensor:
        """Returns the mean over dimensions of (mean - x)^2, [B], for x [B, H, W, C] in 0..1."""
        return tf.reduce_mean(tf.squared_difference(self.mean(), unit), [1, 2, 3])

    def original_nll(self, K: int) -> tf.Tensor:
        """Returns tf-vqvae's `nll`, -(mean ln x_hat + ln(1/K)) / ln 2, [B], for comparison.

        It is not a likelihood: the image does not occur in it.
        """
        return -(tf.reduce_mean(self.log_mean(), [1, 2, 3]) - math.log(K)) / math.log(2.0)

    def mode(self) -> tf.Tensor:
        """Returns the most likely levels, uint8 [B, H, W, C]; dependent channels one by one, given the ones before."""
        raise TypeError(f"{type(self).__name__}: define mode")

    @classmethod
    def num_uniforms(cls, channels: int, **settings) -> int:
        """Returns the number of uniform random numbers per pixel that `sample_from` uses."""
        del settings
        return channels

    def sample_from(self, uniforms: tf.Tensor) -> tf.Tensor:
        """Draws images by inverting the cumulative distributions, without random ops.

        Args:
          uniforms: float32 [B, H, W, num_uniforms], strictly between 0 and 1.

        Returns:
          uint8 [B, H, W, C].
        """
        chosen = []
        for channel, u in enumerate(tf.unstack(uniforms, axis=-1)):
            x = tf.stack(chosen + [tf.zeros_like(u)] * (uniforms.shape[-1] - channel), -1) if chosen else None
            below = tf.cumsum(tf.exp(self.log_table(channel, x)), -1) < u[..., tf.newaxis]
            chosen.append(tf.minimum(tf.reduce_sum(tf.cast(below, tf.float32), -1), LEVELS - 1.0))
        return tf.cast(tf.stack(chosen, -1), tf.uint8)

    def sample(self, seed: tf.Tensor, shared: bool = False) -> tf.Tensor:
        """Draws images.

        Args:
          seed: int [2], determines the draw.
          shared: use the same noise for all examples, so that equal distributions give equal draws.

        Returns:
          uint8 [B, H, W, C].
        """
        raise TypeError(f"{type(self).__name__}: define sample")


def argmax_by_channel(likelihood: Likelihood, channels: int) -> tf.Tensor:
    """Returns the most likely level of each channel given the channels before it, with tails at the end levels."""
    chosen = []
    for channel in range(channels):
        x = None
        if chosen:
            x = tf.stack(chosen + [tf.zeros_like(chosen[0])] * (channels - channel), -1)
        chosen.append(tf.cast(tf.argmax(likelihood.log_table(channel, x), -1), tf.uint8))
    return tf.stack(chosen, -1)


class OneLogitPerChannel(Likelihood):
    """A likelihood whose only argument is the decoder's output, one number for each channel of each pixel."""

    def __init__(self, logits: tf.Tensor):
        self.logits = logits

    @classmethod
    def parameters(cls, channels: int) -> int:
        return channels

    @classmethod
    def from_parameters(cls, parameters: tf.Tensor, channels: int = 0) -> "OneLogitPerChannel":
        """Makes the likelihood from a decoder's output [B, H, W, C]."""
        return cls(parameters)
