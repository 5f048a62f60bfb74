"""The header of a WAV as far as it says where the samples are, and what is presented to libsndfile in its place.

libsndfile reads a WAV that was cut off without a word, no sample of one whose recorder was killed before it wrote a
length, and no BW64.
"""

import io
from typing import TYPE_CHECKING, BinaryIO, List, NamedTuple, Optional, Tuple

if TYPE_CHECKING:  # Python 3.7 has no Literal
    from typing import Literal

MAX_CHUNKS = 1000  # before the samples
KINDS = (b"RIFF", b"RIFX", b"RF64", b"BW64")
UNKNOWN = 2**31 - 2**16  # from here on a length of 32 bits is one that nobody knew yet, as in a WAV written to a pipe
IN_DS64 = 2**32 - 1  # the length of 32 bits of one that the chunk ds64 has
Patch = Tuple[int, bytes]  # where, and what


class _Header(NamedTuple):
    """Attributes:

    kind: of KINDS.
    order: of the bytes in a number.
    end: where the file ends, as the header says.
    data: where the samples begin.
    size: bytes of the samples, as the header says; None where it doesn't.
    ds64: where the chunk of 64-bit lengths begins.
    """

    kind: bytes
    order: "Literal['big', 'little']"
    end: int
    data: int
    size: Optional[int]
    ds64: Optional[int]


def check(f: BinaryIO) -> List[Patch]:
    """Reads the header of a WAV, or the first bytes of a FLAC file.

    Returns:
      The bytes that a decoder must see in place of the file's, so that it reads all samples.

    Raises:
      ValueError: it is another kind of file (libsndfile would read dozens), or a WAV without samples or cut off.
    """
    begin = f.read(12)
    if not begin:
        raise ValueError("it is empty")
    if begin[:4] == b"fLaC":
        return []
    if begin[:4] not in KINDS or begin[8:12] != b"WAVE":
        raise ValueError("it is no WAV or FLAC file")
    header = _read(f, begin)
    there = f.seek(0, 2)
    size = header.size
    if size == 0 and there > header.data and not _are_chunks(f, header, there):
        size = None  # a recorder that was killed: it writes the length when it ends
    elif size is not None and header.data + size > there:
        if header.end > there:
            raise ValueError(f"it ends {header.data + size - there} bytes before the end of its samples")
        size = None  # the file is whole by its header's first length, which leaves the samples' one wrong
    if size == header.size and header.kind in (b"RIFF", b"RIFX"):
        return []
    return _patches(header, there - header.data if size is None else size, there)


def _read(f: BinaryIO, begin: bytes) -> _Header:
    kind, at, ds64 = begin[:4], 12, None
    order: "Literal['big', 'little']" = "big" if kind == b"RIFX" else "little"
    end = 8 + int.from_bytes(begin[4:8], order)
    long_size = None
    for _ in range(MAX_CHUNKS):
        f.seek(at)
        head = f.read(8)
        if len(head) < 8:
            raise ValueError("it ends before its samples")
        size = int.from_bytes(head[4:8], order)
        at += 8
        if head[:4] == b"data":
            break
        if head[:4] == b"ds64" and kind in (b"RF64", b"BW64"):
            ds64, numbers = at, f.read(16)
            end, long_size = (int.from_bytes(numbers[i : i + 8], order) for i in (0, 8))
            end += 8
        at += size + size % 2
    else:
        raise ValueError(f"it has no samples in its first {MAX_CHUNKS} chunks")
    if size == IN_DS64 and long_size is not None:
        return _Header(kind, order, end, at, long_size if long_size < 2**63 else None, ds64)
    return _Header(kind, order, end, at, None if size >= UNKNOWN else size, ds64)


def _are_chunks(f: BinaryIO, header: _Header, there: int) -> bool:
    """Whether what follows samples of length 0 are further chunks, and no samples."""
    at = header.data
    for _ in range(MAX_CHUNKS):
        f.seek(at)
        head = f.read(8)
        if len(head) < 8 or not all(32 <= c < 127 for c in head[:4]):
            return False
        size = int.from_bytes(head[4:8], header.order)
        at += 8 + size
        if at in (there, there - size % 2):
            return True
        at += size % 2
    return False


def _patches(header: _Header, size: int, there: int) -> List[Patch]:
    """A header that says `size` bytes of samples: with lengths of 32 bits, where these do."""
    if size < UNKNOWN:
        kind = b"RIFX" if header.kind == b"RIFX" else b"RIFF"
        lengths = [(4, min(there - 8, IN_DS64)), (header.data - 4, size)]
        return [(0, kind), *((at, n.to_bytes(4, header.order)) for at, n in lengths)]
    if header.ds64 is None:
        return []  # libsndfile reads it to its end
    return [(0, b"RF64"), (header.ds64, (there - 8).to_bytes(8, "little") + size.to_bytes(8, "little"))]


class Patched(io.RawIOBase):
    """A file with other bytes in some places."""

    def __init__(self, f: BinaryIO, patches: List[Patch]):
        super().__init__()
        self._file, self._patches = f, patches
        f.seek(0)

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer) -> int:
        start = self._file.tell()
        content = bytearray(self._file.read(len(buffer)))
        for at, new in self._patches:
            first, last = max(at, start), min(at + len(new), start + len(content))
            if first < last:
                content[first - start : last - start] = new[first - at : last - at]
        buffer[: len(content)] = content
        return len(content)
