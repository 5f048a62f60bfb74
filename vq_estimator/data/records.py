"""Reads and writes images of one size and their labels in TFRecord files whose records have one length.

A record contains the label (4 bytes, little-endian) and the pixels (H * W * C bytes). Any TFRecord reader can read the
file in order. Since the position of record n is known, records can also be read in any order, so training sees the same
order whether the images are in memory or in the file.
"""

import contextlib
import errno
import os
import threading
from typing import BinaryIO, Dict, Iterator, Sequence, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from vq_estimator.data.batching import elements
from vq_estimator.errors import VQError

BEFORE, AFTER = 12, 4  # bytes before and after a TFRecord's content: length and checksums
LABEL = 4
BATCH = 100
MAX_OPEN = 256  # files that are open at once


def record_bytes(shape: Tuple[int, int, int]) -> int:
    """Bytes of a record of an image of `shape` [H, W, C]."""
    return BEFORE + LABEL + int(np.prod(shape)) + AFTER


@contextlib.contextmanager
def writer(path: str) -> Iterator:
    """Yields a function (image uint8 [H, W, C], label) that adds a record to `path`.

    Raises:
      OSError: the file cannot be written.
    """
    try:
        with tf.python_io.TFRecordWriter(path) as out:
            yield lambda image, label: out.write(np.int32(label).astype("<i4").tobytes() + image.tobytes())
    except tf.errors.OpError as e:
        raise OSError(f"{path}: {e.message}") from None


def count(path: str, shape: Tuple[int, int, int]) -> int:
    """The number of records of images of `shape` in a file, from its length.

    Raises:
      VQError: the length is not a multiple of a record's.
    """
    size, length = os.path.getsize(path), record_bytes(shape)
    if size % length:
        raise VQError(f"data_dir: {path!r} has {size} bytes, expected a multiple of {length}, the length of a record")
    return size // length


def in_order(paths: Sequence[str], shape: Tuple[int, int, int]) -> tf.data.Dataset:
    """Batches of (image uint8 [B, H, W, C], label int32 [B]), in the order of the files and their records."""

    @tf.autograph.experimental.do_not_convert
    def parse(records):
        content = tf.decode_raw(records, tf.uint8)  # [B, LABEL + H * W * C]
        labels = tf.decode_raw(tf.strings.substr(records, 0, LABEL), tf.int32)
        return tf.reshape(content[:, LABEL:], (-1, *shape)), tf.reshape(labels, [-1])

    return tf.data.TFRecordDataset(list(paths)).batch(BATCH).map(parse, num_parallel_calls=2)


def contents(path: str) -> Iterator[bytes]:
    """Yields the content of each record of any TFRecord file.

    Raises:
      tf.errors.OpError: the file cannot be read, or is damaged.
    """
    with tf.Graph().as_default(), tf.Session() as session:
        yield from elements(session, tf.data.make_one_shot_iterator(tf.data.TFRecordDataset(path)).get_next())


def _read(file: int, size: int, place: int) -> bytes:
    if hasattr(os, "pread"):  # not on Windows
        return os.pread(file, size, place)
    os.lseek(file, place, os.SEEK_SET)
    return os.read(file, size)


def _crc32c_table() -> np.ndarray:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(0x82F63B78), table >> 1)
    return table


_CRC32C = _crc32c_table()


def masked_crc32c(contents: np.ndarray) -> np.ndarray:
    """The checksum uint32 [N] that a TFRecord file has after each record. `contents` are uint8 [N, bytes]."""
    crc = np.full(len(contents), 0xFFFFFFFF, np.uint32)
    for column in np.ascontiguousarray(contents.T):
        crc = _CRC32C[(crc ^ column) & 255] ^ (crc >> 8)
    crc = ~crc
    return ((crc >> 15) | (crc << 17)) + np.uint32(0xA282EAD8)


def _damaged(path: str, reason: str) -> OSError:
    return OSError(errno.EIO, reason, path)


class RandomAccess:
    """Random access to records by index, counted across all files. Only the batch is in memory.

    Args:
      paths: the files.
      shape: [H, W, C] of the images.
      checked: whether `rows` compares the checksums. That takes longer than a step of training may.
    """

    def __init__(self, paths: Sequence[str], shape: Tuple[int, int, int], checked: bool = False):
        self._paths, self._shape, self._checked = paths, shape, checked
        ends = np.cumsum([count(path, shape) for path in paths])
        self._ends, self._firsts = ends, np.concatenate([[0], ends[:-1]])
        self._files: Dict[int, BinaryIO] = {}
        self._lock = threading.Lock()

    def rows(self, numbers: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
        """Images uint8 [B, H, W, C] and labels int32 [B].

        Raises:
          OSError: a record is missing, or `checked` and its checksum is wrong.
        """
        length, content_size = record_bytes(self._shape), LABEL + int(np.prod(self._shape))
        size = content_size + (AFTER if self._checked else 0)
        shards = np.searchsorted(self._ends, numbers, side="right")
        places = ((numbers - self._firsts[shards]) * length + BEFORE).tolist()
        with self._lock:
            found = [_read(self._open(shard), size, place) for shard, place in zip(shards.tolist(), places)]
        for shard, place, record in zip(shards, places, found):
            if len(record) != size:
                raise _damaged(self._paths[shard], f"it ends before record {place // length}")
        content = np.frombuffer(b"".join(found), np.uint8).reshape(len(numbers), size)
        content, sums = content[:, :content_size], content[:, content_size:].copy()
        if self._checked:
            wrong = np.flatnonzero(masked_crc32c(content) != sums.view("<u4")[:, 0])
            for i in wrong[:1].tolist():
                raise _damaged(self._paths[shards[i]], f"record {places[i] // length} has a wrong checksum")
        images = content[:, LABEL:].reshape((len(numbers), *self._shape))
        return images, content[:, :LABEL].copy().view("<i4").astype(np.int32)[:, 0]

    def _open(self, shard: int) -> int:
        """A file's descriptor."""
        if shard not in self._files:
            if len(self._files) == MAX_OPEN:
                for file in self._files.values():
                    file.close()
                self._files.clear()
            self._files[shard] = open(self._paths[shard], "rb", buffering=0)
        return self._files[shard].fileno()

    def tensors(self, numbers: tf.Tensor) -> Tuple[tf.Tensor, tf.Tensor]:
        """The same in a graph: indices int [A, B], both known, to images [A, B, H, W, C] and labels [A, B]."""
        shape = numbers.shape.as_list()
        images, labels = tf.numpy_function(self.rows, [tf.reshape(numbers, [-1])], [tf.uint8, tf.int32])
        return tf.reshape(images, [*shape, *self._shape]), tf.reshape(labels, shape)
