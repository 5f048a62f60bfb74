"""NumPy's files of plain arrays, from anywhere: no pickle, and no more memory than the file has bytes for.

np.load believes the header: it allocates what that asks for before it reads, and unpacks a .npz of any size. Here an
array's dtype is a number, a bool or text, and its bytes are counted before any is read.
"""

import io
import warnings
import zipfile
import zlib
from typing import IO, TYPE_CHECKING, Dict, NamedTuple, Sequence, Tuple

import numpy as np
from numpy.lib import format as np_format

from vq_estimator.data.files import open_regular

if TYPE_CHECKING:  # Python 3.7 has no Literal
    from typing import Literal

MAX_HEADER = 10000  # bytes, as in NumPy
NESTING, MAX_NESTING = (b"(", b"[", b"{", b"-", b"+", b"~"), 100  # so that Python's parser of literals stays shallow
PLAIN = {"b": (1,), "i": (1, 2, 4, 8), "u": (1, 2, 4, 8), "f": (2, 4, 8)}  # bytes of a number; text has any


class _Header(NamedTuple):
    """What an array is, and the place of its first byte."""

    dtype: np.dtype
    fortran: bool
    shape: Tuple[int, ...]
    start: int

    @property
    def bytes(self) -> int:
        size = self.dtype.itemsize
        for n in self.shape:
            size *= n
        return size


def _read_header(f: IO[bytes]) -> _Header:
    """Reads a header with NumPy's own functions, from a buffer that is bounded before they see it.

    Raises:
      ValueError: no plain array begins here.
    """
    magic = f.read(8)
    if magic[:6] != np_format.MAGIC_PREFIX or magic[6:] not in (b"\1\0", b"\2\0", b"\3\0"):
        raise ValueError("it is no NumPy array")
    width = 2 if magic[6] == 1 else 4
    size = f.read(width)
    length = int.from_bytes(size, "little")
    text = f.read(min(length, MAX_HEADER))
    if sum(map(text.count, NESTING)) > MAX_NESTING:
        raise ValueError("its header can't be read")
    if len(text) != length:
        raise ValueError(f"its header of {length} bytes is cut off, or longer than {MAX_HEADER}")
    # Version 3 differs from 2 by the encoding of names of fields, which no plain array has.
    read = np_format.read_array_header_1_0 if magic[6] == 1 else np_format.read_array_header_2_0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a header of Python 2 is read, and nobody can save it anew
            shape, fortran, dtype = read(io.BytesIO(size + text))
    except Exception:  # a hostile literal: RecursionError, MemoryError, TokenError and more
        raise ValueError("its header can't be read") from None
    if dtype.kind != "U" and dtype.itemsize not in PLAIN.get(dtype.kind, ()):
        raise ValueError("it is no array of numbers or text (an array of objects would be a pickle, which is not read)")
    shape = tuple(int(n) for n in shape)
    if not dtype.itemsize or len(shape) > 16 or not all(0 <= n < 2**31 for n in shape):
        raise ValueError(f"its shape {list(shape)} can't be")
    return _Header(dtype, fortran, shape, len(magic) + width + length)


def load_npy(path: str) -> np.ndarray:
    """The array of a `.npy`, read from the file as it is used.

    Raises:
      OSError: it can't be read.
      ValueError: it is no plain array, or shorter than its header says.
    """
    with open_regular(path) as f:
        header = _read_header(f)
        there = f.seek(0, 2) - header.start
    if there < header.bytes:
        raise ValueError(f"it has {there} bytes for an array of {header.bytes}")
    order: "Literal['F', 'C']" = "F" if header.fortran else "C"
    if not header.bytes:
        return np.empty(header.shape, header.dtype, order)
    return np.memmap(path, header.dtype, "r", header.start, header.shape, order)


def load_npz(path: str, names: Sequence[str], most: int) -> Dict[str, np.ndarray]:
    """Those of the arrays `names` that a `.npz` has.

    Args:
      path: the file.
      names: of the arrays; others are not looked at.
      most: bytes of all of them, unpacked.

    Raises:
      OSError: it can't be read.
      ValueError: it is no .npz, or damaged, or one of the arrays is no plain one, or they are larger than `most`.
    """
    arrays = {}
    try:
        with open_regular(path) as raw, zipfile.ZipFile(raw) as archive:
            held = set(archive.namelist())
            for name in names:
                if name + ".npy" in held:
                    arrays[name] = _read_member(archive, name + ".npy", most)
                    most -= arrays[name].nbytes
    except (ValueError, OSError):
        raise
    except (zipfile.BadZipFile, zlib.error) as e:
        raise ValueError(str(e) or "it is damaged") from None
    except Exception as e:  # zipfile lets struct.error, EOFError, NotImplementedError, RuntimeError and more through
        raise ValueError(f"it is damaged ({type(e).__name__})") from None
    return arrays


def _read_member(archive: zipfile.ZipFile, name: str, most: int) -> np.ndarray:
    info = archive.getinfo(name)
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # others unpack without a bound
        raise ValueError(f"{name} is packed in a way that NumPy does not use")
    with archive.open(info) as f:
        header = _read_header(f)
        if header.bytes > most:
            raise ValueError(f"{name} has {header.bytes} bytes, expected at most {most}")
        if header.start + header.bytes != info.file_size:
            raise ValueError(f"{name} has {info.file_size} bytes, expected {header.start + header.bytes}")
        content = f.read(header.bytes)  # to its end, where its checksum is compared
    if len(content) != header.bytes:
        raise ValueError(f"{name} ends too early")
    return np.frombuffer(content, header.dtype).reshape(header.shape, order="F" if header.fortran else "C")
