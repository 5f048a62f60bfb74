"""NumPy's files of plain arrays, from anywhere: no pickle, and no more memory than the file has bytes for.

np.load believes the header: it allocates what that asks for before it reads, and unpacks a .npz of any size. Here an
array's dtype is a number, a bool or text, and its bytes are counted before any is read.
"""

import re
import zipfile
import zlib
from typing import BinaryIO, Dict, NamedTuple, Sequence, Tuple

import numpy as np

from vq_estimator.data.files import open_regular

MAGIC = b"\x93NUMPY"
MOST_HEADER = 4096  # bytes
_HEADER = re.compile(
    rb"\{\s*'descr':\s*'([<>|=][biuU]\d{1,9}|[<>|=]f[248])',\s*'fortran_order':\s*(True|False),"
    rb"\s*'shape':\s*\(([\d\s,]*)\)\s*,?\s*\}\s*"
)


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


def _read_header(f: BinaryIO) -> _Header:
    """Raises ValueError where no plain array begins."""
    start = f.read(8)
    if start[:6] != MAGIC or start[6:7] not in (b"\1", b"\2", b"\3"):
        raise ValueError("it is no NumPy array")
    width = 2 if start[6] == 1 else 4
    length = int.from_bytes(f.read(width), "little")
    text = f.read(min(length, MOST_HEADER))
    found = _HEADER.fullmatch(text)
    if found is None or len(text) != length:
        raise ValueError("it is no array of numbers or text (an array of objects would be a pickle, which is not read)")
    shape = tuple(int(n) for n in found.group(3).replace(b" ", b"").split(b",") if n)
    try:
        dtype = np.dtype(found.group(1).decode("ascii"))
    except (TypeError, ValueError):
        raise ValueError("its dtype is unknown") from None
    if not dtype.itemsize or max(shape, default=0) >= 2**31 or len(shape) > 16:
        raise ValueError(f"its shape {list(shape)} can't be")
    return _Header(dtype, found.group(2) == b"True", shape, 8 + width + length)


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
    order = "F" if header.fortran else "C"
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
