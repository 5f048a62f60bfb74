"""What every quantizer gives, and what they share."""

from typing import Callable, NamedTuple

import tensorflow.compat.v1 as tf


class Quantized(NamedTuple):
    """The output of a quantizer: P vectors of D numbers (`vectors_per_position`) and L codes at each position.

    Attributes:
      codes: int32 [B, h, w, L].
      z_q: float32 [B, h, w, P, D]; in training the output of the gradient estimator, elsewhere what `lookup(codes)`
        gives, to the bit.
      commitment_loss: [B], mean over positions of |z_e - sg(e)|^2, which moves the encoder.
      codebook_loss: [B], mean over positions of |sg(z_e) - e|^2, which moves the codebook; zero gradient under EMA.
      update: makes the op that changes the codebook beside the gradient. Nothing changes unless it is run; call it
        under the control dependency of the gradient step.
    """

    codes: tf.Tensor
    z_q: tf.Tensor
    commitment_loss: tf.Tensor
    codebook_loss: tf.Tensor
    update: Callable[[], tf.Operation]


def squared_distance(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """[B]: the squared distance of [B, h, w, P, D], summed over D, mean over positions and vectors.

    That is what beta is measured against, as in tf-vqvae.
    """
    return tf.reduce_mean(tf.reduce_sum(tf.squared_difference(a, b), -1), [1, 2, 3])


def training_only(training: bool, step, make_op: Callable[[], tf.Operation]) -> Callable[[], tf.Operation]:
    """`make_op`, or an error where there is no training step."""

    def update():
        if not training or step is None:
            raise ValueError("quantizer.update: got no training step, expected training=True and a step")
        with tf.name_scope("quantizer"):
            return make_op()

    return update
