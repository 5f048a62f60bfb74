"""A file object in which bytes replace parts of another file, for libsndfile."""

import io
from typing import BinaryIO, List, Sequence, Tuple, Union

Part = Union[bytes, Tuple[int, int]]  # bytes, or (start, end) in the file


class SplicedFile(io.RawIOBase):
    """A readable file that concatenates bytes and stretches of another file."""

    def __init__(self, f: BinaryIO, parts: Sequence[Part]):
        super().__init__()
        self._file, self._at = f, 0
        self._parts: List[Tuple[int, int, Part]] = []  # start and end of each part
        self._size = 0
        for part in parts:
            length = len(part) if isinstance(part, bytes) else part[1] - part[0]
            self._parts.append((self._size, self._size + length, part))
            self._size += length

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        # A seek before the start goes to the start, because an exception would end in the decoder's callback.
        self._at = max(offset + (0, self._at, self._size)[whence], 0)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer) -> int:
        done = 0
        for begin, end, part in self._parts:
            if begin <= self._at < end and done < len(buffer):
                upto = min(end, self._at + len(buffer) - done)
                if isinstance(part, bytes):
                    piece = part[self._at - begin : upto - begin]
                else:
                    self._file.seek(part[0] + self._at - begin)
                    piece = self._file.read(upto - self._at)
                buffer[done : done + len(piece)] = piece
                done += len(piece)
                self._at += len(piece)
        return done
