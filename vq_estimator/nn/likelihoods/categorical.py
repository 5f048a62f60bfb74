"""A softmax over the 256 values of each pixel and channel.

#### References
van den Oord, Kalchbrenner, Kavukcuoglu (2016), Pixel Recurrent Neural Networks, arXiv 1601.06759, section 3.4.
"""

import tensorflow.compat.v1 as tf

from vq_estimator.nn.likelihoods.base import Likelihood
from vq_estimator.nn.likelihoods.pixels import LEVELS, gumbel, noise_shape
from vq_estimator.nn.module import static_shape


class Categorical(Likelihood):
    """A softmax over the 256 values of each dimension.

    Args:
      logits: float32 [B, H, W, C, 256].
    """

    def __init__(self, logits: tf.Tensor):
        self._logits = logits

    @classmethod
    def parameters(cls, channels: int) -> int:
        return LEVELS * channels

    @classmethod
    def from_parameters(cls, parameters: tf.Tensor, channels: int) -> "Categorical":
        """Makes the likelihood from a decoder's output [B, H, W, 256 C]."""
        logits = tf.reshape(parameters, tf.concat([tf.shape(parameters)[:3], [channels, LEVELS]], 0))
        logits.set_shape(static_shape(parameters)[:3] + [channels, LEVELS])
        return cls(logits)

    def log_prob(self, x: tf.Tensor) -> tf.Tensor:
        terms = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=tf.cast(x, tf.int32), logits=self._logits)
        return -tf.reduce_sum(terms, [1, 2, 3])

    def log_table(self, channel: int, x=None) -> tf.Tensor:
        return tf.nn.log_softmax(self._logits[..., channel, :])

    def mean(self) -> tf.Tensor:
        return tf.reduce_sum(tf.nn.softmax(self._logits) * tf.range(float(LEVELS)), -1) / (LEVELS - 1.0)

    def mode(self) -> tf.Tensor:
        return tf.cast(tf.argmax(self._logits, -1), tf.uint8)

    def sample(self, seed: tf.Tensor, shared: bool = False) -> tf.Tensor:
        noise = gumbel(noise_shape(self._logits, shared), seed)
        return tf.cast(tf.argmax(self._logits + noise, -1), tf.uint8)
