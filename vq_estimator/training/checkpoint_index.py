"""A strict check of a checkpoint's index before TensorFlow reads it.

TensorFlow's reader detects damage by checksums and trusts an index with valid ones. A malicious index can end the
process by a failed CHECK or request any amount of memory. So its structure is checked first: a table in LevelDB's
format (https://github.com/google/leveldb/blob/main/doc/table_format.md) of
BundleEntryProto messages.
"""

import glob
import os
import warnings
from typing import Iterator, List, NamedTuple, Tuple

import tensorflow.compat.v1 as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import tensor_bundle_pb2

from vq_estimator.data.files import open_regular

FOOTER, TRAILER = 48, 5  # bytes at the end of the file and of a block (compression and checksum)
MAGIC = 0xDB4775248B80FB57
MAX_INDEX = 1 << 26  # bytes
MAX_NUMBERS = 1 << 40  # elements of a tensor
MAX_DIMENSIONS = 16
REFERENCES = 100  # dtype enums from here on are references to variables, which are never stored


class _Block(NamedTuple):
    """Offset and size of a block in the file, without its trailer."""

    start: int
    size: int


def check(path: str) -> None:
    """Checks the index of the checkpoint `path`, and that the data files contain the bytes that it names.

    Raises:
      OSError: the index cannot be read.
      ValueError: it is not a valid index.
    """
    with open_regular(path + ".index") as f:
        table = f.read(MAX_INDEX + 1)
    if not FOOTER <= len(table) <= MAX_INDEX or int.from_bytes(table[-8:], "little") != MAGIC:
        raise ValueError("its index is no table")
    _, at = _handle(table, len(table) - FOOTER)
    index, _ = _handle(table, at)
    entries = []  # type: List[Tuple[bytes, bytes]]
    for _, value in _entries(table, index):
        entries += _entries(table, _handle(value, 0)[0])
    names = [name for name, _ in entries]
    if not names or names[0] != b"" or any(a >= b for a, b in zip(names, names[1:])):
        raise ValueError("its index is out of order")
    shards = _shards(path, entries[0][1])
    for name, message in entries[1:]:
        _check_entry(name.decode("utf-8"), message, shards)


def _varint(data: bytes, at: int) -> Tuple[int, int]:
    """Reads a variable-length integer at an offset; returns it and the offset after it."""
    value = 0
    for shift in range(0, 64, 7):
        if at >= len(data):
            break
        byte, at = data[at], at + 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise ValueError("its index ends too early")


def _handle(data: bytes, at: int) -> Tuple[_Block, int]:
    start, at = _varint(data, at)
    size, at = _varint(data, at)
    return _Block(start, size), at


def _entries(table: bytes, block: _Block) -> Iterator[Tuple[bytes, bytes]]:
    """Yields the keys and values of a block: entries with prefix-compressed keys, then restart points."""
    end = block.start + block.size
    data = table[block.start : end]
    if end + TRAILER + FOOTER > len(table) or block.size < 8 or table[end] != 0:
        raise ValueError("its index has an invalid or compressed block")
    restarts = int.from_bytes(data[-4:], "little")
    end = block.size - 4 - 4 * restarts
    points = [int.from_bytes(data[i : i + 4], "little") for i in range(end, block.size - 4, 4)] if end > 0 else []
    starts, key, at = set(), b"", 0
    while at < end:
        place = at
        shared, at = _varint(data, at)
        own, at = _varint(data, at)
        size, at = _varint(data, at)
        if shared > len(key) or at + own + size > end:
            raise ValueError("its index has an invalid entry")
        if not shared:
            starts.add(place)
        key = key[:shared] + data[at : at + own]
        yield key, data[at + own : at + own + size]
        at += own + size
    if not points or points[0] != 0 or not set(points) <= starts or sorted(set(points)) != points:
        raise ValueError("its index has a block without its restart points")


def _shards(path: str, message: bytes) -> List[int]:
    """Returns the size in bytes of each data file; the header has their number."""
    header = _parsed(tensor_bundle_pb2.BundleHeaderProto(), message)
    files = sorted(glob.glob(glob.escape(path) + ".data-*"))
    n = header.num_shards
    want = [f"{path}.data-{i:05d}-of-{n:05d}" for i in range(n)] if n <= len(files) else []
    if not want or not set(want) <= set(files) or header.endianness != 0:
        raise ValueError(f"it has {len(files)} data files, its index names {n}")
    for file in want:
        open_regular(file).close()
    return [os.path.getsize(file) for file in want]


def _check_entry(name: str, message: bytes, shards: List[int]) -> None:
    entry = _parsed(tensor_bundle_pb2.BundleEntryProto(), message)
    shape, numbers = entry.shape, 1
    for dim in shape.dim:
        numbers *= dim.size
        if dim.size < 0 or dim.name or numbers > MAX_NUMBERS:
            raise ValueError(f"{name!r} has a shape that can't be")
    if shape.unknown_rank or len(shape.dim) > MAX_DIMENSIONS or entry.slices:
        raise ValueError(f"{name!r} has a shape that can't be")
    inside = 0 <= entry.shard_id < len(shards) and min(entry.offset, entry.size) >= 0
    if not inside or entry.offset + entry.size > shards[entry.shard_id]:
        raise ValueError(f"{name!r} lies beyond the end of the data")
    try:
        kind = tf.as_dtype(entry.dtype)
    except TypeError:
        raise ValueError(f"{name!r} has an unknown type") from None
    number = kind.is_floating or kind.is_integer or kind.is_bool or kind.is_complex
    if not (number and entry.size == numbers * kind.size and entry.dtype < REFERENCES) and kind != tf.string:
        raise ValueError(f"{name!r} is of {kind.name} and {entry.size} bytes, which does not fit its shape")


def _parsed(proto, message: bytes):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # an older protobuf only warns if a message ends too early
            proto.ParseFromString(message)
        if proto.ByteSize() == len(message):
            return proto
    except (DecodeError, ValueError, RuntimeWarning):
        pass
    raise ValueError("its index has an invalid message")
