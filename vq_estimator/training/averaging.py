"""Moving averages of the weights, updated in training and used by evaluation and export instead of the weights."""

from typing import Dict, List

import tensorflow.compat.v1 as tf

from vq_estimator.nn import replicas

SUFFIX = "/average"


def apply(variables: List[tf.Variable], decay: float, step: tf.Tensor) -> tf.Operation:
    """Makes the op that updates the average of each variable.

    Args:
      variables: the averaged variables.
      decay: decay of the averages; in step n at most (1 + n) / (10 + n), so that early averages follow quickly.
      step: the global step n.
    """
    n = tf.cast(step, tf.float32)
    rest = 1.0 - tf.minimum(decay, (1.0 + n) / (10.0 + n))
    ops = []
    for variable in variables:
        given = dict(trainable=False, use_resource=True, aggregation=replicas.SAME)
        # `op.name` differs between replicas.
        average = tf.get_variable(variable.name.split(":")[0] + SUFFIX, initializer=variable.initial_value, **given)
        ops.append(average.assign_sub(rest * (average.read_value() - variable.read_value())))
    return tf.group(*ops)


def restore_map(variables: List[tf.Variable], trainable: List[tf.Variable], decay: float) -> Dict[str, tf.Variable]:
    """Maps names in a checkpoint to variables; with a `decay` above 0 trainable ones are restored from averages."""
    averaged = {v.op.name for v in trainable} if decay else set()
    return {v.op.name + (SUFFIX if v.op.name in averaged else ""): v for v in variables}
