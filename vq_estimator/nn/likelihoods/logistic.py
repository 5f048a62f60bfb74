"""Discretised logistic, and the mixture of them with channel-autoregressive means of PixelCNN++.

With a = (k - 1/2 - mean) / scale and b = (k + 1/2 - mean) / scale the mass of a level is exactly

    sigmoid(b) - sigmoid(a) = sigmoid(b) sigmoid(-a) (1 - exp(-1 / scale)),

so its logarithm is a sum of three terms that are each stable: no interval is too narrow or too far out.

#### References
Salimans, Karpathy, Chen, Kingma (2017), PixelCNN++, arXiv 1701.05517, sections 2.1 and 2.2.
"""

import tensorflow.compat.v1 as tf

from vq_estimator.nn.likelihoods.base import Likelihood, argmax_by_channel, clipped_log_scale, clipped_mean
from vq_estimator.nn.likelihoods.pixels import LEVELS, gumbel, noise_shape, to_uint8, uniform
from vq_estimator.nn.module import static_shape


def log_prob_of_levels(x: tf.Tensor, mean: tf.Tensor, log_scale: tf.Tensor) -> tf.Tensor:
    """ln of the mass of the levels x (float32) under a logistic; all of one shape."""
    inverse = tf.exp(-log_scale)
    below = (x - 0.5 - mean) * inverse
    above = below + inverse
    left, right = tf.log_sigmoid(above), tf.log_sigmoid(-below)
    inside = left + right + tf.log(-tf.math.expm1(-inverse))
    return tf.where(x <= 0.0, left, tf.where(x >= LEVELS - 1.0, right, inside))


def logistic_noise(shape, seed: tf.Tensor) -> tf.Tensor:
    u = uniform(shape, seed)
    return tf.log(u) - tf.log1p(-u)


class DiscretizedLogistic(Likelihood):
    """One logistic for each dimension.

    Args:
      mean, log_scale: float32 [B, H, W, C], in levels.
    """

    def __init__(self, mean: tf.Tensor, log_scale: tf.Tensor):
        self._mean, self._log_scale = mean, log_scale

    @classmethod
    def parameters(cls, channels: int) -> int:
        return 2 * channels

    @classmethod
    def from_parameters(cls, parameters: tf.Tensor) -> "DiscretizedLogistic":
        """From a decoder's output [B, H, W, 2 C]."""
        mean, log_scale = tf.split(parameters, 2, -1)
        return cls(clipped_mean(mean), clipped_log_scale(log_scale))

    def log_prob(self, x: tf.Tensor) -> tf.Tensor:
        terms = log_prob_of_levels(tf.cast(x, tf.float32), self._mean, self._log_scale)
        return tf.reduce_sum(terms, [1, 2, 3])

    def log_table(self, channel: int, x=None) -> tf.Tensor:
        mean, log_scale = (t[..., channel, tf.newaxis] for t in (self._mean, self._log_scale))
        levels = tf.range(float(LEVELS)) + tf.zeros_like(mean)  # [B, H, W, 256]
        return log_prob_of_levels(levels, mean + tf.zeros_like(levels), log_scale + tf.zeros_like(levels))

    def mean(self) -> tf.Tensor:
        return tf.clip_by_value(self._mean / (LEVELS - 1.0), 0.0, 1.0)

    def mode(self) -> tf.Tensor:
        return argmax_by_channel(self, static_shape(self._mean)[-1])

    def sample(self, seed: tf.Tensor, shared: bool = False) -> tf.Tensor:
        noise = logistic_noise(noise_shape(self._mean, shared), seed)
        return to_uint8((self._mean + tf.exp(self._log_scale) * noise) / (LEVELS - 1.0))


