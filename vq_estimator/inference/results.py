"""Writes the results of an evaluation to the run directory if it is writable.

A run may be on a read-only disk, or belong to another user.
"""

import contextlib
import logging
import os
import tempfile
from typing import Iterator, Set

log = logging.getLogger("vq_estimator")

_WARNED: Set[str] = set()  # run directories that are not writable


def can_write(model_dir: str, folder: str = "") -> bool:
    """Whether results can be written to `folder` in `model_dir`. Call it before the work.

    It writes a file to find out, because permissions are not enough (a read-only file system, the superuser, a full
    disk). If it is not writable, one warning is logged per run directory and process.
    """
    path = os.path.abspath(os.path.join(model_dir, folder))
    try:
        while not os.path.lexists(path):
            path = os.path.dirname(path)
        tempfile.TemporaryFile(dir=path).close()
    except OSError as e:
        _warn(model_dir, e)
        return False
    return True


@contextlib.contextmanager
def tolerated(model_dir: str) -> Iterator[None]:
    """Turns a failure to write results into a warning, because the figures are worth more than their copy."""
    try:
        yield
    except OSError as e:
        _warn(model_dir, e)


def _warn(model_dir: str, error: OSError) -> None:
    key = os.path.abspath(model_dir)
    if key not in _WARNED:
        _WARNED.add(key)
        log.warning("model_dir: can't write %r (%s): the results are not stored", model_dir, error.strerror or error)
