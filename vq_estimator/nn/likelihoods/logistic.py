"""The discretised logistic distribution, and the mixture of PixelCNN++ with channel-autoregressive means.

With a = (k - 1/2 - mean) / scale and b = (k + 1/2 - mean) / scale the mass of a level is exactly

    sigmoid(b) - sigmoid(a) = sigmoid(b) sigmoid(-a) (1 - exp(-1 / scale)),

so its logarithm is a sum of three terms, each of which is stable for narrow and for distant intervals.

#### References
Salimans, Karpathy, Chen, Kingma (2017), PixelCNN++, arXiv 1701.05517, sections 2.1 and 2.2.
"""

from typing import Tuple

import tensorflow.compat.v1 as tf

from vq_estimator.nn.likelihoods.base import Likelihood, argmax_by_channel, clipped_log_scale, clipped_mean
from vq_estimator.nn.likelihoods.pixels import LEVELS, gumbel, noise_shape, to_uint8, uniform
from vq_estimator.nn.module import static_shape


def log_prob_of_levels(x: tf.Tensor, mean: tf.Tensor, log_scale: tf.Tensor) -> tf.Tensor:
    """Returns the log of a logistic distribution's mass of the levels x (float32); all arguments have one shape."""
    inverse = tf.exp(-log_scale)
    below = (x - 0.5 - mean) * inverse
    above = below + inverse
    left, right = -softplus(-above), -softplus(below)
    inside = left + right + log_one_minus_exp(inverse)
    return tf.where(x <= 0.0, left, tf.where(x >= LEVELS - 1.0, right, inside))


@tf.custom_gradient
def softplus(x: tf.Tensor):
    """Computes ln(1 + exp x) with an absolute error of 1e-7, faster than TensorFlow's softplus."""
    return tf.maximum(x, 0.0) + tf.log(1.0 + tf.exp(-tf.abs(x))), lambda dy: dy * tf.sigmoid(x)


@tf.custom_gradient
def log_one_minus_exp(x: tf.Tensor):
    """Computes ln(1 - exp(-x)) for x > 0, accurate for small x: with t = tanh(x / 2) it is ln(2 t / (1 + t))."""
    t = tf.tanh(0.5 * x)
    return tf.log(2.0 * t / (1.0 + t)), lambda dy: dy * (0.5 / t - 0.5)


def logistic_noise(shape, seed: tf.Tensor) -> tf.Tensor:
    u = uniform(shape, seed)
    return tf.log(u) - tf.log1p(-u)


class DiscretizedLogistic(Likelihood):
    """A discretised logistic distribution for each dimension.

    Args:
      mean, log_scale: float32 [B, H, W, C], in levels.
    """

    def __init__(self, mean: tf.Tensor, log_scale: tf.Tensor):
        self._mean, self._log_scale = mean, log_scale

    @classmethod
    def parameters(cls, channels: int) -> int:
        return 2 * channels

    @classmethod
    def from_parameters(cls, parameters: tf.Tensor, channels: int = 0) -> "DiscretizedLogistic":
        """Makes the likelihood from a decoder's output [B, H, W, 2 C]."""
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


def couples(channels: int) -> bool:
    """Returns whether a mixture couples the channels, which it does for three (colour)."""
    return channels == 3


def mixture_sizes(channels: int) -> Tuple[int, int, int, int]:
    """Returns the numbers of logits, means, log scales and coefficients per component of a mixture."""
    pairs = channels * (channels - 1) // 2
    return (1, channels, channels, pairs) if couples(channels) else (channels, channels, channels, 0)


def couple_residuals(parameters: tf.Tensor, components: int) -> tf.Tensor:
    """Converts means that hold for earlier colours at their own means to the means of a `LogisticMixture`.

    A `LogisticMixture` shifts a colour's mean in proportion to the earlier colours' levels, measured from the middle
    level. So an error of a coefficient shifts the mean of a dark or bright pixel by many levels. With the means that
    are converted here, it is multiplied by the deviations of the earlier colours from their means only.

    Args:
      parameters: float32 [n, LogisticMixture.parameters(3, components)].
      components: M.

    Returns:
      The parameters of a `LogisticMixture`, of the same shape.
    """
    sizes = [components * size for size in mixture_sizes(3)]
    logits, mean, log_scale, coefficients = tf.split(parameters, sizes, -1)
    red, green, blue = tf.split(mean, 3, -1)
    green_red, blue_red, blue_green = tf.split(tf.tanh(coefficients), 3, -1)
    blue = blue - blue_red * red - blue_green * green
    return tf.concat([logits, red, green - green_red * red, blue, log_scale, coefficients], -1)


