"""Reads and writes the file format: a header, an index of the images, and independent chunks.

    8 bytes      magic
    18 bytes     version (2), size of the header (4), size of the index (4), number of chunks (4), and CRC-32 (4) of
                 everything before the first chunk except the magic and this field
    header       JSON, packed from version 3 on; see `header`
    index        zlib of JSON, [[name, height, width], ...], if the images have names or different sizes; for recordings
                 always, [[name, samples, index of the speaker], ...]
    16 per chunk its size, and the CRC-32 of its bytes, of its symbols' intervals and of its pixels;
                 in a lossy file the last one is of its codes, because their reconstruction is not exact everywhere
    chunks       one bitstream of the range coder per chunk

Sizes are in bytes, and integers are little-endian. Every value of a file, such as a size or a name, is validated before
it is used.
"""

import json
import os
import struct
import zlib
from typing import BinaryIO, List, NamedTuple, Optional, Sequence, Tuple

from vq_estimator.config import arguments
from vq_estimator.data.files import open_regular, parse_json
from vq_estimator.errors import VQError
from vq_estimator.inference.codec import header as header_lib
from vq_estimator.inference.codec.header import MAX_HEADER, MAX_PIXELS, VERSIONS, Header

MAGIC = b"\x89VQZ\r\n\x1a\n"  # as in PNG, it reveals transfers that change line endings
FIXED, ENTRY = struct.Struct("<HIIII"), struct.Struct("<IIII")
MAX_INDEX, MAX_NAMES = 1 << 26, 1 << 26  # bytes of the index and of the unpacked index
MAX_ITEM = 5000  # bytes per image in the unpacked index


class Item(NamedTuple):
    """An image's entry in the index. The name is "" if the image has none.

    A recording has height 1, and its width is the number of samples. Its speaker is an index, or None while unknown.
    """

    name: str
    height: int
    width: int
    speaker: Optional[int] = None


class Entry(NamedTuple):
    """The size in bytes and the checksums of a chunk; `exact_crc` is of its pixels, or of its codes in a lossy file."""

    bytes: int
    crc: int
    tables_crc: int
    exact_crc: int


class Container(NamedTuple):
    """A file whose header and index have been read.

    Attributes:
      path: path of the file.
      header: its header.
      items: one per image, or None if all images have `header.size` and no name.
      entries: one per chunk.
      starts: offset of each chunk in bytes.
      size: size of the file in bytes.
    """

    path: str
    header: Header
    items: Optional[List[Item]]
    entries: List[Entry]
    starts: List[int]
    size: int

    @property
    def overhead(self) -> int:
        """Number of bytes before the first chunk."""
        return self.starts[0] if self.starts else self.size

    @property
    def expected_size(self) -> int:
        """Number of bytes of the undamaged file."""
        return self.starts[-1] + self.entries[-1].bytes if self.entries else self.overhead

    def payload(self, number: int) -> bytes:
        """Reads the bytes of a chunk.

        Raises:
          VQError: the file is truncated, or the bytes do not match their checksum.
        """
        entry = self.entries[number]
        with open_regular(self.path) as f:
            f.seek(self.starts[number])
            payload = f.read(entry.bytes)
        if len(payload) < entry.bytes:
            raise VQError(f"{self.path}: ends within chunk {number} of {len(self.entries)}")
        if zlib.crc32(payload) != entry.crc:
            raise VQError(f"{self.path}: chunk {number} of {len(self.entries)} is damaged (wrong checksum)")
        return payload


class Writer:
    """Writes a file with a known number of chunks: call `add` for each of them, then `finish`."""

    def __init__(self, f: BinaryIO, header: Header, items: Optional[Sequence[Item]], chunks: int):
        self._f, self._chunks, self._entries, self._version = f, chunks, [], header.version
        self._header = header_lib.encode(header)
        rows = [i[:3] if header.content == "images" else (i.name, i.width, i.speaker) for i in items or ()]
        text = "" if items is None else json.dumps(rows, separators=(",", ":"))
        self._index = zlib.compress(text.encode("ascii"), 9) if text else b""
        if len(self._index) > MAX_INDEX or len(text) > MAX_NAMES:
            raise VQError(f"input: got names of {len(text):,} bytes, expected at most {MAX_NAMES:,}")
        f.seek(len(MAGIC) + FIXED.size + len(self._header) + len(self._index) + ENTRY.size * chunks)

    def add(self, payload: bytes, tables_crc: int, exact_crc: int) -> None:
        self._entries.append(Entry(len(payload), zlib.crc32(payload), tables_crc, exact_crc))
        self._f.write(payload)

    def finish(self) -> None:
        assert len(self._entries) == self._chunks, (len(self._entries), self._chunks)
        rest = self._header + self._index + b"".join(ENTRY.pack(*entry) for entry in self._entries)
        lengths = (self._version, len(self._header), len(self._index), self._chunks)
        self._f.seek(0)
        self._f.write(MAGIC + FIXED.pack(*lengths, _crc(lengths, rest)) + rest)


