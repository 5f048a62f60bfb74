"""Nearest entries, assignment statistics and k-means for L codebooks at once, with sums in float32."""

import contextlib
from typing import Iterator

import tensorflow.compat.v1 as tf

from vq_estimator.nn.module import classic_loops, static_shape

LLOYD_ITERATIONS = 10
# A codebook of LARGE or more entries is compared with parts of the vectors: AT_ONCE caps the size of the distances.
LARGE, AT_ONCE = 1024, 2**22
_IN_PARTS = [True]


@contextlib.contextmanager
def without_parts() -> Iterator[None]:
    """Makes `nearest` compare all vectors at once: a graph without a loop, which ONNX and TFLite can represent."""
    before, _IN_PARTS[0] = _IN_PARTS[0], False
    try:
        yield
    finally:
        _IN_PARTS[0] = before


def nearest(vectors: tf.Tensor, codebook: tf.Tensor) -> tf.Tensor:
    """Finds the nearest entries.

    The nearest entry maximises z . e - e . e / 2. This needs no [N, K, D] tensor, and for a large K no [N, K] tensor.

    Args:
      vectors: float32 [L, N, D].
      codebook: float32 [L, K, D].

    Returns:
      The codes, int32 [L, N].
    """
    L, K, _ = static_shape(codebook)
    less = -0.5 * tf.reduce_sum(tf.square(codebook), -1)  # [L, K]

    def codes_of(part):
        # One codebook at a time, because TensorFlow fuses a matrix product with the bias.
        books = zip(tf.unstack(part), tf.unstack(codebook), tf.unstack(less))
        closeness = [tf.nn.bias_add(tf.matmul(z, e, transpose_b=True), b) for z, e, b in books]  # each [n, K]
        return tf.stack([tf.argmax(c, -1, output_type=tf.int32) for c in closeness])

    if K < LARGE or not _IN_PARTS[0]:
        return codes_of(vectors)
    rows = max(1, AT_ONCE // (L * K))
    parts = -(-tf.shape(vectors)[1] // rows)

    def step(i, codes):
        part = codes_of(vectors[:, i * rows : (i + 1) * rows])
        return i + 1, codes.write(i, tf.transpose(part))

    with classic_loops():
        codes = tf.TensorArray(tf.int32, parts, element_shape=[None, L], infer_shape=False)
        _, codes = tf.while_loop(
            lambda i, _: i < parts, step, [tf.constant(0), codes], parallel_iterations=1, back_prop=False
        )
        codes = tf.transpose(codes.concat())
    codes.set_shape([L, None])
    return codes


def gather_entries(codebook: tf.Tensor, codes: tf.Tensor) -> tf.Tensor:
    """Looks up codes int32 [..., L] in a codebook [L, K, D]; returns [..., L, D]."""
    # One gather per codebook, so that a code of K or more is an error.
    return tf.stack([tf.gather(book, codes[..., i]) for i, book in enumerate(tf.unstack(codebook))], -2)


def assigned(vectors: tf.Tensor, codes: tf.Tensor, K: int):
    """Returns counts [L, K] and sums [L, K, D] of the vectors [L, N, D] that codes [L, N] assign to each entry."""
    L, D = vectors.shape.as_list()[0], vectors.shape.as_list()[-1]
    ids = tf.reshape(codes + K * tf.range(L)[:, tf.newaxis], [-1])
    counts = tf.math.unsorted_segment_sum(tf.ones_like(ids, tf.float32), ids, L * K)
    sums = tf.math.unsorted_segment_sum(tf.reshape(vectors, [-1, D]), ids, L * K)
    return tf.reshape(counts, [L, K]), tf.reshape(sums, [L, K, D])


def random_vectors(vectors: tf.Tensor, K: int, seed: tf.Tensor) -> tf.Tensor:
    """Draws K of the vectors [L, N, D] for each of the L, by `seed` (int64 [2]), without repetition if N >= K."""
    L, _, D = vectors.shape.as_list()
    n = tf.shape(vectors)[1]
    order = tf.argsort(tf.random.stateless_uniform([L, n], seed=seed))  # [L, N]
    rows = tf.gather(order, tf.range(K) % n, axis=1) + n * tf.range(L)[:, tf.newaxis]
    return tf.gather(tf.reshape(vectors, [-1, D]), rows)


def lloyd(vectors: tf.Tensor, codebook: tf.Tensor, iterations: int = LLOYD_ITERATIONS) -> tf.Tensor:
    """Runs k-means on the vectors [L, N, D] from `codebook` [L, K, D]; entries without a vector do not move."""
    K = codebook.shape.as_list()[1]

    def step(i, book):
        counts, sums = assigned(vectors, nearest(vectors, book), K)
        counts = counts[:, :, tf.newaxis]
        return i + 1, tf.where(
            tf.tile(counts > 0, [1, 1, book.shape.as_list()[2]]), sums / tf.maximum(counts, 1.0), book
        )

    return tf.while_loop(lambda i, _: i < iterations, step, [0, codebook], back_prop=False)[1]
