"""The file: what made it, how large its images are, and chunks that stand alone. Written once, read strictly.

    8 bytes      magic
    18 bytes     version (2), bytes of the header (4), bytes of the index (4), chunks (4), CRC-32 of it all up to the
                 first chunk, without the magic and itself (4)
    header       JSON, see `Header`
    index        where images have sizes or names of their own: zlib of JSON, [[name, height, width], ...]; of
                 recordings always, [[name, samples, number of the speaker], ...]
    16 a chunk   its bytes, and CRC-32 of these, of its symbols' intervals, of its pixels
    chunks       one range coder's stream each

Integers are little-endian. Nothing of a file is believed before it is checked: not a size, not a name.
"""

import json
import os
import struct
import zlib
from typing import BinaryIO, Dict, List, NamedTuple, Optional, Sequence, Tuple

from vq_estimator.config import arguments
from vq_estimator.data.files import open_regular, parse_json
from vq_estimator.errors import VQError
from vq_estimator.inference.codec.coding import MAX_BATCH
from vq_estimator.inference.codec.run import FINGERPRINT, PRIORS

MAGIC = b"\x89VQZ\r\n\x1a\n"  # as PNG's: a transfer that changes line ends changes it
VERSIONS = (1, 2)  # 2: of images that are not square, and of decoders with wavefronts; anything else is written as 1
FIXED, ENTRY = struct.Struct("<HIIII"), struct.Struct("<IIII")
WAVEFRONTS = "local"  # the decoder that codes along wavefronts
MAX_HEADER, MAX_INDEX, MAX_NAMES = 1 << 16, 1 << 26, 1 << 26  # bytes of JSON, of the index, of it unpacked
MAX_ITEM = 5000  # bytes of one image in the index
MAX_PIXELS = 1 << 26  # of an image
MAX_IMAGES = 1 << 31
HEX = frozenset("0123456789abcdef")


class Header(NamedTuple):
    """What a file says of itself.

    Attributes:
      model: fingerprint of the checkpoint, and `sizes` [S, C, h, w, L, K], `likelihood` and `decoder` of its
        configuration; of images that are not square [H, W, C, h, w, L, K], in format version 2; of speech S and [h, w]
        are samples and codes of a whole tile.
      prior: one of PRIORS; `prior_model`: the fingerprint of its figures, or "".
      scale: of the likelihood "mse", or None.
      batch: tiles of a chunk.
      images: how many; `size`: [height, width] of each, or None where the index has them.
      arithmetic: versions and processor that wrote it, and checksums of some of its results: for a message, since what
        decides is each chunk's own checksum.
      sample_rate: of speech, samples a second. In a file of images it is not there.
    """

    model: str
    sizes: List[int]
    likelihood: str
    decoder: str
    prior: str
    prior_model: str
    scale: Optional[float]
    batch: int
    images: int
    size: Optional[List[int]]
    arithmetic: Dict[str, str]
    sample_rate: Optional[int] = None

    @property
    def version(self) -> int:
        """The lowest format version that can say it."""
        return 2 if len(self.sizes) == 7 or self.decoder == WAVEFRONTS else 1

    @property
    def content(self) -> str:
        """Returns "images" or "recordings"."""
        return "images" if self.sample_rate is None else "recordings"

    @property
    def channels(self) -> int:
        """Returns the channels of an image."""
        return self.sizes[-5]


class Item(NamedTuple):
    """An image of its own name or size; the name is "" where it has none.

    A recording has a row of samples and the number of who speaks, None as long as that is not known.
    """

    name: str
    height: int
    width: int
    speaker: Optional[int] = None


class Entry(NamedTuple):
    """Of a chunk."""

    bytes: int
    crc: int
    tables_crc: int
    pixels_crc: int


class Container(NamedTuple):
    """A file that was opened.

    Attributes:
      path, header: its own.
      items: of each image, or None where `header.size` says it of all.
      entries: of each chunk; `starts`: where it begins.
      size: bytes of the file.
    """

    path: str
    header: Header
    items: Optional[List[Item]]
    entries: List[Entry]
    starts: List[int]
    size: int

    @property
    def overhead(self) -> int:
        """Bytes before the first chunk."""
        return self.starts[0] if self.starts else self.size

    def payload(self, number: int) -> bytes:
        """The bytes of a chunk.

        Raises:
          VQError: they are not there, or others than were written.
        """
        entry = self.entries[number]
        with open_regular(self.path) as f:
            f.seek(self.starts[number])
            found = f.read(entry.bytes)
        if len(found) < entry.bytes:
            raise VQError(f"{self.path}: ends within chunk {number} of {len(self.entries)}")
        if zlib.crc32(found) != entry.crc:
            raise VQError(f"{self.path}: chunk {number} of {len(self.entries)} is damaged (checksum of its bytes)")
        return found


