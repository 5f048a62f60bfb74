"""tf-vqvae's decoder, one value in 0..1 per pixel and channel, and its training losses."""

import tensorflow.compat.v1 as tf

from vq_estimator.nn.likelihoods.base import OneLogitPerChannel
from vq_estimator.nn.likelihoods.gaussian import DiscretizedGaussian
from vq_estimator.nn.likelihoods.pixels import LEVELS, to_uint8


class SigmoidPixels(OneLogitPerChannel):
    """The output of tf-vqvae's decoder: one value in 0..1 for each pixel and channel, without a scale.

    It has no `log_prob`; `with_scale` makes it a likelihood.

    Args:
      logits: float32 [B, H, W, C].
    """

    def mean(self) -> tf.Tensor:
        return tf.sigmoid(self.logits)

    def log_mean(self) -> tf.Tensor:
        return tf.log_sigmoid(self.logits)

    def mode(self) -> tf.Tensor:
        return to_uint8(self.mean())

    def cross_entropy(self, unit: tf.Tensor) -> tf.Tensor:
        """Returns the mean over dimensions of the cross-entropy between values in 0..1, in nats, [B].

        As a training loss its gradient with respect to the logits, x_hat - x, does not vanish when the sigmoid
        saturates. It is not a likelihood over 256 values.
        """
        terms = tf.nn.sigmoid_cross_entropy_with_logits(labels=unit, logits=self.logits)
        return tf.reduce_mean(terms, [1, 2, 3])

    def with_scale(self, scale) -> DiscretizedGaussian:
        """Returns the likelihood: a discretised Gaussian around x_hat with a standard deviation `scale` in levels."""
        return DiscretizedGaussian(self.mean() * (LEVELS - 1.0), scale)
