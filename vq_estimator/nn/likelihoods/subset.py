"""The likelihood of an image, estimated from a subset of its pixels."""

from typing import Callable

import tensorflow.compat.v1 as tf

from vq_estimator.nn.likelihoods.base import Likelihood


class Subset(Likelihood):
    """The likelihood of a subset of the pixels, weighted so that it estimates the likelihood of all pixels.

    Args:
      likelihood: the likelihood of the chosen pixels, each as an image of one pixel: [B h w, 1, 1, ...].
      choose: a function [B, H, W, C] -> the chosen pixels [B, h, w, C].
      weights: float32 [B, h, w]. The estimate is unbiased if the weighted sum over a random subset is.
    """

    def __init__(self, likelihood: Likelihood, choose: Callable, weights: tf.Tensor):
        self._likelihood, self._choose, self._weights = likelihood, choose, weights

    def log_prob(self, x: tf.Tensor) -> tf.Tensor:
        return self._weighted(self._likelihood.log_prob(self._chosen(x)))

    def squared_error(self, unit: tf.Tensor) -> tf.Tensor:
        error = self._weighted(self._likelihood.squared_error(self._chosen(unit)))
        return error / tf.cast(tf.shape(unit)[1] * tf.shape(unit)[2], tf.float32)

    def _chosen(self, x: tf.Tensor) -> tf.Tensor:
        """Returns the chosen pixels as images of one pixel, [B h w, 1, 1, C]."""
        chosen = self._choose(x)
        return tf.reshape(chosen, tf.stack([-1, 1, 1, tf.shape(chosen)[-1]]))

    def _weighted(self, values: tf.Tensor) -> tf.Tensor:
        """Returns the weighted sum over an image's chosen pixels, [B], of values [B h w]."""
        return tf.reduce_sum(tf.reshape(values, tf.shape(self._weights)) * self._weights, [1, 2])