class Writer:
    """Writes a file whose number of chunks is known before: `add` each, then `finish`."""

    def __init__(self, f: BinaryIO, header: Header, items: Optional[Sequence[Item]], chunks: int):
        self._f, self._chunks, self._entries, self._version = f, chunks, [], header.version
        fields = {k: v for k, v in header._asdict().items() if k != "sample_rate" or v is not None}
        self._header = json.dumps(fields, separators=(",", ":"), allow_nan=False).encode("ascii")
        rows = [i[:3] if header.content == "images" else (i.name, i.width, i.speaker) for i in items or ()]
        text = "" if items is None else json.dumps(rows, separators=(",", ":"))
        self._index = zlib.compress(text.encode("ascii"), 9) if text else b""
        if len(self._index) > MAX_INDEX or len(text) > MAX_NAMES:
            raise VQError(f"input: got names of {len(text):,} bytes, expected at most {MAX_NAMES:,}")
        f.seek(len(MAGIC) + FIXED.size + len(self._header) + len(self._index) + ENTRY.size * chunks)

    def add(self, payload: bytes, tables_crc: int, pixels_crc: int) -> None:
        self._entries.append(Entry(len(payload), zlib.crc32(payload), tables_crc, pixels_crc))
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
    """Reads all but the chunks.

    Raises:
      VQError: it can't be read, or is no such file, or of another version, or altered.
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
        raise VQError(f"{path}: is no file of vq-compress (it begins with other bytes)")
    if len(start) < len(MAGIC) + FIXED.size:
        raise VQError(f"{path}: ends within its header")
    *lengths, crc = FIXED.unpack(start[len(MAGIC) :])
    version, header_bytes, index_bytes, chunks = lengths
    if version not in VERSIONS:
        known = " or ".join(map(str, VERSIONS))
        raise VQError(f"{path}: got format version {version}, expected {known}; it was made by another vq_estimator")
    if header_bytes > MAX_HEADER or index_bytes > MAX_INDEX:
        raise VQError(f"{path}: has a header of {header_bytes} and {index_bytes} bytes, which can't be; it is damaged")
    length = header_bytes + index_bytes + ENTRY.size * chunks
    rest = f.read(length) if length <= size else b""
    if len(rest) < length:
        raise VQError(f"{path}: ends within its header")
    if _crc(tuple(lengths), rest) != crc:
        raise VQError(f"{path}: its header is damaged (checksum)")
    header = _header(parse_json(rest[:header_bytes].decode("ascii")), chunks)
    if header.version != version:
        raise VQError(f"{path}: got the header of format version {header.version} in a file of version {version}")
    items = _items(rest[header_bytes : header_bytes + index_bytes], header)
    entries = [Entry(*fields) for fields in ENTRY.iter_unpack(rest[header_bytes + index_bytes :])]
    starts, at = [], len(MAGIC) + FIXED.size + length
    for entry in entries:
        starts.append(at)
        at += entry.bytes
    return Container(path, header, items, entries, starts, size)


def check(container: Container) -> None:
    """Raises VQError where the file is longer or shorter than its header says, or a chunk's bytes are damaged."""
    end = container.starts[-1] + container.entries[-1].bytes if container.entries else container.overhead
    if container.size != end:
        raise VQError(f"{container.path}: has {container.size:,} bytes, expected {end:,} by its header")
    for number in range(len(container.entries)):
        container.payload(number)


def _header(found, chunks: int) -> Header:
    """Raises ValueError where the JSON is no header."""

    def want(right: bool, what: str) -> None:
        if not right:
            raise ValueError(f"its header's {what} can't be")

    def text(value, most: int = 80) -> bool:
        return isinstance(value, str) and len(value) <= most

    def number(value, least: int, most: int) -> bool:
        return type(value) is int and least <= value <= most

    want(isinstance(found, dict) and {*found, "sample_rate"} == set(Header._fields), "fields")
    h = Header(**found)
    want(h.sample_rate is None or (number(h.sample_rate, 1, 1 << 24) and h.size is None), "sample_rate")
    want(text(h.model) and set(h.model) <= HEX and len(h.model) == FINGERPRINT, "model")
    want(isinstance(h.sizes, list) and len(h.sizes) in (6, 7) and all(number(n, 1, 1 << 24) for n in h.sizes), "sizes")
    want(text(h.likelihood) and text(h.decoder), "likelihood")
    want(h.prior in PRIORS if text(h.prior) else False, "prior")
    want(text(h.prior_model) and set(h.prior_model) <= HEX, "prior_model")
    want(h.scale is None or (isinstance(h.scale, float) and 1e-3 <= h.scale <= 1e4), "scale")
    want(number(h.batch, 1, MAX_BATCH), "batch")
    want(number(h.images, 1, min(MAX_IMAGES, h.batch * chunks)), "images")
    if h.size is not None:
        want(isinstance(h.size, list) and len(h.size) == 2 and all(number(n, 1, MAX_PIXELS) for n in h.size), "size")
        want(h.size[0] * h.size[1] <= MAX_PIXELS, "size")
    a = h.arithmetic
    want(isinstance(a, dict) and len(a) <= 8 and all(text(k) and text(v) for k, v in a.items()), "arithmetic")
    return h


def _items(packed: bytes, header: Header) -> Optional[List[Item]]:
    """Raises ValueError where the index is none of the header's images."""
    if header.size is not None and not packed:
        return None
    unpacker = zlib.decompressobj()
    try:
        most = min(MAX_NAMES, MAX_ITEM * header.images + 2)
        text = unpacker.decompress(packed, most + 1)
    except zlib.error as e:
        raise ValueError(f"its index is damaged ({e})") from None
    if len(text) > most or not unpacker.eof or unpacker.unused_data:
        raise ValueError("its index is damaged")
    found = parse_json(text.decode("ascii"))
    if not isinstance(found, list) or len(found) != header.images:
        raise ValueError("its index is not of its images")
    items = []
    for item in found:
        right = isinstance(item, list) and len(item) == 3 and isinstance(item[0], str)
        least = (1, 1) if header.content == "images" else (1, 0)
        if not right or not all(type(n) is int and low <= n <= MAX_PIXELS for n, low in zip(item[1:], least)):
            raise ValueError("its index has an image or a recording that can't be")
        if header.content == "recordings":
            items.append(Item(item[0], 1, *item[1:]))
            continue
        if item[1] * item[2] > MAX_PIXELS:
            raise ValueError(f"its index has an image of {item[1]} x {item[2]} pixels")
        items.append(Item(*item))
    return items