class LogisticMixture(Likelihood):
    """A mixture of discretised logistics.

    Three channels share a component, and a channel's mean is shifted by the channels before it. With any other number
    of channels each channel has its own mixture, independent of the others.

    Args:
      parameters: a decoder's output, float32 [B, H, W, parameters(channels, components)].
      channels, components: C and M.
    """

    def __init__(self, parameters: tf.Tensor, channels: int, components: int):
        self._parameters, self._channels, self._components = parameters, channels, components
        self._couples = couples(channels)
        logits, mean, log_scale, coefficients = self._parts(parameters, -1)
        # [B, H, W, 1 or C, M]
        self._log_weights = tf.nn.log_softmax(self._by_channel(logits, 1 if self._couples else channels))
        # In levels, [B, H, W, C, M].
        self._mean, self._log_scale = self._by_channel(mean, channels), self._by_channel(log_scale, channels)
        # Entry c is [B, H, W, c, M]: the shift of this channel's mean per level of an earlier channel.
        self._coefficients = []
        if self._couples:
            pairs = self._by_channel(coefficients, channels * (channels - 1) // 2)
            self._coefficients = tf.split(pairs, list(range(channels)), 3)

    @classmethod
    def parameters(cls, channels: int, components: int = 1) -> int:
        """Returns the number of parameters per pixel that a decoder outputs.

        Each component has a mean and a log scale per channel. With three channels it also has one logit and a
        coefficient per pair of channels, otherwise a logit per channel.
        """
        return components * sum(mixture_sizes(channels))

    @classmethod
    def from_parameters(cls, parameters: tf.Tensor, channels: int, components: int) -> "LogisticMixture":
        """Makes the likelihood from a decoder's output [B, H, W, parameters(channels, components)]."""
        return cls(parameters, channels, components)

    def _parts(self, parameters: tf.Tensor, axis: int):
        """Splits parameters along `axis` into logits, means, log scales and coefficients."""
        sizes = [self._components * n for n in mixture_sizes(self._channels)]
        logits, mean, log_scale, coefficients = tf.split(parameters, sizes, axis)
        return logits, clipped_mean(mean), clipped_log_scale(log_scale), tf.tanh(coefficients)

    def _by_channel(self, t: tf.Tensor, n: int) -> tf.Tensor:
        """Reshapes [B, H, W, n M] to [B, H, W, n, M]."""
        found = tf.reshape(t, tf.concat([tf.shape(t)[:3], [n, self._components]], 0))
        found.set_shape(t.shape[:3].as_list() + [n, self._components])
        return found

    def _mean_given(self, channel: int, x: tf.Tensor) -> tf.Tensor:
        """Returns the means [B, H, W, M] of a channel given the earlier channels of x float32 [B, H, W, >= channel]."""
        mean = self._mean[..., channel, :]
        if channel and self._couples:
            before = x[..., :channel, tf.newaxis] - 0.5 * (LEVELS - 1.0)
            mean += tf.reduce_sum(self._coefficients[channel] * before, -2)
        return mean

    def _terms(self, channel: int, x: tf.Tensor) -> tf.Tensor:
        """Returns the log of each component's mass of x's level in a channel, [B, H, W, M]."""
        mean = self._mean_given(channel, x)
        level = x[..., channel, tf.newaxis] + tf.zeros_like(mean)
        return log_prob_of_levels(level, mean, self._log_scale[..., channel, :])

    def log_prob(self, x: tf.Tensor) -> tf.Tensor:
        # Computed by planes with the pixels last, because ops over the few parameters of a pixel are slow.
        M, C = self._components, self._channels
        size = self.parameters(C, M)
        logits, mean, log_scale, coefficients = self._parts(tf.transpose(tf.reshape(self._parameters, [-1, size])), 0)
        mean, log_scale, coefficients = (
            tf.reshape(t, [-1, M, tf.shape(t)[1]]) for t in (mean, log_scale, coefficients)
        )
        levels = tf.transpose(tf.reshape(tf.cast(x, tf.float32), [-1, C]))[:, tf.newaxis]  # [C, 1, N]
        if self._couples:
            shifts = [tf.zeros_like(logits)]
            for earlier in tf.split(coefficients, list(range(C)), 0)[1:]:  # [c, M, N]
                shifts.append(tf.reduce_sum(earlier * (levels[: len(shifts)] - 0.5 * (LEVELS - 1.0)), 0))
            mean += tf.stack(shifts)
        terms = log_prob_of_levels(levels + tf.zeros_like(mean), mean, log_scale)  # [C, M, N]
        components = 0  # their axis
        if self._couples:
            terms = tf.reduce_sum(terms, 0)
        else:
            logits, components = tf.reshape(logits, tf.shape(terms)), 1
        # Otherwise a large logit would leave few digits to the others.
        logits -= tf.stop_gradient(tf.reduce_max(logits, components, keepdims=True))
        weighed = logits - tf.reduce_logsumexp(logits, components, keepdims=True) + terms
        log_p = tf.reduce_logsumexp(weighed, components)  # [N], or [C, N]
        per_pixel = log_p if self._couples else tf.reduce_sum(log_p, 0)
        return tf.reduce_sum(tf.reshape(per_pixel, [tf.shape(x)[0], -1]), 1)

    def log_table(self, channel: int, x=None) -> tf.Tensor:
        log_weights = self._weights_of(channel)
        if channel and self._couples:
            x = tf.cast(x, tf.float32)
            # The posterior of the components given the earlier channels.
            log_weights = tf.nn.log_softmax(log_weights + tf.add_n([self._terms(c, x) for c in range(channel)]))
        mean = self._mean_given(channel, x)[..., tf.newaxis, :]
        log_scale = self._log_scale[..., channel, tf.newaxis, :]
        levels = tf.range(float(LEVELS))[:, tf.newaxis] + tf.zeros_like(mean)  # [B, H, W, 256, M]
        terms = log_prob_of_levels(levels, mean + tf.zeros_like(levels), log_scale + tf.zeros_like(levels))
        return tf.reduce_logsumexp(terms + log_weights[..., tf.newaxis, :], -1)

    def _weights_of(self, channel: int) -> tf.Tensor:
        """Returns the log of the components' weights in a channel before any channel is known, [B, H, W, M]."""
        return self._log_weights[..., 0 if self._couples else channel, :]

    def mean(self) -> tf.Tensor:
        means = []
        given = []  # each channel's mean under each component
        for channel in range(self._channels):
            mean = self._mean[..., channel, :]
            for earlier, value in enumerate(given if self._couples else ()):
                mean += self._coefficients[channel][..., earlier, :] * (value - 0.5 * (LEVELS - 1.0))
            given.append(mean)
            means.append(tf.reduce_sum(tf.exp(self._weights_of(channel)) * mean, -1))
        return tf.clip_by_value(tf.stack(means, -1) / (LEVELS - 1.0), 0.0, 1.0)

    def mode(self) -> tf.Tensor:
        return argmax_by_channel(self, self._channels)

    def sample(self, seed: tf.Tensor, shared: bool = False) -> tf.Tensor:
        seed = tf.cast(seed, tf.int64)
        log_weights = self._log_weights[..., 0, :] if self._couples else self._log_weights
        noise = gumbel(noise_shape(log_weights, shared), seed)
        picked = tf.one_hot(tf.argmax(log_weights + noise, -1), self._components)  # [B, H, W, M], or [B, H, W, C, M]
        x = []
        for channel in range(self._channels):
            before = tf.stack(x, -1) if x else None
            own = picked if self._couples else picked[..., channel, :]
            mean = tf.reduce_sum(own * self._mean_given(channel, before), -1)
            log_scale = tf.reduce_sum(own * self._log_scale[..., channel, :], -1)
            noise = logistic_noise(noise_shape(mean, shared), seed + tf.constant([0, 1 + channel], tf.int64))
            x.append(tf.round(tf.clip_by_value(mean + tf.exp(log_scale) * noise, 0.0, LEVELS - 1.0)))
        return tf.cast(tf.stack(x, -1), tf.uint8)

    @classmethod
    def num_uniforms(cls, channels: int, components: int = 1) -> int:
        """Returns the number of uniform random numbers per pixel: for the components, and for each channel."""
        return mixture_sizes(channels)[0] + channels

    def sample_from(self, uniforms: tf.Tensor) -> tf.Tensor:
        choose, u = tf.split(uniforms, [static_shape(uniforms)[-1] - self._channels, self._channels], -1)
        below = tf.cumsum(tf.exp(self._log_weights), -1) < choose[..., tf.newaxis]  # [B, H, W, 1 or C, M]
        number = tf.minimum(tf.reduce_sum(tf.cast(below, tf.int32), -1), self._components - 1)
        picked = tf.one_hot(number, self._components)
        mean, log_scale = (tf.reduce_sum(picked * t, -1) for t in (self._mean, self._log_scale))  # [B, H, W, C]
        noise = tf.exp(log_scale) * (tf.log(u) - tf.log1p(-u))
        x = []
        for channel in range(self._channels):
            value = mean[..., channel] + noise[..., channel]
            if x and self._couples:
                shift = tf.reduce_sum(picked * self._coefficients[channel], -1)  # [B, H, W, channel]
                value += tf.reduce_sum(shift * (tf.stack(x, -1) - 0.5 * (LEVELS - 1.0)), -1)
            x.append(tf.round(tf.clip_by_value(value, 0.0, LEVELS - 1.0)))
        return tf.cast(tf.stack(x, -1), tf.uint8)
