"""Finite scalar quantization: each number is bounded and rounded to a few levels, without codebook and loss terms.

#### References
Mentzer, Minnen, Agustsson, Tschannen (2023), arXiv 2309.15505, section 3 and appendix A.1.
"""

import numpy as np
import tensorflow.compat.v1 as tf

from vq_estimator.config import FiniteScalarConfig
from vq_estimator.nn.quantizers.gradients import straight_through
from vq_estimator.nn.quantizers.quantized import Quantized, training_only

_MARGIN = 1e-3  # epsilon of Mentzer et al.: tanh = 1 still rounds to the last level


class FiniteScalarQuantizer:
    """Rounds D = len(levels) numbers to `levels[i]` values each; their combination is one of K = product(levels) codes.

    A number with n levels has the values d / floor(n / 2) in -1..1, d from -floor(n / 2) to floor((n - 1) / 2). The
    first number is the lowest digit of the code, as in Mentzer et al.

    Args:
      config: the levels and L, the number of groups of D numbers, each with a code.
      seed: ignored.
    """

    def __init__(self, config: FiniteScalarConfig, seed: int = 0):
        del seed
        self._config = config
        levels = np.array(config.levels, np.int32)
        self._levels, self._half = levels, levels // 2  # [D]
        self._basis = np.concatenate([[1], np.cumprod(levels)[:-1]]).astype(np.int32)  # [D]

    def lookup(self, codes: tf.Tensor) -> tf.Tensor:
        """Looks up codes int32 [B, h, w, L]; returns z_q float32 [B, h, w, L, D]."""
        codes = tf.gather(tf.range(self._config.K), codes)  # a code of K or more is an error, as with a codebook
        return self._values(codes[..., tf.newaxis] // self._basis % self._levels)

    def entries(self) -> tf.Tensor:
        """Returns the vector of each code, float32 [L, K, D], which is the same for all groups."""
        c = self._config
        return tf.tile(self.lookup(tf.range(c.K)[:, tf.newaxis])[tf.newaxis, :, 0], [c.L, 1, 1])

    def _values(self, digits):
        """Converts digits 0..n-1, int32 [..., D], to values."""
        return tf.cast(digits - self._half, tf.float32) / self._half.astype(np.float32)

    def _bound(self, z):
        """Bounds z float32 [..., D] to the open interval that rounds to the digits minus floor(n / 2)."""
        # Appendix A.1 has tan instead of arctanh, which its first author calls a mistake
        # (lucidrains/vector-quantize-pytorch, issue 94): zero must map to zero. Two levels, -1 and 0, divide at z = 0.
        reach = (self._levels - 1) * (1 - _MARGIN) / 2
        offset = np.where(self._levels % 2 == 0, 0.5, 0.0)
        shift = np.arctanh(np.where(self._levels > 2, offset / reach, 0.0))
        reach, offset, shift = (a.astype(np.float32) for a in (reach, offset, shift))
        return tf.tanh(z + shift) * reach - offset

    def continuous(self, z_e: tf.Tensor) -> tf.Tensor:
        """Returns z_e on the scale of z_q, before rounding."""
        return self._bound(z_e) / self._half.astype(np.float32)

    def __call__(self, z_e: tf.Tensor, training: bool, step=None) -> Quantized:
        """Quantizes z_e [B, h, w, L, D]; `update` does nothing, but needs a `step`."""
        bounded = self._bound(z_e)
        digits = tf.cast(tf.round(tf.stop_gradient(bounded)), tf.int32) + self._half
        digits = tf.clip_by_value(digits, 0, self._levels - 1)  # NaN gets a valid code too
        codes = tf.reduce_sum(digits * self._basis, -1)
        z_q = self._values(digits)
        if training:
            z_q = straight_through(bounded / self._half.astype(np.float32), z_q)
        nothing = tf.zeros(tf.shape(z_e)[:1])
        return Quantized(codes, z_q, nothing, nothing, training_only(training, step, tf.no_op))
