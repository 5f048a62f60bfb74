"""Draws codes from their logits: the seed of each draw, temperature and top-k."""

from typing import NamedTuple

import tensorflow.compat.v1 as tf

from vq_estimator.nn.likelihoods.pixels import gumbel


class Sampling(NamedTuple):
    """How codes are drawn.

    Attributes:
      seed: int, determines all draws.
      temperature: float above 0 that divides the logits.
      top_k: number of most likely values of each code that are drawn from; 0: all.
    """

    seed: tf.Tensor
    temperature: tf.Tensor = 1.0
    top_k: int = 0


def noise_seed(seed: tf.Tensor, place: tf.Tensor) -> tf.Tensor:
    """Returns the seed, int64 [2], of the code at index `place`; negative, since pixels use indices from 0 on."""
    return tf.stack([tf.cast(seed, tf.int64), -1 - tf.cast(place, tf.int64)])


def draw(logits: tf.Tensor, K: int, how: Sampling, place: tf.Tensor) -> tf.Tensor:
    """Draws the code at index `place` of each code map, int32 [B], from logits [B, K]."""
    noise = gumbel(tf.shape(logits), noise_seed(how.seed, place))
    logits /= how.temperature
    if 0 < how.top_k < K:
        lowest = tf.nn.top_k(logits, how.top_k).values[:, -1:]
        logits = tf.where(logits < lowest, tf.fill(tf.shape(logits), -1e9), logits)
    return tf.argmax(logits + noise, -1, output_type=tf.int32)