def _crc(lengths: Tuple[int, ...], rest: bytes) -> int:
    return zlib.crc32(FIXED.pack(*lengths, 0) + rest)


def read(path: str) -> Container:
    """Reads the header and the index of a file.

    Raises:
      VQError: the file can't be read, is not a .vqz file, has an unknown version, or is damaged.
    """
    path = arguments.path("path", path, "the path of a .vqz file")
    try:
        with open_regular(path) as f:
            return _read(f, path, os.fstat(f.fileno()).st_size)
    except (OSError, ValueError) as e:
        if isinstance(e, VQError):
            raise
        raise VQError(f"{path}: can't be read ({getattr(e, 'strerror', None) or e})") from None


def _read(f: BinaryIO, path: str, size: int) -> Container:
    start = f.read(len(MAGIC) + FIXED.size)
    if start[: len(MAGIC)] != MAGIC:
        raise VQError(f"{path}: is not a .vqz file (wrong magic bytes)")
    if len(start) < len(MAGIC) + FIXED.size:
        raise VQError(f"{path}: ends within its header")
    *lengths, crc = FIXED.unpack(start[len(MAGIC) :])
    version, header_bytes, index_bytes, chunks = lengths
    if version not in VERSIONS:
        known = ", ".join(map(str, VERSIONS))
        raise VQError(f"{path}: got format version {version}, expected {known}; another vq_estimator wrote it")
    if header_bytes > MAX_HEADER or index_bytes > MAX_INDEX:
        got, limits = f"{header_bytes:,} and {index_bytes:,} bytes", f"{MAX_HEADER:,} and {MAX_INDEX:,}"
        raise VQError(f"{path}: is damaged: got a header and an index of {got}, expected at most {limits}")
    length = header_bytes + index_bytes + ENTRY.size * chunks
    rest = f.read(length) if length <= size else b""
    if len(rest) < length:
        raise VQError(f"{path}: ends within its header")
    if _crc(tuple(lengths), rest) != crc:
        raise VQError(f"{path}: its header is damaged (wrong checksum)")
    header = header_lib.decode(rest[:header_bytes], version, chunks)
    if header.version != version:
        raise VQError(f"{path}: got a header of format version {header.version} in a file of version {version}")
    items = _items(rest[header_bytes : header_bytes + index_bytes], header)
    entries = [Entry(*fields) for fields in ENTRY.iter_unpack(rest[header_bytes + index_bytes :])]
    starts, at = [], len(MAGIC) + FIXED.size + length
    for entry in entries:
        starts.append(at)
        at += entry.bytes
    return Container(path, header, items, entries, starts, size)


def check(container: Container) -> None:
    """Raises VQError if the size of the file differs from its header, or a chunk's bytes are damaged."""
    end = container.expected_size
    if container.size != end:
        raise VQError(f"{container.path}: got {container.size:,} bytes, expected {end:,} according to its header")
    for number in range(len(container.entries)):
        container.payload(number)


def _items(packed: bytes, header: Header) -> Optional[List[Item]]:
    """Unpacks the index; raises ValueError if it is invalid or does not match the header."""
    if header.size is not None and not packed:
        return None
    unpacker = zlib.decompressobj()
    try:
        limit = min(MAX_NAMES, MAX_ITEM * header.images + 2)
        text = unpacker.decompress(packed, limit + 1)
    except zlib.error as e:
        raise ValueError(f"its index is damaged ({e})") from None
    if len(text) > limit or not unpacker.eof or unpacker.unused_data:
        raise ValueError("its index is damaged")
    rows = parse_json(text.decode("ascii"))
    if not isinstance(rows, list) or len(rows) != header.images:
        raise ValueError("its index does not have one entry per image")
    items = []
    for item in rows:
        valid = isinstance(item, list) and len(item) == 3 and isinstance(item[0], str)
        lows = (1, 1) if header.content == "images" else (1, 0)
        if not valid or not all(type(n) is int and low <= n <= MAX_PIXELS for n, low in zip(item[1:], lows)):
            raise ValueError("its index has an invalid entry")
        if header.content == "recordings":
            items.append(Item(item[0], 1, *item[1:]))
            continue
        if item[1] * item[2] > MAX_PIXELS:
            raise ValueError(f"its index has an image of {item[1]} x {item[2]} pixels, expected at most {MAX_PIXELS:,}")
        items.append(Item(*item))
    return items
