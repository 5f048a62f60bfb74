"""Sums and gathers over all replicas of a step, for codebooks and their statistics, which all replicas share.

Under a `tf.distribute` strategy each replica builds the graph for its part of the batch. Without a strategy there is
one replica, and these functions add no op. A sum waits for all replicas, so it must not be in a `tf.cond` or a loop.
"""

from typing import List

import tensorflow.compat.v1 as tf

# Aggregation of variables for which every replica computes the same new value.
SAME = tf.VariableAggregation.ONLY_FIRST_REPLICA


def count() -> int:
    """Returns the number of replicas in a step."""
    return tf.distribute.get_strategy().num_replicas_in_sync


def summed(tensors: List[tf.Tensor]) -> List[tf.Tensor]:
    """Sums each tensor over the replicas; all replicas get the result."""
    if count() == 1:
        return tensors

    def merged(strategy, *values):  # the gradient of the context's all_reduce looks up variables by name
        return strategy.extended.batch_reduce_to(tf.distribute.ReduceOp.SUM, [(v, v) for v in values])

    return list(tf.distribute.get_replica_context().merge_call(merged, args=tensors))


def gathered(rows: tf.Tensor) -> tf.Tensor:
    """Gathers the rows [L, N, D] of all R replicas to [L, R * N, D], in the order of the whole batch."""
    if count() == 1:
        return rows
    own = tf.one_hot(_index(), count(), dtype=rows.dtype)  # TensorFlow 1.15 has no all_gather
    everywhere = summed([own[:, tf.newaxis, tf.newaxis, tf.newaxis] * rows])[0]  # [R, L, N, D]
    L, _, D = rows.shape.as_list()
    return tf.reshape(tf.transpose(everywhere, [1, 0, 2, 3]), [L, -1, D])


def own(rows: tf.Tensor) -> tf.Tensor:
    """Returns this replica's N rows of the whole batch's rows [R * N, ...]."""
    if count() == 1:
        return rows
    n = tf.shape(rows)[0] // count()
    return rows[_index() * n : (_index() + 1) * n]


def _index() -> tf.Tensor:
    """Returns the index of this replica among all replicas."""
    return tf.cast(tf.distribute.get_replica_context().replica_id_in_sync_group, tf.int32) + _before()


def _before() -> int:
    """Returns the number of replicas on earlier workers; in TensorFlow 1.15 each worker numbers its own from 0."""
    resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    jobs = resolver.cluster_spec().jobs
    if not jobs or not tf.__version__.startswith("1."):
        return 0
    worker = resolver.task_id + (resolver.task_type == "worker" and "chief" in jobs)
    return worker * len(tf.distribute.get_strategy().extended.worker_devices)
