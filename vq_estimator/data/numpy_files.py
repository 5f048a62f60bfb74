"""Reads plain arrays from untrusted NumPy files: no pickle, and no more memory than the file has bytes.

np.load trusts the header: it allocates the size in the header before it reads, and unpacks a .npz of any size. Here an
array's dtype is a number, a bool or text, and its bytes are counted before any is read.
"""

import contextlib
import io
import warnings
import zipfile
import zlib
from typing import IO, TYPE_CHECKING, Dict, Iterator, NamedTuple, Sequence, Tuple

import numpy as np
from numpy.lib import format as np_format

from vq_estimator.data.files import open_regular

if TYPE_CHECKING:  # Python 3.7 has no Literal
    from typing import Literal

MAX_HEADER = 10000  # largest header in bytes, as in NumPy
NESTING, MAX_NESTING = (b"(", b"[", b"{", b"-", b"+", b"~"), 100  # bounds the recursion of Python's parser
PLAIN = {
    "b": (1,),
    "i": (1, 2, 4, 8),
    "u": (1, 2, 4, 8),
    "f": (2, 4, 8),
}  # kind of dtype: sizes in bytes; text may have any size


class _Header(NamedTuple):
    """The header of an array, and the position of its first byte."""

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
    """Reads a header with NumPy's own functions, from a buffer of bounded size.

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
    # Version 3 differs from 2 in the encoding of field names, which no plain array has.
    read = np_format.read_array_header_1_0 if magic[6] == 1 else np_format.read_array_header_2_0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # headers of Python 2 are read, because nobody can save them again
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
    """The array of a `.npy`, as a memory map.

    Raises:
      OSError: the file cannot be read.
      ValueError: the file is not a plain array, or shorter than its header says.
    """
    with open_regular(path) as f:
        header = _read_npy_header(f)
    order: "Literal['F', 'C']" = "F" if header.fortran else "C"
    if not header.bytes:
        return np.empty(header.shape, header.dtype, order)
    return np.memmap(path, header.dtype, "r", header.start, header.shape, order)


def _read_npy_header(f: IO[bytes]) -> _Header:
    """Reads the header of a `.npy` and leaves the file at the array's first byte.

    Raises:
      ValueError: the file is not a plain array, or shorter than its header says.
    """
    header = _read_header(f)
    there = f.seek(0, 2) - header.start
    if there < header.bytes:
        raise ValueError(f"it has {there} bytes for an array of {header.bytes}")
    f.seek(header.start)
    return header


class Rows(NamedTuple):
    """The array of a `.npy`: the dtype and shape in its header."""

    dtype: np.dtype
    shape: Tuple[int, ...]


def npy_rows(f: IO[bytes]) -> Rows:
    """Reads the dtype and shape of the array in an open `.npy`, whose rows `read_rows` reads.

    Raises:
      OSError: the file cannot be read.
      ValueError: the file is not a plain array in C order with rows, or shorter than its header says.
    """
    header = _read_row_header(f)
    return Rows(header.dtype.newbyteorder("="), header.shape)


def read_rows(f: IO[bytes], start: int, stop: int) -> np.ndarray:
    """Reads the rows `start` to `stop` of the array in an open `.npy`; see `npy_rows`."""
    header = _read_row_header(f)
    shape = (min(stop, header.shape[0]) - start, *header.shape[1:])
    row = header.bytes // max(header.shape[0], 1)
    f.seek(header.start + start * row)
    content = f.read(shape[0] * row)
    if len(content) != shape[0] * row:
        raise ValueError("it ends too early")
    return np.frombuffer(content, header.dtype).reshape(shape).astype(header.dtype.newbyteorder("="), copy=False)


def _read_row_header(f: IO[bytes]) -> _Header:
    f.seek(0)
    header = _read_npy_header(f)
    if not header.shape or (header.fortran and len(header.shape) > 1):
        raise ValueError("its array has no rows in C order, expected np.ascontiguousarray(array)")
    return header


def load_array(path: str, name: str, most: int) -> np.ndarray:
    """The array of a `.npy` as a memory map, or a named array of a `.npz` in memory.

    Raises:
      OSError: the file cannot be read.
      ValueError: the array does not exist, is not plain, or in a `.npz` is larger than `most` bytes.
    """
    if not _is_zipped(path):
        return load_npy(path)
    with ArrayReader(path, name) as reader:
        if reader.bytes > most:
            raise ValueError(f"{name} has {reader.bytes:,} bytes, expected at most {most:,}; a .npy may have more")
        if not reader.shape:
            raise ValueError(f"{name} is a single number")
        return reader.read(reader.shape[0])


def _is_zipped(path: str) -> bool:
    with open_regular(path) as f:
        return f.read(2) == b"PK"


class ArrayReader:
    """An array of a `.npy` or `.npz` whose rows are read in order, a few at a time. Use it as a context manager.

    Args:
      path: the file; its first bytes decide between `.npy` and `.npz`.
      name: the array's name in a `.npz`; a `.npy` has one array without a name.

    Attributes:
      dtype, shape, bytes: properties of the array; rows have native byte order.
      names: the names of all arrays in a `.npz`; () for a `.npy`.

    Raises:
      OSError: the file cannot be read.
      ValueError: a `.npz` has no array of that name, or the array is not plain, is in Fortran order, or is shorter than
        its header says.
    """

    def __init__(self, path: str, name: str):
        self.names: Tuple[str, ...] = ()
        with contextlib.ExitStack() as stack:
            self._file: IO[bytes] = stack.enter_context(open_regular(path))
            if _is_zipped(path):
                with _zip_errors():
                    archive = stack.enter_context(zipfile.ZipFile(self._file))
                    self.names = tuple(n[: -len(".npy")] for n in archive.namelist() if n.endswith(".npy"))
                if name not in self.names:
                    raise ValueError(f"it has no array {name!r}, only {', '.join(self.names)[:200] or 'none'}")
                with _zip_errors():
                    self._file, header = _open_member(archive, name + ".npy")
                stack.enter_context(self._file)
            else:
                header = _read_npy_header(self._file)
            if header.fortran and len(header.shape) > 1:
                raise ValueError("it is in Fortran order, expected C order: save np.ascontiguousarray(array)")
            self._stack = stack.pop_all()
        self.dtype, self.shape, self._stored = header.dtype.newbyteorder("="), header.shape, header.dtype
        self._left, self.bytes = self.shape[0] if self.shape else 0, header.bytes

    def __enter__(self) -> "ArrayReader":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        self._stack.close()

    def read(self, number: int) -> np.ndarray:
        """The next `number` rows, or those that remain.

        Raises:
          OSError: the file cannot be read.
          ValueError: the file is damaged or has become shorter.
        """
        number = min(number, self._left)
        shape = (number, *self.shape[1:])
        size = int(np.prod(shape, dtype=np.int64)) * self._stored.itemsize
        with _zip_errors():
            content = self._file.read(size)
        if len(content) != size:
            raise ValueError("it ends too early")
        self._left -= number
        return np.frombuffer(content, self._stored).reshape(shape).astype(self.dtype, copy=False)


@contextlib.contextmanager
def _zip_errors() -> Iterator[None]:
    """Turns any error of zipfile for a damaged archive into a ValueError; an OSError stays one."""
    try:
        yield
    except (ValueError, OSError):
        raise
    except (zipfile.BadZipFile, zlib.error) as e:
        raise ValueError(str(e) or "it is damaged") from None
    except Exception as e:  # zipfile lets struct.error, EOFError, NotImplementedError, RuntimeError and more through
        raise ValueError(f"it is damaged ({type(e).__name__})") from None


def load_npz(path: str, names: Sequence[str], most: int) -> Dict[str, np.ndarray]:
    """Loads those of the arrays `names` that a `.npz` has.

    Args:
      path: the file.
      names: names of the arrays; others are not read.
      most: largest size of all of them in bytes, unpacked.

    Raises:
      OSError: the file cannot be read.
      ValueError: the file is not a .npz or is damaged, an array is not plain, or they are larger than `most`.
    """
    arrays = {}
    with _zip_errors(), open_regular(path) as raw, zipfile.ZipFile(raw) as archive:
        held = set(archive.namelist())
        for name in names:
            if name + ".npy" in held:
                arrays[name] = _read_member(archive, name + ".npy", most)
                most -= arrays[name].nbytes
    return arrays


def _open_member(archive: zipfile.ZipFile, name: str) -> Tuple[IO[bytes], _Header]:
    """An array of a `.npz` with its header; the file is at the array's first byte."""
    info = archive.getinfo(name)
    if info.compress_type not in (
        zipfile.ZIP_STORED,
        zipfile.ZIP_DEFLATED,
    ):  # other compressions unpack without a bound
        raise ValueError(f"{name} is packed in a way that NumPy does not use")
    f = archive.open(info)
    try:
        header = _read_header(f)
        if header.start + header.bytes != info.file_size:
            raise ValueError(f"{name} has {info.file_size} bytes, expected {header.start + header.bytes}")
    except BaseException:
        f.close()
        raise
    return f, header


def _read_member(archive: zipfile.ZipFile, name: str, most: int) -> np.ndarray:
    f, header = _open_member(archive, name)
    with f:
        if header.bytes > most:
            raise ValueError(f"{name} has {header.bytes} bytes, expected at most {most}")
        content = f.read(header.bytes)  # reads to the end, where zipfile compares the checksum
    if len(content) != header.bytes:
        raise ValueError(f"{name} ends too early")
    return np.frombuffer(content, header.dtype).reshape(header.shape, order="F" if header.fortran else "C")
