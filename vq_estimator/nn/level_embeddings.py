"""Embeddings of the levels of neighbouring pixels, for networks that read a few pixels.

A layer that reads a level as a number hardly tells adjacent levels apart. A sum with one row of a table per level does,
so a network can recognise that a level is repeated exactly.
"""

from typing import List, Tuple

import tensorflow.compat.v1 as tf

from vq_estimator.nn.likelihoods.pixels import LEVELS
from vq_estimator.nn.module import static_shape

# Linear predictions a + b - c of a pixel from three neighbours, each (rows up, columns to the right). The first one is
# exact where an image is a sum of a row and a column.
PREDICTIONS = (
    ((1, 0), (0, -1), (1, -1)),
    ((1, 0), (0, -2), (1, -2)),
    ((2, 0), (0, -1), (2, -1)),
    ((1, 0), (1, 1), (2, 1)),
    ((1, 0), (1, 0), (2, 0)),
    ((0, -1), (0, -1), (0, -2)),
)


class LevelEmbeddings:
    """The sum of the embeddings of the nearest neighbours' levels and of the levels that PREDICTIONS predict.

    Args:
      offsets: (rows up, columns to the right) of the N neighbours.
      nearest: how many of them, the nearest first, have an embedding.

    Attributes:
      columns: number of levels per channel, each with 256 rows of the table.
    """

    def __init__(self, offsets: List[Tuple[int, int]], nearest: int):
        number = {offset: i for i, offset in enumerate(offsets)}
        self._count = len(offsets)
        self._nearest = sorted(range(self._count), key=lambda i: offsets[i][0] ** 2 + offsets[i][1] ** 2)[:nearest]
        known = [three for three in PREDICTIONS if all(offset in number for offset in three)]
        self._predictions = [[number[offset] for offset in three] for three in known]
        self.columns = len(self._nearest) + len(self._predictions)

    def sum(self, table: tf.Tensor, near: tf.Tensor) -> tf.Tensor:
        """Returns float32 [n, channels].

        Args:
          table: float32 [columns C 256, channels].
          near: float32 [n, N C], the neighbours of n pixels with C channels, as `decoders.base.centred` scales them.
        """
        C = static_shape(near)[1] // self._count
        levels = tf.round((tf.reshape(near, [-1, self._count, C]) + 1.0) * (0.5 * (LEVELS - 1)))
        levels = tf.clip_by_value(levels, 0.0, LEVELS - 1.0)  # exported functions are compared on any numbers
        chosen = [tf.gather(levels, self._nearest, axis=1)]
        if self._predictions:
            a, b, c = (tf.gather(levels, numbers, axis=1) for numbers in zip(*self._predictions))
            chosen.append(tf.clip_by_value(a + b - c, 0.0, LEVELS - 1.0))
        columns = self.columns * C
        rows = tf.reshape(tf.cast(tf.concat(chosen, 1), tf.int32), [-1, columns]) + LEVELS * tf.range(columns)
        first, *others = tf.unstack(rows, columns, axis=1)
        total = tf.gather(table, first)
        for row in others:  # in sequence: all embeddings at once would be `columns` times as large as their sum
            with tf.control_dependencies([total]):
                total += tf.gather(table, tf.identity(row))
        return total
