"""Reads flag files (`--flagfile=FILE`) as UTF-8 in every locale. absl would use the encoding of the locale."""

import codecs
import os
import re
from typing import List, Sequence

from vq_estimator.errors import VQError
from vq_estimator_launch import paths

MOST = 1 << 20  # bytes of a flag file
_DIRECTIVE = re.compile(r"--?flagfile(?:=(.*))?", re.DOTALL)


def expand(argv: Sequence[str], reading: Sequence[str] = ()) -> List[str]:
    """Replaces each --flagfile argument by the arguments in the file, as absl does. Flag files may name others.

    Args:
      argv: the arguments.
      reading: the files that are being read, which must not be named again.

    Raises:
      VQError: a file can't be read.
    """
    rest, expanded = list(argv), []  # type: List[str], List[str]
    while rest:
        argument = rest.pop(0)
        if argument == "--":
            return expanded + [argument] + rest
        found = _DIRECTIVE.fullmatch(argument)
        if not found:
            expanded.append(argument)
            continue
        name = found.group(1)
        if name is None:
            if not rest:
                raise VQError("flagfile: got none, expected --flagfile=FILE")
            name = rest.pop(0)
        path = paths.expand("flagfile", name.strip())
        if os.path.realpath(path) in reading:
            raise VQError(f"flagfile: {path!r} names itself, through other flag files or directly")
        expanded += expand(_lines(path), [*reading, os.path.realpath(path)])
    return expanded


def _lines(path: str) -> List[str]:
    """The flags of a file, decoded like Python's command line, so that names of files keep their bytes."""
    try:
        with open(path, "rb") as f:
            content = f.read(MOST + 1)
        if len(content) > MOST:
            raise ValueError(f"it has more than {MOST} bytes")
        wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        text = content.decode("utf-16" if wide else "utf-8-sig")
    except (OSError, ValueError) as e:
        reason = getattr(e, "strerror", None) or e
        raise VQError(f"flagfile: got {path!r}, expected a file of flags in UTF-8 ({reason})") from None
    lines = [line.strip() for line in re.split(r"\r\n|\r|\n", text)]
    return [os.fsdecode(line.encode("utf-8")) for line in lines if line and not line.startswith(("#", "//"))]
