"""The gradient step, what follows it, and the count of steps, in that order."""

from typing import Callable

import tensorflow.compat.v1 as tf

from vq_estimator.config import OptimizerConfig


def learning_rate(config: OptimizerConfig, step: tf.Tensor) -> tf.Tensor:
    """The rate at `step`: constant, or decayed smoothly by `decay_rate` every `decay_steps`."""
    if not config.decay_steps:
        return tf.constant(config.learning_rate, tf.float32)
    return tf.train.exponential_decay(config.learning_rate, step, config.decay_steps, config.decay_rate)


def minimize(loss: tf.Tensor, rate: tf.Tensor, step: tf.Variable, then: Callable[[], tf.Operation]) -> tf.Operation:
    """One Adam step on `loss`, then the op that `then` makes, then `step` + 1.

    The order is held by control dependencies: an EMA codebook moves after the gradient step has read it, and draws that
    depend on the step see the step they belong to.
    """
    with tf.control_dependencies([tf.train.AdamOptimizer(rate).minimize(loss)]):
        update = then()
    with tf.control_dependencies([update]):
        return tf.assign_add(step, 1).op
