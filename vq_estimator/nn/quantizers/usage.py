"""How often each code is used: counts, and what follows from them."""

import tensorflow.compat.v1 as tf


def code_counts(codes: tf.Tensor, K: int) -> tf.Tensor:
    """Counts [L, K] float32 of the codes int32 [..., L]."""
    L = codes.shape.as_list()[-1]
    ids = tf.reshape(codes + K * tf.range(L), [-1])
    return tf.reshape(tf.math.unsorted_segment_sum(tf.ones_like(ids, tf.float32), ids, L * K), [L, K])


def entries_used(counts: tf.Tensor) -> tf.Tensor:
    """The number of entries with a count in [L, K], of all codebooks together: float32 []."""
    return tf.reduce_sum(tf.cast(counts > 0, tf.float32))


def perplexity(counts: tf.Tensor) -> tf.Tensor:
    """exp of the entropy of the counts [L, K], the mean over the codebooks: float32 []."""
    p = counts / tf.maximum(tf.reduce_sum(counts, -1, keepdims=True), 1.0)
    entropy = -tf.reduce_sum(p * tf.log(tf.maximum(p, 1e-30)), -1)
    return tf.reduce_mean(tf.exp(entropy))
