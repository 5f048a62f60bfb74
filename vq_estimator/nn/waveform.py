"""Inputs of the WaveNet decoder: the condition from codes and speaker, and the embedding of earlier levels."""

import tensorflow.compat.v1 as tf

from vq_estimator.nn.likelihoods import LEVELS
from vq_estimator.nn.module import Module, static_shape
from vq_estimator.nn.networks import Conv2D

FINEST = 8  # largest number of samples with the same condition


def repeat(stride: int) -> int:
    """Returns the number of samples with the same condition, for one code per `stride` samples."""
    return min(stride, FINEST)


class Conditioner(Module):
    """Computes conditions [B, 1, n * stride / repeat(stride), maps] from z_q [B, 1, n, features], speakers int32 [B].

    Two convolutions over the codes are followed by one that outputs, for each code, a vector per `repeat(stride)`
    samples. The speaker's vector is added to all of them.
    """

    def __init__(self, maps: int, speakers: int, stride: int, dtype=tf.float32, name: str = "decoder"):
        super().__init__(name)
        self._maps, self._speakers, self._each = maps, max(speakers, 1), stride // repeat(stride)
        self._dtype = dtype

    def _connect(self, z_q, speakers):
        h = tf.cast(z_q, self._dtype)
        for i in range(2):
            h = tf.nn.relu(Conv2D(self._maps, 3, initializer="he", row=True, name=f"conv_{i + 1}")(h))
        h = tf.cast(Conv2D(self._each * self._maps, 1, initializer="he", name="apart")(h), tf.float32)
        h = tf.reshape(h, [tf.shape(h)[0], 1, -1, self._maps])
        start = tf.random_normal_initializer(stddev=1.0)
        vectors = self.variable("speakers", [self._speakers, self._maps], start).read_value()
        h += tf.gather(vectors, speakers)[:, tf.newaxis, tf.newaxis]
        n = static_shape(z_q)[2]
        h.set_shape([None, 1, None if n is None else n * self._each, self._maps])
        return h


class Embedding(Module):
    """The embeddings of the 256 levels, [256, maps]."""

    def __init__(self, maps: int, name: str = "levels"):
        super().__init__(name)
        self._maps = maps

    def _connect(self):
        return self.variable("embedding", [LEVELS, self._maps], tf.random_normal_initializer(stddev=1.0)).read_value()
