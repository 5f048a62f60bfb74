"""Keeps one update of each codebook in `tf.GraphKeys.UPDATE_OPS`, however often its layer is called in a graph."""

from typing import Callable

import tensorflow.compat.v1 as tf


def register(scope: str, rows: tf.Tensor, own: tf.Operation, joint: Callable[[tf.Tensor], tf.Operation]) -> None:
    """Adds the update of a training call to UPDATE_OPS, or replaces the update of earlier calls by a joint one.

    Two updates of one codebook in one step would read the same old entries, and one of them would be lost. The calls of
    a graph share variables, not a Python object: towers that share a codebook by `reuse=True` have a layer each.
    Therefore the graph keeps the record, in collections named by the scope.

    Args:
      scope: the variable scope of the layer.
      rows: float32 [1, N, ...], the vectors that this call trains on.
      own: the update by `rows` only.
      joint: makes the update by the vectors of several calls.
    """
    all_rows = tf.get_collection_ref(f"vq_estimator/{scope}/training_vectors")
    registered = tf.get_collection_ref(f"vq_estimator/{scope}/update")
    all_rows.append(rows)
    update = own if len(all_rows) == 1 else joint(tf.concat(all_rows, 1))
    ops = tf.get_collection_ref(tf.GraphKeys.UPDATE_OPS)
    ops[:] = [op for op in ops if not any(op is old for old in registered)] + [update]
    registered[:] = [update]
