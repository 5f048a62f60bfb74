"""Vector quantisation: nearest entry of L codebooks, straight-through gradient, codebook by gradient or moving average.

Everything is float32. Sums over D, means over positions: that is what beta is measured against, as in tf-vqvae.

#### References
van den Oord, Vinyals, Kavukcuoglu (2017), arXiv 1711.00937, section 3 and appendix A.1.
"""

from typing import Callable, NamedTuple

import tensorflow.compat.v1 as tf

from vq_estimator.config import EMACodebook, QuantizerConfig
from vq_estimator.nn.module import Module

LLOYD_ITERATIONS = 10
USAGE_DECAY = 0.99  # of the usage count that finds dead entries of a codebook moved by gradient


class Quantized(NamedTuple):
    """What a quantizer gives.

    Attributes:
      codes: int32 [B, h, w, L].
      z_q: float32 [B, h, w, L, D]; in training the straight-through output, elsewhere the codebook's own vectors.
      commitment: [B], mean over positions of |z_e - sg(e)|^2, which moves the encoder.
      codebook: [B], mean over positions of |sg(z_e) - e|^2, which moves the codebook; zero gradient under EMA.
      update: makes the op that changes the codebook beside the gradient. Nothing changes unless it is run; call it
        under the control dependency of the gradient step.
    """

    codes: tf.Tensor
    z_q: tf.Tensor
    commitment: tf.Tensor
    codebook: tf.Tensor
    update: Callable[[], tf.Operation]


def nearest(vectors: tf.Tensor, codebook: tf.Tensor) -> tf.Tensor:
    """The nearest entry's number: vectors [L, N, D], codebook [L, K, D] -> int32 [L, N].

    |z - e|^2 less |z|^2, which no comparison needs: nothing of size N * K * D is made.
    """
    distance = tf.reduce_sum(tf.square(codebook), -1)[:, tf.newaxis, :] - 2.0 * tf.matmul(
        vectors, codebook, transpose_b=True
    )  # [L, N, K]
    return tf.argmin(distance, -1, output_type=tf.int32)


def gather_entries(codebook: tf.Tensor, codes: tf.Tensor) -> tf.Tensor:
    """codebook [L, K, D], codes int32 [..., L] -> [..., L, D]."""
    # One gather a codebook: each refuses a code that is not its own.
    return tf.stack([tf.gather(book, codes[..., i]) for i, book in enumerate(tf.unstack(codebook))], -2)


def assigned(vectors: tf.Tensor, codes: tf.Tensor, K: int):
    """Counts [L, K] and sums [L, K, D] of the vectors [L, N, D] that the codes [L, N] assign to each entry."""
    L, D = vectors.shape.as_list()[0], vectors.shape.as_list()[-1]
    ids = tf.reshape(codes + K * tf.range(L)[:, tf.newaxis], [-1])
    counts = tf.math.unsorted_segment_sum(tf.ones_like(ids, tf.float32), ids, L * K)
    sums = tf.math.unsorted_segment_sum(tf.reshape(vectors, [-1, D]), ids, L * K)
    return tf.reshape(counts, [L, K]), tf.reshape(sums, [L, K, D])


def random_vectors(vectors: tf.Tensor, K: int, seed: tf.Tensor) -> tf.Tensor:
    """K of the vectors [L, N, D] for each of the L, drawn by `seed` (int64 [2]), without repetition where N allows."""
    L, _, D = vectors.shape.as_list()
    n = tf.shape(vectors)[1]
    order = tf.argsort(tf.random.stateless_uniform([L, n], seed=seed))  # [L, N]
    rows = tf.gather(order, tf.range(K) % n, axis=1) + n * tf.range(L)[:, tf.newaxis]
    return tf.gather(tf.reshape(vectors, [-1, D]), rows)


def lloyd(vectors: tf.Tensor, codebook: tf.Tensor, iterations: int = LLOYD_ITERATIONS) -> tf.Tensor:
    """k-means from `codebook` [L, K, D] on the vectors [L, N, D]; an entry that gets no vector stays where it is."""
    K = codebook.shape.as_list()[1]

    def step(i, book):
        counts, sums = assigned(vectors, nearest(vectors, book), K)
        counts = counts[:, :, tf.newaxis]
        return i + 1, tf.where(
            tf.tile(counts > 0, [1, 1, book.shape.as_list()[2]]), sums / tf.maximum(counts, 1.0), book
        )

    return tf.while_loop(lambda i, _: i < iterations, step, [0, codebook], back_prop=False)[1]


