"""Residual vector quantization: L stages for the same D numbers, each quantizes the residual of the stages before.

#### References
Juang, Gray (1982), "Multiple stage vector quantization for speech coding".
Zeghidour et al. (2021), arXiv 2107.03312, section III.C (as a bottleneck with the straight-through estimator).
"""

import tensorflow.compat.v1 as tf

from vq_estimator.config import EMACodebook
from vq_estimator.nn.quantizers import clustering
from vq_estimator.nn.quantizers.codebooks import WithCodebooks
from vq_estimator.nn.quantizers.gradients import straight_through
from vq_estimator.nn.quantizers.quantized import Quantized, squared_distance, training_only


class ResidualQuantizer(WithCodebooks):
    """z_q = e_1 + ... + e_L, where e_l is the entry nearest to the residual r_l = z_e - e_1 - ... - e_(l-1).

    The loss terms are means over the stages: |r_l - sg(e_l)|^2, whose gradient reaches only z_e, and |sg(r_l) - e_l|^2,
    whose gradient reaches only the entry of its stage. The configuration is a ResidualQuantizerConfig.
    """

    _residual = True

    def lookup(self, codes: tf.Tensor) -> tf.Tensor:
        """Looks up codes int32 [B, h, w, L]; returns z_q float32 [B, h, w, 1, D]."""
        return self._sum(self.codebook.read_value(), codes)

    @staticmethod
    def _sum(codebook, codes):
        # tf.add_n, and a chain of + that the graph optimizer turns into it, add in any order: the last bits of `lookup`
        # would differ from the forward pass.
        return tf.reduce_sum(clustering.gather_entries(codebook, codes), -2, keepdims=True)

    def __call__(self, z_e: tf.Tensor, training: bool, step=None) -> Quantized:
        """Quantizes z_e [B, h, w, 1, D]; `step`, the int64 global step, is needed by `update` in training."""
        c = self._config
        codebook = self.codebook.read_value()
        left = z_e  # the residual of a stage, with the gradient of z_e
        vectors, codes, commitment, moving = [], [], [], []
        for stage in range(c.L):
            book = codebook[stage : stage + 1]
            flat = tf.reshape(tf.stop_gradient(left), [1, -1, c.D])
            flat_codes = clustering.nearest(flat, tf.stop_gradient(book))  # [1, N]
            stage_codes = tf.reshape(flat_codes, tf.shape(z_e)[:-1])  # [B, h, w, 1]
            e = clustering.gather_entries(book, stage_codes)
            commitment.append(squared_distance(left, tf.stop_gradient(e)))
            moving.append(squared_distance(tf.stop_gradient(left), e))
            vectors.append(flat)
            codes.append(stage_codes)
            left -= tf.stop_gradient(e)

        flat_codes = tf.concat([tf.reshape(stage_codes, [1, -1]) for stage_codes in codes], 0)  # [L, N]
        codes = tf.concat(codes, -1)
        codes.set_shape(z_e.shape[:-2].concatenate([c.L]))
        commitment, moving = tf.add_n(commitment) / c.L, tf.add_n(moving) / c.L
        if isinstance(c.codebook, EMACodebook):
            moving = tf.stop_gradient(moving)
        z_q = self._sum(codebook, codes)
        z_q = straight_through(z_e, z_q) if training else z_q
        z_q.set_shape(z_e.shape)

        def update():
            return self._update(tf.concat(vectors, 0), flat_codes, step)

        return Quantized(codes, z_q, commitment, moving, training_only(training, step, update))
