"""The learning rate schedule, and a training step: gradient step, codebook update, average, step count."""

from typing import Callable

import tensorflow.compat.v1 as tf

from vq_estimator.config import ADAM, SOAP, OptimizerConfig
from vq_estimator.nn import replicas
from vq_estimator.training import averaging, soap


def learning_rate(config: OptimizerConfig, step: tf.Tensor, max_steps: int) -> tf.Tensor:
    """Computes the learning rate at `step`: warm-up, then constant or continuous decay, then the final decay."""
    rate = tf.constant(config.learning_rate, tf.float32)
    if config.decay_steps:
        rate = tf.train.exponential_decay(config.learning_rate, step, config.decay_steps, config.decay_rate)
    at = tf.cast(step, tf.float32)
    if config.warmup_steps:
        rate *= tf.minimum(1.0, (at + 1.0) / config.warmup_steps)
    if config.final_decay:
        rate *= tf.clip_by_value((max_steps - at) / (config.final_decay * max_steps), 0.01, 1.0)
    return rate


def minimize(
    loss: tf.Tensor,
    rate: tf.Tensor,
    step: tf.Variable,
    then: Callable[[], tf.Operation],
    clip_norm: float = 0.0,
    average_decay: float = 0.0,
    kind: str = ADAM,
) -> tf.Operation:
    """Makes the train_op: a gradient step on `loss`, the op of `then`, the average of the weights, and `step` + 1.

    Control dependencies enforce this order. An EMA codebook is updated after the gradient step has read it, and draws
    that depend on the step use the current step.

    Args:
      loss: float32 [].
      rate: float32 [], the learning rate.
      step: the global step variable.
      then: makes the op that follows the gradient step.
      clip_norm: global-norm clipping threshold; 0 disables clipping.
      average_decay: decay of the averaged weights; 0 disables averaging.
      kind: the optimizer, one of config.OPTIMIZERS.
    """
    variables = tf.trainable_variables()
    optimizer = soap.SOAPOptimizer(rate, tf.identity(step)) if kind == SOAP else tf.train.AdamOptimizer(rate)
    # A variable without a gradient is one that the loss does not depend on, such as the encoder's if there is one code.
    trained = [(g, v) for g, v in optimizer.compute_gradients(loss, variables) if g is not None]
    gradients = [g for g, _ in trained]
    if clip_norm:
        # The global norm needs the gradient of the whole batch, but `apply_gradients` sums over replicas only later.
        if replicas.count() > 1:
            gradients = [tf.convert_to_tensor(g) for g in gradients]  # the gradient of an embedding has only some rows
        whole, _ = tf.clip_by_global_norm(replicas.summed(gradients), clip_norm)
        gradients = [g / replicas.count() for g in whole] if replicas.count() > 1 else whole
    with tf.control_dependencies([optimizer.apply_gradients([(g, v) for g, (_, v) in zip(gradients, trained)])]):
        after = then()
    if average_decay:
        with tf.control_dependencies([after]):
            after = averaging.apply(variables, average_decay, step)
    with tf.control_dependencies([after]):
        return tf.group(tf.assign_add(step, 1))
