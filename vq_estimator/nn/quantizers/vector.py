"""Vector quantization with L independent codebooks, each for its own D numbers.

#### References
van den Oord, Vinyals, Kavukcuoglu (2017), arXiv 1711.00937, section 3.
"""

import tensorflow.compat.v1 as tf

from vq_estimator.config import EMACodebook
from vq_estimator.nn.quantizers import clustering
from vq_estimator.nn.quantizers.codebooks import WithCodebooks
from vq_estimator.nn.quantizers.gradients import ESTIMATORS
from vq_estimator.nn.quantizers.quantized import Quantized, squared_distance, training_only


class VectorQuantizer(WithCodebooks):
    """Selects the nearest of K entries at each position in each of L codebooks. Configured by VectorQuantizerConfig."""

    def lookup(self, codes: tf.Tensor) -> tf.Tensor:
        """Looks up codes int32 [B, h, w, L]; returns z_q float32 [B, h, w, L, D]."""
        return clustering.gather_entries(self.codebook.read_value(), codes)

    def __call__(self, z_e: tf.Tensor, training: bool, step=None) -> Quantized:
        """Quantizes z_e [B, h, w, L, D]; `step`, the int64 global step, is needed by `update` in training."""
        c = self._config
        codebook = self.codebook.read_value()
        vectors = tf.transpose(tf.reshape(z_e, [-1, c.L, c.D]), [1, 0, 2])  # [L, N, D]
        flat_codes = clustering.nearest(tf.stop_gradient(vectors), tf.stop_gradient(codebook))  # [L, N]
        codes = tf.reshape(tf.transpose(flat_codes), tf.shape(z_e)[:-1])
        codes.set_shape(z_e.shape[:-1])
        e = clustering.gather_entries(codebook, codes)

        commitment = squared_distance(z_e, tf.stop_gradient(e))
        moving = squared_distance(tf.stop_gradient(z_e), e)
        if isinstance(c.codebook, EMACodebook):
            moving = tf.stop_gradient(moving)
        z_q = ESTIMATORS[c.gradient](z_e, e) if training else e
        z_q.set_shape(z_e.shape)

        def update():
            return self._update(tf.stop_gradient(vectors), flat_codes, step)

        return Quantized(codes, z_q, commitment, moving, training_only(training, step, update))
