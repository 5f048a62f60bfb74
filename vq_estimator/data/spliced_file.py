"""What is presented to a decoder in the place of a file."""

import io
from typing import BinaryIO, List, Sequence, Tuple, Union

Part = Union[bytes, Tuple[int, int]]  # bytes, or from where to where of the file


class SplicedFile(io.RawIOBase):
    """A file to read, made of bytes and of stretches of another file, one part behind the other."""

    def __init__(self, f: BinaryIO, parts: Sequence[Part]):
        super().__init__()
        self._file, self._at = f, 0
        self._parts: List[Tuple[int, int, Part]] = []  # where each begins and ends
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
        # A decoder that asks for what lies before the beginning gets that: an exception would end in its callback.
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
