"""Binary pixels with the levels 0 and 255."""

import tensorflow.compat.v1 as tf

from vq_estimator.nn.likelihoods.base import OneLogitPerChannel
from vq_estimator.nn.likelihoods.pixels import LEVELS, noise_shape, uniform

IMPOSSIBLE = -1e9  # log-probability of the other levels; finite, so that tables have no infinity


class Bernoulli(OneLogitPerChannel):
    """P(x = 255) = sigmoid(logit) and P(x = 0) = 1 - sigmoid(logit), for binarized data (`--binarize`).

    Args:
      logits: float32 [B, H, W, C].
    """

    def log_prob(self, x: tf.Tensor) -> tf.Tensor:
        """Returns ln p(x) in nats, float32 [B]; levels other than 0 and 255 are impossible."""
        x = tf.cast(x, tf.float32)
        terms = tf.where(x > 0.0, tf.log_sigmoid(self.logits), tf.log_sigmoid(-self.logits))
        between = tf.logical_and(x > 0.0, x < LEVELS - 1.0)
        return tf.reduce_sum(tf.where(between, IMPOSSIBLE * tf.ones_like(terms), terms), [1, 2, 3])

    def log_table(self, channel: int, x=None) -> tf.Tensor:
        logit = self.logits[..., channel, tf.newaxis]
        between = IMPOSSIBLE * tf.ones_like(logit[..., 0])[..., tf.newaxis] * tf.ones([LEVELS - 2])
        return tf.concat([tf.log_sigmoid(-logit), between, tf.log_sigmoid(logit)], -1)

    def mean(self) -> tf.Tensor:
        return tf.sigmoid(self.logits)

    def mode(self) -> tf.Tensor:
        return tf.cast(self.logits > 0.0, tf.uint8) * tf.constant(LEVELS - 1, tf.uint8)

    def sample(self, seed: tf.Tensor, shared: bool = False) -> tf.Tensor:
        ones = uniform(noise_shape(self.logits, shared), seed) < tf.sigmoid(self.logits)
        return tf.cast(ones, tf.uint8) * tf.constant(LEVELS - 1, tf.uint8)
