"""The header of a WAV as far as it says where the samples are, and what is presented to libsndfile in its place.

libsndfile reads a WAV that was cut off without a word, no sample of one whose recorder was killed before it wrote a
length, and no BW64.
"""

from typing import TYPE_CHECKING, BinaryIO, List, NamedTuple, Optional, Tuple

from vq_estimator.data.spliced_file import Part, SplicedFile

if TYPE_CHECKING:  # Python 3.7 has no Literal
    from typing import Literal

MAX_CHUNKS = 1000  # before the samples
UNKNOWN = 2**31 - 2**16  # from here on a length of 32 bits is one that nobody knew yet, as in a WAV written to a pipe
IN_DS64 = 2**32 - 1  # the length of 32 bits of one that the chunk ds64 has
Patch = Tuple[int, bytes]  # where, and what


class _Header(NamedTuple):
    """Attributes:

    kind: RIFF, RIFX, RF64 or BW64.
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


def check(f: BinaryIO) -> Optional[SplicedFile]:
    """Reads the header of a WAV.

    Returns:
      What a decoder must see in the file's place, so that it reads all samples; None: the file itself.

    Raises:
      ValueError: it has no samples, or was cut off.
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
        size = None  # the file is whole by its header's first length, which leaves the samples' one wrong
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
