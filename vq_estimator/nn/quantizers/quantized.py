"""The output of every quantizer, and functions that the quantizers share."""

from typing import Callable, NamedTuple

import tensorflow.compat.v1 as tf


class Quantized(NamedTuple):
    """The output of a quantizer, with L codes and P = `vectors_per_position` vectors of D numbers at each position.

    Attributes:
      codes: int32 [B, h, w, L].
      z_q: float32 [B, h, w, P, D]; in training the output of the gradient estimator, otherwise exactly `lookup(codes)`.
      commitment_loss: float32 [B], mean over positions and vectors of |z_e - sg(e)|^2, which trains the encoder.
      codebook_loss: float32 [B], mean over positions and vectors of |sg(z_e) - e|^2, which trains the codebook; it has
        no gradient under EMA.
      update: makes the op that updates the codebook other than by gradients. Nothing changes unless the op is run. Call
        it under a control dependency on the gradient step.
    """

    codes: tf.Tensor
    z_q: tf.Tensor
    commitment_loss: tf.Tensor
    codebook_loss: tf.Tensor
    update: Callable[[], tf.Operation]


def squared_distance(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """Returns the squared distance of [B, h, w, P, D], summed over D, mean over positions and vectors, [B].

    `beta` weighs a distance of this scale, as in tf-vqvae.
    """
    return tf.reduce_mean(tf.reduce_sum(tf.squared_difference(a, b), -1), [1, 2, 3])


def training_only(training: bool, step, make_op: Callable[[], tf.Operation]) -> Callable[[], tf.Operation]:
    """Returns `make_op`, or a function that raises an error if there is no training step."""

    def update():
        if not training or step is None:
            raise ValueError("quantizer.update: got no training step, expected training=True and a step")
        with tf.name_scope("quantizer"):
            return make_op()

    return update
