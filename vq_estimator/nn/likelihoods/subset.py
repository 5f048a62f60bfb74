"""The likelihood of an image, estimated from a subset of its pixels."""

from typing import Callable

import tensorflow.compat.v1 as tf

from vq_estimator.nn.likelihoods.base import Likelihood


class Subset(Likelihood):
    """The likelihood of a subset of the pixels, scaled to all pixels. It is unbiased if the subset is random.

    Args:
      likelihood: the likelihood of the chosen pixels.
      choose: a function [B, H, W, C] -> the chosen pixels [B, h, w, C].
      ratio: number of pixels per chosen one.
    """

    def __init__(self, likelihood: Likelihood, choose: Callable, ratio: int):
        self._likelihood, self._choose, self._ratio = likelihood, choose, ratio

    def log_prob(self, x: tf.Tensor) -> tf.Tensor:
        return self._ratio * self._likelihood.log_prob(self._choose(x))

    def squared_error(self, unit: tf.Tensor) -> tf.Tensor:
        return self._likelihood.squared_error(self._choose(unit))
