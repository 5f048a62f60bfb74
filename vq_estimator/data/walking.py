"""Lists the files below a folder: follows links, enters each folder once, and skips unreadable folders."""

import collections
import logging
import os
from typing import Counter, Dict, Tuple

from vq_estimator.errors import VQError, one_line

log = logging.getLogger("vq_estimator")

MAX_SUFFIXES = 10  # most names in a message
Found = Dict[str, Tuple[int, int]]  # path, "/" between its parts: bytes, modification time in nanoseconds


def find_files(folder: str, suffixes: Tuple[str, ...], name: str, field: str) -> Found:
    """The files below a folder whose names end in one of `suffixes`, in upper or lower case.

    Skips hidden files and folders. Files with other suffixes are counted in the log. An unreadable folder is skipped
    with a warning.

    Args:
      folder: the folder.
      suffixes: suffixes of the files, in lower case.
      name: the word for these files in an error.
      field: the flag that names the folder, for an error.

    Raises:
      VQError: there is no such file, or the folder itself cannot be read.
    """
    found, others = _walk(folder, suffixes, field)
    if others:
        most = others.most_common(MAX_SUFFIXES)
        rest = sum(others.values()) - sum(count for _, count in most)
        counted = [f"{count:,} {suffix or 'without a suffix'}" for suffix, count in most]
        log.info("left out: %s", one_line(", ".join([*counted, *([f"{rest:,} of other kinds"] if rest else [])])))
    if not found:
        raise VQError(f"{field}: got {folder!r}, which has no {name} file; expected a folder of them")
    return found


def _walk(folder: str, suffixes: Tuple[str, ...], field: str) -> Tuple[Found, Counter[str]]:
    """The files with the suffixes, and the number of other files by suffix."""
    found: Found = {}
    others: Counter[str] = collections.Counter()
    entered = {os.path.realpath(folder)}

    def leave_out(error):
        if error.filename in (None, folder):
            raise VQError(f"{field}: {error.filename or folder}: can't be read ({error.strerror})")
        log.warning("the folder %s can't be read and is left out (%s)", one_line(error.filename), error.strerror)

    for top, folders, names in os.walk(folder, onerror=leave_out, followlinks=True):
        below = []
        for name in sorted(folders):
            real = os.path.realpath(os.path.join(top, name))
            if not name.startswith(".") and real not in entered:
                entered.add(real)
                below.append(name)
        folders[:] = below
        for name in names:
            path = os.path.join(top, name)
            if name.startswith(".") or not os.path.isfile(path):
                continue
            if not name.lower().endswith(suffixes):
                others[os.path.splitext(name)[1].lower()] += 1
                continue
            stat = os.stat(path)
            found[os.path.relpath(path, folder).replace(os.sep, "/")] = (stat.st_size, stat.st_mtime_ns)
    return found, others