class VectorQuantizer:
    """Nearest of K entries, at each position, in each of L codebooks.

    Args:
      config: K, D, L and how the codebook moves.
      seed: of the random draws; with the step it decides each of them, so that a resumed run repeats them.
    """

    def __init__(self, config: QuantizerConfig, seed: int = 0, name: str = "quantizer"):
        self._config, self._seed = config, seed
        self._variables = tf.make_template(name, self._make_variables)

    def _make_variables(self):
        c = self._config
        ema = isinstance(c.codebook, EMACodebook)
        codebook = Module.variable("codebook", [c.L, c.K, c.D], tf.truncated_normal_initializer(stddev=0.02), not ema)
        count = total = None
        if ema or c.codebook.restart_below > 0:
            count = Module.variable("ema_count", [c.L, c.K], tf.ones_initializer(), False)
        if ema:
            # Counts and sums are in fair shares: the moving sum starts where the codebook does, with the weight of one.
            start = codebook.initial_value
            total = tf.get_variable("ema_sum", initializer=start, trainable=False, use_resource=True)
        return codebook, count, total

    @property
    def codebook(self) -> tf.Variable:
        """The variable [L, K, D]."""
        return self._variables()[0]

    def lookup(self, codes: tf.Tensor) -> tf.Tensor:
        """codes int32 [B, h, w, L] -> z_q [B, h, w, L, D]."""
        return gather_entries(self.codebook.read_value(), codes)

    def __call__(self, z_e: tf.Tensor, training: bool, step=None) -> Quantized:
        """z_e [B, h, w, L, D]; `step` is the int64 global step, needed by `update` in training."""
        c = self._config
        codebook = self.codebook.read_value()
        shape = tf.shape(z_e)
        vectors = tf.transpose(tf.reshape(z_e, [-1, c.L, c.D]), [1, 0, 2])  # [L, N, D]
        flat_codes = nearest(tf.stop_gradient(vectors), tf.stop_gradient(codebook))  # [L, N]
        codes = tf.reshape(tf.transpose(flat_codes), shape[:-1])
        codes.set_shape(z_e.shape[:-1])
        e = gather_entries(codebook, codes)

        def per_example(a, b):
            return tf.reduce_mean(tf.reduce_sum(tf.squared_difference(a, b), -1), [1, 2, 3])

        commitment = per_example(z_e, tf.stop_gradient(e))
        moving = per_example(tf.stop_gradient(z_e), e)
        if isinstance(c.codebook, EMACodebook):
            moving = tf.stop_gradient(moving)
        # Straight-through estimator, van den Oord et al. (2017), section 3.2. Outside training the decoder is fed the
        # entry itself: z + (e - z) differs from e in the last bits.
        z_q = z_e + tf.stop_gradient(e - z_e) if training else e
        z_q.set_shape(z_e.shape)

        def update():
            if not training or step is None:
                raise ValueError("quantizer.update: got no training step, expected training=True and a step")
            return self._update(tf.stop_gradient(vectors), flat_codes, step)

        return Quantized(codes, z_q, commitment, moving, update)

    def _update(self, vectors: tf.Tensor, codes: tf.Tensor, step: tf.Tensor) -> tf.Operation:
        """Runs after the gradient step: moving averages, then dead entries, or k-means in the first steps."""
        c, rule = self._config, self._config.codebook
        ema = isinstance(rule, EMACodebook)
        codebook, count, total = self._variables()
        seed = tf.stack([tf.constant(self._seed, tf.int64), tf.cast(step, tf.int64)])
        share = c.K / tf.cast(tf.shape(vectors)[1], tf.float32)  # one vector, in fair shares: all used alike is 1

        def move():
            book, new_count, new_sum = codebook.read_value(), None, None
            if count is not None:
                decay = rule.decay if ema else USAGE_DECAY
                n, sums = assigned(vectors, codes, c.K)
                new_count = decay * count.read_value() + (1 - decay) * share * n
                if ema:
                    # Appendix A.1, equations 6 to 8. No Laplace smoothing, which moves unused entries far away: count
                    # and sum of an unused entry decay alike, so their ratio, the entry, stays.
                    new_sum = decay * total.read_value() + (1 - decay) * share * sums
                    weight = new_count[:, :, tf.newaxis]
                    used = tf.tile(weight > 1e-6, [1, 1, c.D])
                    book = tf.where(used, new_sum / tf.maximum(weight, 1e-6), book)
            if rule.restart_below > 0:
                dead = new_count < rule.restart_below
                dead_rows = tf.tile(dead[:, :, tf.newaxis], [1, 1, c.D])
                # A restarted entry takes its statistics anew as well, or they would undo the restart at once.
                book = tf.where(dead_rows, random_vectors(vectors, c.K, seed), book)
                new_count = tf.where(dead, tf.ones_like(new_count), new_count)
                if ema:
                    new_sum = tf.where(dead_rows, book, new_sum)
            return assign(book, new_count, new_sum)

        def kmeans():
            start = tf.cond(tf.equal(step, 0), lambda: random_vectors(vectors, c.K, seed), codebook.read_value)
            start.set_shape([c.L, c.K, c.D])
            book = lloyd(vectors, start)
            n, _ = assigned(vectors, nearest(vectors, book), c.K)
            n = share * tf.maximum(n, 1.0)
            return assign(book, n, book * n[:, :, tf.newaxis])

        def assign(book, new_count, new_sum):
            pairs = [(codebook, book), (count, new_count), (total, new_sum)]
            with tf.control_dependencies([v.assign(x).op for v, x in pairs if v is not None]):
                return tf.constant(True)

        if not ema and rule.restart_below == 0:
            if rule.kmeans_steps == 0:
                return tf.no_op()
            return tf.cond(step < rule.kmeans_steps, kmeans, lambda: tf.constant(True)).op
        if rule.kmeans_steps == 0:
            return move().op
        return tf.cond(step < rule.kmeans_steps, kmeans, move).op
