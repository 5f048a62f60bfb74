"""Makes the standard streams robust: open, and able to print any name. Call it before any other file is opened."""

import io
import os
import sys
from typing import Any


def open_descriptors() -> None:
    """Opens those of the descriptors 0 to 2 that are closed (`2>&-`), so that no other file gets their numbers."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False)
    for name, number in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            setattr(sys, name, _stream(number))


def make_robust() -> None:
    """Makes the streams escape characters that their encoding lacks, and survive a closed pipe (`| head -1`)."""
    for name, number in (("stdout", 1), ("stderr", 2)):
        old = getattr(sys, name)
        if isinstance(old, io.TextIOWrapper) and not isinstance(getattr(old.buffer, "raw", None), _Output):
            old.flush()
            setattr(sys, name, _stream(number, old.encoding))


class _Output(io.FileIO):
    """A descriptor that discards its output after an error.

    The command continues after a closed pipe, and after any error of stderr. Another error of stdout, such as a full
    disk, is raised once.
    """

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as e:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            if self.fileno() == 1 and not isinstance(e, BrokenPipeError):
                raise
            return len(data)


def _stream(number: int, encoding: str = "utf-8") -> io.TextIOWrapper:
    buffer = io.BufferedWriter(_Output(number, "w", closefd=False))
    lines = number == 2 or os.isatty(number) or bool(os.environ.get("PYTHONUNBUFFERED"))
    return io.TextIOWrapper(buffer, encoding=encoding, errors="backslashreplace", line_buffering=lines)
