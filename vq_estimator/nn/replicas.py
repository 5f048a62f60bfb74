"""Sums and rows over all replicas of a step, for what is one on all of them: codebooks and their statistics.

Under a `tf.distribute` strategy each replica builds the graph for its part of the batch; elsewhere there is one
replica, and nothing here makes an op. A sum waits for all replicas, so it can't stand in a `tf.cond` or a loop.
"""

from typing import List

import tensorflow.compat.v1 as tf

# Of variables that every replica computes the same new value of.
SAME = tf.VariableAggregation.ONLY_FIRST_REPLICA


def count() -> int:
    """Replicas that take part in a step."""
    return tf.distribute.get_strategy().num_replicas_in_sync


def summed(tensors: List[tf.Tensor]) -> List[tf.Tensor]:
    """Each tensor's sum over the replicas, the same on all of them."""
    if count() == 1:
        return tensors

    def merged(strategy, *values):  # not the context's all_reduce, whose gradient looks for variables by their names
        return strategy.extended.batch_reduce_to(tf.distribute.ReduceOp.SUM, [(v, v) for v in values])

    return list(tf.distribute.get_replica_context().merge_call(merged, args=tensors))


def gathered(rows: tf.Tensor) -> tf.Tensor:
    """The rows [L, N, D] of all replicas, [L, R * N, D], in the order of the whole batch."""
    if count() == 1:
        return rows
    own = tf.one_hot(_index(), count(), dtype=rows.dtype)  # TF 1.15 has no all_gather
    everywhere = summed([own[:, tf.newaxis, tf.newaxis, tf.newaxis] * rows])[0]  # [R, L, N, D]
    L, _, D = rows.shape.as_list()
    return tf.reshape(tf.transpose(everywhere, [1, 0, 2, 3]), [L, -1, D])


def own(rows: tf.Tensor) -> tf.Tensor:
    """Of rows [R * N, ...], one for each of the whole batch, the N that are this replica's."""
    if count() == 1:
        return rows
    n = tf.shape(rows)[0] // count()
    return rows[_index() * n : (_index() + 1) * n]


def _index() -> tf.Tensor:
    """The number of this replica among all of them."""
    return tf.cast(tf.distribute.get_replica_context().replica_id_in_sync_group, tf.int32) + _before()


def _before() -> int:
    """Replicas of the workers before this one, where its own are numbered from 0: in TensorFlow 1.15."""
    resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    jobs = resolver.cluster_spec().jobs
    if not jobs or not tf.__version__.startswith("1."):
        return 0
    worker = resolver.task_id + (resolver.task_type == "worker" and "chief" in jobs)
    return worker * len(tf.distribute.get_strategy().extended.worker_devices)
