"""What every likelihood over the 256 values of a pixel can do, and the ranges that keep its parameters harmless."""

import math

import tensorflow.compat.v1 as tf

from vq_estimator.nn.likelihoods.pixels import LEVELS

# In levels. A network may emit any number; beyond these a distribution over 256 levels does not change for the better,
# and float32 stays far from its ends.
LOG_SCALE_RANGE = (-3.0, 7.0)
LOG_SCALE_START = 3.0  # a parameter of 0 is a scale of 20 levels
MEAN_RANGE = (-LEVELS, 2.0 * LEVELS)


def clipped_mean(parameter: tf.Tensor) -> tf.Tensor:
    """A decoder's output to a mean in levels: 0 is the middle, 1 and -1 are the ends; clipped to MEAN_RANGE."""
    return clip((parameter + 1.0) * 0.5 * (LEVELS - 1.0), *MEAN_RANGE)


def clipped_log_scale(parameter: tf.Tensor) -> tf.Tensor:
    """A decoder's output to a log scale in log levels, within LOG_SCALE_RANGE."""
    return clip(parameter + LOG_SCALE_START, *LOG_SCALE_RANGE)


def clip(x: tf.Tensor, low: float, high: float) -> tf.Tensor:
    """`tf.clip_by_value`, but that a gradient passes outside of the range too if a step against it leads back.

    Without that a parameter that once left stays outside, whatever it costs: on CIFAR-10 a few images came to cost a
    hundred times as much as the others, and their gradient left nothing of that of the rest.
    """

    @tf.custom_gradient
    def clipped(x):
        def grad(dy):
            # `tf.clip_by_value` has two selections against a broadcast zero, which cost ten times as much.
            passes = tf.logical_and(tf.logical_or(x >= low, dy < 0.0), tf.logical_or(x <= high, dy > 0.0))
            return dy * tf.cast(passes, dy.dtype)

        return tf.clip_by_value(x, low, high), grad

    return clipped(x)


class Likelihood:
    """p(x | z_q) for images x uint8 [B, H, W, C]. Normalised over the 256 values of every dimension."""

    @classmethod
    def parameters(cls, channels: int) -> int:
        """How many numbers a decoder has to give for each pixel."""
        raise TypeError(f"{cls.__name__}: define parameters")

    def log_prob(self, x: tf.Tensor) -> tf.Tensor:
        """ln p(x | z_q) in nats: [B] float32."""
        raise TypeError(f"{type(self).__name__}: define log_prob")

    def log_table(self, channel: int, x=None) -> tf.Tensor:
        """ln of the probabilities of the 256 values of one channel: [B, H, W, 256].

        Where channels depend on each other it is given the channels before it, from `x` [B, H, W, C]; those from
        `channel` on are not looked at.
        """
        raise TypeError(f"{type(self).__name__}: define log_table")

    def mean(self) -> tf.Tensor:
        """The mean, float32 [B, H, W, C] in 0..1 (of the distribution before its tails are folded into the ends)."""
        raise TypeError(f"{type(self).__name__}: define mean")

    def log_mean(self) -> tf.Tensor:
        """ln of the mean in 0..1, float32 [B, H, W, C], finite."""
        return tf.log(tf.maximum(self.mean(), 1e-7))

    def squared_error(self, unit: tf.Tensor) -> tf.Tensor:
        """Mean over the dimensions of (mean - x)^2, for x [B, H, W, C] in 0..1: [B]."""
        return tf.reduce_mean(tf.squared_difference(self.mean(), unit), [1, 2, 3])

    def original_nll(self, K: int) -> tf.Tensor:
        """tf-vqvae's `nll`, -(mean ln x_hat + ln(1/K)) / ln 2, in [B]: kept for comparison.

        Not a likelihood: the image does not occur in it.
        """
        return -(tf.reduce_mean(self.log_mean(), [1, 2, 3]) - math.log(K)) / math.log(2.0)

    def mode(self) -> tf.Tensor:
        """The likeliest levels, uint8 [B, H, W, C]; channel by channel, given the ones before, where they depend."""
        raise TypeError(f"{type(self).__name__}: define mode")

    def sample(self, seed: tf.Tensor, shared: bool = False) -> tf.Tensor:
        """One draw, uint8 [B, H, W, C], decided by `seed`, an int tensor of shape [2].

        `shared`: the examples are drawn with the same noise, so that equal distributions give equal draws.
        """
        raise TypeError(f"{type(self).__name__}: define sample")


def argmax_by_channel(likelihood: Likelihood, channels: int) -> tf.Tensor:
    """The likeliest level of each channel given the likeliest of those before it; the end levels' tails count."""
    chosen = []
    for channel in range(channels):
        x = None
        if chosen:
            x = tf.stack(chosen + [tf.zeros_like(chosen[0])] * (channels - channel), -1)
        chosen.append(tf.cast(tf.argmax(likelihood.log_table(channel, x), -1), tf.uint8))
    return tf.stack(chosen, -1)
