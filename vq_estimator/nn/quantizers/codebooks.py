"""The variables of L codebooks, and their updates other than gradients: EMA, k-means start, reset of dead entries.

#### References
van den Oord, Vinyals, Kavukcuoglu (2017), arXiv 1711.00937, appendix A.1.
"""

import tensorflow.compat.v1 as tf

from vq_estimator.config import EMACodebook
from vq_estimator.nn import replicas
from vq_estimator.nn.module import Module
from vq_estimator.nn.quantizers import clustering

CODEBOOK, EMA_COUNT, EMA_SUM = "codebook", "ema_count", "ema_sum"  # names of the variables
USAGE_DECAY = 0.99  # decay of the usage counts of a codebook that gradients train


class WithCodebooks:
    """Base class of quantizers with L codebooks of K entries of D numbers.

    Args:
      config: the quantizer's configuration.
      seed: seed of the random draws. Seed and step determine each draw, so a resumed run repeats them.
    """

    # Codebook l quantizes the residual of the codebooks before it. k-means then replaces them one at a time, each on
    # the residual of the new ones before it.
    _residual = False

    def __init__(self, config, seed: int = 0):
        self._config, self._seed = config, seed
        self._variables = tf.make_template("quantizer", self._make_variables)

    @property
    def codebook(self) -> tf.Variable:
        """The variable [L, K, D]."""
        return self._variables()[0]

    @staticmethod
    def continuous(z_e: tf.Tensor) -> tf.Tensor:
        """Returns z_e on the scale of z_q, before quantization: z_e itself."""
        return z_e

    def entries(self) -> tf.Tensor:
        """Returns the entries, float32 [L, K, D]."""
        return self.codebook.read_value()

    def _make_variables(self):
        c = self._config
        ema = isinstance(c.codebook, EMACodebook)
        entries = tf.truncated_normal_initializer(stddev=0.02)
        codebook = Module.variable(CODEBOOK, [c.L, c.K, c.D], entries, not ema, replicas.SAME)
        count = total = None
        if ema or c.codebook.dead_entry_threshold > 0:
            count = Module.variable(EMA_COUNT, [c.L, c.K], tf.ones_initializer(), False, replicas.SAME)
        if ema:
            # Counts are relative to uniform usage: each entry starts with a count of 1, and its sum is the entry.
            start = codebook.initial_value
            same = dict(trainable=False, use_resource=True, aggregation=replicas.SAME)
            total = tf.get_variable(EMA_SUM, initializer=start, **same)
        return codebook, count, total

    def _update(self, vectors: tf.Tensor, codes: tf.Tensor, step: tf.Tensor) -> tf.Operation:
        """Makes the op that updates the codebooks; run it after the gradient step.

        It updates the moving averages and resets dead entries, or runs k-means in the first steps.

        Args:
          vectors: float32 [L, N, D], the vectors that each codebook quantized in this step, on this replica.
          codes: int32 [L, N], their codes.
          step: int64 [], the global step.
        """
        c, rule = self._config, self._config.codebook
        ema = isinstance(rule, EMACodebook)
        codebook, count, total = self._variables()
        if not c.has_updates:
            return tf.no_op()
        seed = tf.stack([tf.constant(self._seed, tf.int64), tf.cast(step, tf.int64)])
        if rule.kmeans_init_steps or rule.dead_entry_threshold > 0:
            batch = replicas.gathered(vectors)  # [L, R * N, D]
        # Counts are relative to uniform usage: an entry with average usage has a count of 1.
        count_scale = c.K / (replicas.count() * tf.cast(tf.shape(vectors)[1], tf.float32))
        if count is not None:
            n, sums = replicas.summed(list(clustering.assigned(vectors, codes, c.K)))

        def ema_update():
            book, new_count, new_sum = codebook.read_value(), None, None
            if count is not None:
                decay = rule.decay if ema else USAGE_DECAY
                new_count = decay * count.read_value() + (1 - decay) * count_scale * n
            if ema:
                # Appendix A.1, equations 6 to 8. Laplace smoothing would move unused entries far away. Without it
                # count and sum of an unused entry decay alike, so their ratio, the entry, does not move.
                new_sum = decay * total.read_value() + (1 - decay) * count_scale * sums
                weight = new_count[:, :, tf.newaxis]
                used = tf.tile(weight > 1e-6, [1, 1, c.D])
                book = tf.where(used, new_sum / tf.maximum(weight, 1e-6), book)
            if rule.dead_entry_threshold > 0:
                dead = new_count < rule.dead_entry_threshold
                dead_rows = tf.tile(dead[:, :, tf.newaxis], [1, 1, c.D])
                # The statistics are reset too; otherwise they would undo the reset of the entry.
                book = tf.where(dead_rows, clustering.random_vectors(batch, c.K, seed), book)
                new_count = tf.where(dead, tf.ones_like(new_count), new_count)
                if ema:
                    new_sum = tf.where(dead_rows, book, new_sum)
            return [x for x in (book, new_count, new_sum) if x is not None]

        def kmeans():
            book, used = self._kmeans(batch, step, seed)
            used = count_scale * tf.maximum(used, 1.0)
            return [book, used, book * used[:, :, tf.newaxis]][: len(variables)]

        variables = [v for v in (codebook, count, total) if v is not None]
        values = (
            tf.cond(step < rule.kmeans_init_steps, kmeans, ema_update, strict=True)
            if rule.kmeans_init_steps
            else ema_update()
        )
        return tf.group(*[v.assign(tf.reshape(x, v.shape)) for v, x in zip(variables, values)])

    def _kmeans(self, vectors, step, seed):
        """Returns codebooks [L, K, D] by k-means and their counts. Step 0 starts from random vectors."""
        old = self.codebook.read_value()
        if not self._residual:
            return self._fit(vectors, old, step, seed)
        left, books, counts = vectors[:1], [], []
        for stage in range(self._config.L):
            draw = seed + tf.constant([stage << 32, 0], tf.int64)  # seeds of users are below 2**31
            book, n = self._fit(left, old[stage : stage + 1], step, draw)
            left -= tf.gather(book, clustering.nearest(left, book), batch_dims=1)
            books.append(book)
            counts.append(n)
        return tf.concat(books, 0), tf.concat(counts, 0)

    def _fit(self, vectors, old, step, seed):
        K = self._config.K
        start = tf.cond(tf.equal(step, 0), lambda: clustering.random_vectors(vectors, K, seed), lambda: old)
        start.set_shape(old.shape)
        book = clustering.lloyd(vectors, start)
        n, _ = clustering.assigned(vectors, clustering.nearest(vectors, book), K)
        return book, n
