"""Images in memory as a source of data: an array or a memory map, which stays outside of the graph."""

from typing import Callable, NamedTuple, Optional, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from vq_estimator.config import Config
from vq_estimator.data.batching import (
    Part,
    as_features,
    check_part,
    evaluation_batch,
    finish_batch,
    numbered_batches,
    prefetched,
)
from vq_estimator.data.pipeline import binary
from vq_estimator.errors import VQError


class ArraySource(NamedTuple):
    """Images and their labels; see `inputs.numpy_input_fn`.

    Attributes:
      images: uint8 [N, H, W, C].
      labels: int32 [N].
      num_epochs: how often each image occurs; None: endless in training, once in evaluation.
      shuffle: whether (seed, step) decide the order; otherwise it is the order of the array.
    """

    images: np.ndarray
    labels: np.ndarray
    num_epochs: Optional[int] = None
    shuffle: bool = True

    def training_dataset(self, config: Config, start_step: int, part: Part) -> tf.data.Dataset:
        """Returns complete batches from `start_step` on, or this process's parts of them."""
        n, size, seed = len(self.images), config.train.batch_size, config.train.seed
        own, flip, read_rows = check_part(part, size), config.train.flip, self._reader(config)
        if self.shuffle:
            numbered = numbered_batches(n, size, seed, start_step, part)
            if self.num_epochs is not None:
                numbered = numbered.take(max(self.num_epochs * n // size - start_step, 0))
        else:
            numbers = self._numbers(np.arange(n), size).unbatch().repeat(self.num_epochs)
            numbers = numbers.batch(size, drop_remainder=True).skip(start_step)
            numbered = tf.data.Dataset.zip((numbers, tf.data.Dataset.range(start_step, 2**62)))
            numbered = numbered.shard(part.turns, part.turn)

        @tf.autograph.experimental.do_not_convert
        def read(numbers, step):
            images, labels = read_rows(numbers[own])
            return finish_batch(images, labels, step, size, seed, flip, part)

        return prefetched(part.single(numbered.map(read)), 2)

    def evaluation_dataset(self, config: Config, split: str, batch_size: Optional[int] = None) -> tf.data.Dataset:
        """Returns `num_epochs` passes; the last batch of each may be smaller. There is only one split."""
        del split
        n, size = len(self.images), batch_size or evaluation_batch(config.model.dims)
        read_rows = self._reader(config)
        order = np.random.RandomState(config.train.seed).permutation(n) if self.shuffle else np.arange(n)

        @tf.autograph.experimental.do_not_convert
        def read(numbers):
            return as_features(*read_rows(numbers))

        return prefetched(self._numbers(order, size).repeat(self.num_epochs or 1).map(read), 2)

    @staticmethod
    def _numbers(order: np.ndarray, size: int) -> tf.data.Dataset:
        def each():
            for start in range(0, len(order), size):
                yield order[start : start + size].astype(np.int32)

        return tf.data.Dataset.from_generator(each, tf.int32, [None])

    def _reader(self, config: Config) -> Callable[[tf.Tensor], Tuple[tf.Tensor, tf.Tensor]]:
        """Returns a function of example numbers int32 [B] that reads their images and labels.

        Raises:
          VQError: the images do not have the model's shape.
        """
        shape = self.images.shape[1:]
        if shape != tuple(config.model.shape):
            want = "[N, {}, {}, {}], as the configuration says".format(*config.model.shape)
            raise VQError(f"images: got {list(self.images.shape)}, expected {want}")

        def read(numbers):
            rows = tf.numpy_function(lambda n: (self.images[n], self.labels[n]), [numbers], [tf.uint8, tf.int32])
            rows[0].set_shape([numbers.shape[0], *shape])
            rows[1].set_shape([numbers.shape[0]])
            return (binary(rows[0]) if config.model.binarize else rows[0]), rows[1]

        return read