class LogisticMixture(Likelihood):
    """A mixture for each pixel whose component is shared by its channels; a channel's mean moves with those before it.

    Args:
      logits: float32 [B, H, W, M], of the components.
      mean, log_scale: float32 [B, H, W, C, M], in levels.
      coefficients: list over the channels; entry c is float32 [B, H, W, c, M]: what a difference of one level from the
        middle in an earlier channel adds to this one's mean.
    """

    def __init__(self, logits: tf.Tensor, mean: tf.Tensor, log_scale: tf.Tensor, coefficients):
        self._log_weights = tf.nn.log_softmax(logits)
        self._mean, self._log_scale, self._coefficients = mean, log_scale, coefficients
        self._channels = static_shape(mean)[-2]

    @classmethod
    def parameters(cls, channels: int, components: int = 1) -> int:
        """For each component a logit, and for each channel a mean, a log scale and a coefficient per earlier one."""
        return components * (1 + 2 * channels + channels * (channels - 1) // 2)

    @classmethod
    def from_parameters(cls, parameters: tf.Tensor, channels: int, components: int) -> "LogisticMixture":
        """From a decoder's output [B, H, W, parameters(channels, components)]."""
        M, C = components, channels
        pairs = C * (C - 1) // 2
        logits, mean, log_scale, coefficients = tf.split(parameters, [M, C * M, C * M, pairs * M], -1)
        shape = tf.shape(parameters)[:3]

        def by_channel(t, n):
            return tf.reshape(t, tf.concat([shape, [n, M]], 0))

        mean, log_scale = by_channel(mean, C), by_channel(log_scale, C)
        for t in (mean, log_scale):
            t.set_shape(parameters.shape[:3].as_list() + [C, M])
        coefficients = tf.split(by_channel(tf.tanh(coefficients), pairs), list(range(C)), 3)
        return cls(logits, clipped_mean(mean), clipped_log_scale(log_scale), coefficients)

    def _mean_given(self, channel: int, x: tf.Tensor) -> tf.Tensor:
        """Means [B, H, W, M] of a channel given the channels before it in x float32 [B, H, W, >= channel]."""
        mean = self._mean[..., channel, :]
        if channel:
            before = x[..., :channel, tf.newaxis] - 0.5 * (LEVELS - 1.0)
            mean += tf.reduce_sum(self._coefficients[channel] * before, -2)
        return mean

    def _terms(self, channel: int, x: tf.Tensor) -> tf.Tensor:
        """ln of the mass of x's level in a channel under each component: [B, H, W, M]."""
        mean = self._mean_given(channel, x)
        level = x[..., channel, tf.newaxis] + tf.zeros_like(mean)
        return log_prob_of_levels(level, mean, self._log_scale[..., channel, :])

    def log_prob(self, x: tf.Tensor) -> tf.Tensor:
        # All channels at once: the gradient of a channel's slice would be as large as what it is cut from.
        x = tf.cast(x, tf.float32)[..., tf.newaxis]  # [B, H, W, C, 1]
        centred, shifts = x - 0.5 * (LEVELS - 1.0), [tf.zeros_like(self._log_weights)]
        for channel in range(1, self._channels):
            shifts.append(tf.reduce_sum(self._coefficients[channel] * centred[..., :channel, :], -2))
        mean = self._mean + tf.stack(shifts, -2) if shifts[1:] else self._mean
        terms = log_prob_of_levels(x + tf.zeros_like(mean), mean, self._log_scale)  # [B, H, W, C, M]
        return tf.reduce_sum(tf.reduce_logsumexp(self._log_weights + tf.reduce_sum(terms, -2), -1), [1, 2])

    def log_table(self, channel: int, x=None) -> tf.Tensor:
        log_weights = self._log_weights
        if channel:
            x = tf.cast(x, tf.float32)
            # The components' posterior given the channels before.
            log_weights = tf.nn.log_softmax(log_weights + tf.add_n([self._terms(c, x) for c in range(channel)]))
        mean = self._mean_given(channel, x)[..., tf.newaxis, :]
        log_scale = self._log_scale[..., channel, tf.newaxis, :]
        levels = tf.range(float(LEVELS))[:, tf.newaxis] + tf.zeros_like(mean)  # [B, H, W, 256, M]
        terms = log_prob_of_levels(levels, mean + tf.zeros_like(levels), log_scale + tf.zeros_like(levels))
        return tf.reduce_logsumexp(terms + log_weights[..., tf.newaxis, :], -1)

    def mean(self) -> tf.Tensor:
        weights, means = tf.exp(self._log_weights), []  # [B, H, W, M]
        given = []  # each channel's mean under each component
        for channel in range(self._channels):
            mean = self._mean[..., channel, :]
            for earlier, value in enumerate(given):
                mean += self._coefficients[channel][..., earlier, :] * (value - 0.5 * (LEVELS - 1.0))
            given.append(mean)
            means.append(tf.reduce_sum(weights * mean, -1))
        return tf.clip_by_value(tf.stack(means, -1) / (LEVELS - 1.0), 0.0, 1.0)

    def mode(self) -> tf.Tensor:
        return argmax_by_channel(self, self._channels)

    def sample(self, seed: tf.Tensor, shared: bool = False) -> tf.Tensor:
        seed = tf.cast(seed, tf.int64)
        noise = gumbel(noise_shape(self._log_weights, shared), seed)
        M = static_shape(self._log_weights)[-1]
        picked = tf.one_hot(tf.argmax(self._log_weights + noise, -1), M)  # [B, H, W, M]
        x = []
        for channel in range(self._channels):
            before = tf.stack(x, -1) if x else None
            mean = tf.reduce_sum(picked * self._mean_given(channel, before), -1)
            log_scale = tf.reduce_sum(picked * self._log_scale[..., channel, :], -1)
            noise = logistic_noise(noise_shape(mean, shared), seed + tf.constant([0, 1 + channel], tf.int64))
            x.append(tf.round(tf.clip_by_value(mean + tf.exp(log_scale) * noise, 0.0, LEVELS - 1.0)))
        return tf.cast(tf.stack(x, -1), tf.uint8)
