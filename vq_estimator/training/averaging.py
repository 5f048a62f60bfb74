"""Moving averages of the weights, kept beside them in training and used in their place by evaluation and export."""

from typing import Dict, List

import tensorflow.compat.v1 as tf

from vq_estimator.nn import replicas

SUFFIX = "/average"


def apply(variables: List[tf.Variable], decay: float, step: tf.Tensor) -> tf.Operation:
    """Moves the average of each variable towards it. The decay is at most (1 + n) / (10 + n), for a quick start."""
    n = tf.cast(step, tf.float32)
    rest = 1.0 - tf.minimum(decay, (1.0 + n) / (10.0 + n))
    ops = []
    for variable in variables:
        given = dict(trainable=False, use_resource=True, aggregation=replicas.SAME)
        # Not `op.name`, which is another one on each replica.
        average = tf.get_variable(variable.name.split(":")[0] + SUFFIX, initializer=variable.initial_value, **given)
        ops.append(average.assign_sub(rest * (average.read_value() - variable.read_value())))
    return tf.group(*ops)


def restore_map(variables: List[tf.Variable], trainable: List[tf.Variable], decay: float) -> Dict[str, tf.Variable]:
    """The name in a checkpoint that each variable is restored from: a trained one from its average, if there is one."""
    averaged = {v.op.name for v in trainable} if decay else set()
    return {v.op.name + (SUFFIX if v.op.name in averaged else ""): v for v in variables}
