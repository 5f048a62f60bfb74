"""What an evaluation leaves in the run folder, where that can be written to.

A run may lie on a read-only disk, or belong to another user.
"""

import contextlib
import logging
import os
import tempfile
from typing import Iterator, Set

log = logging.getLogger("vq_estimator")

_WARNED: Set[str] = set()  # run folders


def can_write(model_dir: str, folder: str = "") -> bool:
    """Whether results can be written below `model_dir` in `folder`; ask it before the work.

    It is tried, since permissions alone don't tell (a read-only file system, the superuser, a full disk). Where it is
    not so there is one warning for each run folder and process.
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
    """Writes of results in the block that fail are a warning: the figures are worth more than their copy."""
    try:
        yield
    except OSError as e:
        _warn(model_dir, e)


def _warn(model_dir: str, error: OSError) -> None:
    key = os.path.abspath(model_dir)
    if key not in _WARNED:
        _WARNED.add(key)
        log.warning(
            "model_dir: can't write %r (%s): the results are not kept there", model_dir, error.strerror or error
        )
