"""Images of one size and their labels in a TFRecord file whose records all have the same length.

A record's content is its label (4 bytes, little end first) and its pixels (S * S * C bytes). Any TFRecord reader reads
the file from its beginning; since the place of record n is known, it can be read in any order too. So training sees the
same order whether the images lie in memory or in the file.
"""

import contextlib
import threading
from typing import Iterator, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

BEFORE, AFTER = 12, 4  # bytes of a TFRecord around a content: its length and a checksum of that; a checksum of it
LABEL = 4
BATCH = 100


def record_bytes(shape: Tuple[int, int, int]) -> int:
    """Bytes of a record of an image of `shape` [H, W, C]."""
    return BEFORE + LABEL + int(np.prod(shape)) + AFTER


@contextlib.contextmanager
def writer(path: str) -> Iterator:
    """A function (image uint8 [H, W, C], label) that adds a record to `path`.

    Raises:
      OSError: the disk refused.
    """
    try:
        with tf.python_io.TFRecordWriter(path) as out:
            yield lambda image, label: out.write(np.int32(label).astype("<i4").tobytes() + image.tobytes())
    except tf.errors.OpError as e:
        raise OSError(f"{path}: {e.message}") from None


def in_order(path: str, shape: Tuple[int, int, int]) -> tf.data.Dataset:
    """Batches of (image uint8 [B, H, W, C], label int32 [B]), from the first record to the last."""

    def parse(records):
        content = tf.decode_raw(records, tf.uint8)  # [B, LABEL + H * W * C]
        labels = tf.decode_raw(tf.strings.substr(records, 0, LABEL), tf.int32)
        return tf.reshape(content[:, LABEL:], (-1, *shape)), tf.reshape(labels, [-1])

    return tf.data.TFRecordDataset(path).batch(BATCH).map(parse, num_parallel_calls=2)


class RandomAccess:
    """Records of a file by their numbers; nothing but the batch is in memory."""

    def __init__(self, path: str, shape: Tuple[int, int, int]):
        self._path, self._shape = path, shape
        self._file, self._lock = None, threading.Lock()

    def rows(self, numbers: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
        """Images uint8 [B, H, W, C] and labels int32 [B]."""
        length = record_bytes(self._shape)
        content = np.empty((len(numbers), LABEL + int(np.prod(self._shape))), np.uint8)
        with self._lock:
            if self._file is None:
                self._file = open(self._path, "rb", buffering=0)
            for row, number in zip(content, numbers):
                self._file.seek(int(number) * length + BEFORE)
                if self._file.readinto(row) != len(row):
                    raise OSError(f"{self._path}: ends before record {number}")
        images = content[:, LABEL:].reshape((len(numbers), *self._shape))
        return images, content[:, :LABEL].copy().view("<i4").astype(np.int32)[:, 0]

    def tensors(self, numbers: tf.Tensor) -> Tuple[tf.Tensor, tf.Tensor]:
        """The same in a graph: numbers int [B], B known."""
        images, labels = tf.numpy_function(self.rows, [numbers], [tf.uint8, tf.int32])
        images.set_shape(numbers.shape.concatenate(self._shape))
        labels.set_shape(numbers.shape)
        return images, labels
