"""Reads the header of a WAV to find its samples, and repairs it for libsndfile.

libsndfile silently reads a truncated WAV, reads no samples of one whose recorder was killed before it wrote a length,
and does not read BW64.
"""

from typing import TYPE_CHECKING, BinaryIO, List, NamedTuple, Optional, Tuple

from vq_estimator.data.spliced_file import Part, SplicedFile

if TYPE_CHECKING:  # Python 3.7 has no Literal
    from typing import Literal

MAX_CHUNKS = 1000  # chunks before the samples
UNKNOWN = 2**31 - 2**16  # lengths of 32 bits from here on are unknown, as in a WAV written to a pipe
IN_DS64 = 2**32 - 1  # the 32-bit length if the chunk ds64 has the length
Patch = Tuple[int, bytes]  # position, and replacement


class _Header(NamedTuple):
    """Header of a WAV.

    Attributes:
      kind: RIFF, RIFX, RF64 or BW64.
      order: byte order.
      end: end of the file, according to the header.
      data: position of the first sample.
      size: bytes of the samples, according to the header; None if it is unknown.
      ds64: position of the chunk of 64-bit lengths.
    """

    kind: bytes
    order: "Literal['big', 'little']"
    end: int
    data: int
    size: Optional[int]
    ds64: Optional[int]


def check(f: BinaryIO) -> Optional[SplicedFile]:
    """Reads the header of a WAV.

    Returns:
      A file object with a repaired header that libsndfile can read, or None if the file needs no repair.

    Raises:
      ValueError: the file has no samples or is truncated.
    """
    begin = f.read(12)
    header = _read(f, begin)
    there = f.seek(0, 2)
    size = header.size
    if size == 0 and there > header.data and not _are_chunks(f, header, there):
        size = None  # a recorder that was killed: it writes the length when it ends
    elif size is not None and header.data + size > there:
        if header.end > there:
            raise ValueError(f"it ends {header.data + size - there} bytes before the end of its samples")
        size = None  # the file is complete according to the first length in its header, so the samples' length is wrong
    if size == header.size and header.kind in (b"RIFF", b"RIFX"):
        return None
    parts: List[Part] = []
    done = 0
    for at, new in _patches(header, there - header.data if size is None else size, there):
        parts += [(done, at), new]
        done = at + len(new)
    return SplicedFile(f, [*parts, (done, there)])


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
    """Whether samples of length 0 are followed by further chunks, and not by samples."""
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
    """A header with `size` bytes of samples, with 32-bit lengths if they are enough."""
    if size < UNKNOWN:
        kind = b"RIFX" if header.kind == b"RIFX" else b"RIFF"
        lengths = [(4, min(there - 8, IN_DS64)), (header.data - 4, size)]
        return [(0, kind), *((at, n.to_bytes(4, header.order)) for at, n in lengths)]
    if header.ds64 is None:
        return []  # libsndfile reads it to its end
    return [(0, b"RF64"), (header.ds64, (there - 8).to_bytes(8, "little") + size.to_bytes(8, "little"))]
