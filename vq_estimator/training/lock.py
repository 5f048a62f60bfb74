"""File locks that allow one training at a time in a folder. The system releases them however a process ends.

Commands that only read a run take no lock and do not wait.
"""

import contextlib
import errno
import logging
import os
import time
from typing import BinaryIO, Iterator, List, Optional, Tuple

from vq_estimator.errors import VQError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

log = logging.getLogger("vq_estimator")

LOCK = "train.lock"
LOCKS = (LOCK, "train-*.lock")  # the second pattern is for the tasks of a cluster
_HELD = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)
_TRIES, _PAUSE = 5, 0.1  # another process may hold a lock briefly while it checks that the lock is free
_OPEN = []  # type: List[_Locks]


def check_free(model_dir: str, task: Optional[str] = None) -> None:
    """Checks that no other process trains in a folder. Creates no file and keeps no lock.

    Args:
      model_dir: the folder.
      task: see `training`.

    Raises:
      VQError: another process trains in it.
    """
    for path, shared in _files(model_dir, task):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
            with open(path, "rb") as file:
                _lock(file, shared, model_dir, task)


@contextlib.contextmanager
def training(model_dir: str, task: Optional[str] = None) -> Iterator[None]:
    """Holds the folder's lock during a block. Creates the folder, and removes it again if it stays empty.

    Args:
      model_dir: the folder.
      task: the task in a cluster, such as "worker0"; the tasks share the folder, with one process for each.

    Raises:
      VQError: another process trains in the folder, or it cannot be written to.
    """
    locks = _Locks(model_dir, task)
    _OPEN.append(locks)
    try:
        locks.take()
        yield
    finally:
        locks.release()
        _OPEN.remove(locks)


def release_all() -> None:
    """Releases the locks of all `training` blocks, for a process that exits immediately."""
    for locks in list(_OPEN):
        locks.release()


class _Locks:
    """The open lock files of a training."""

    def __init__(self, model_dir: str, task: Optional[str]):
        self._dir, self._task = model_dir, task
        self._files = []  # type: List[Tuple[str, BinaryIO]]
        self._made = []  # type: List[str]

    def take(self) -> None:
        try:
            self._make_folders()
            for path, shared in _files(self._dir, self._task):
                file = _take(path, shared, self._dir, self._task)
                if file is not None:
                    self._files.append((path, file))
        except OSError as e:
            raise VQError(f"model_dir: can't write {self._dir!r}: {e.strerror or e}") from None

    def _make_folders(self) -> None:
        missing, folder = [], os.path.abspath(self._dir)
        while not os.path.lexists(folder):
            missing.append(folder)
            folder = os.path.dirname(folder)
        for folder in reversed(missing):
            with contextlib.suppress(FileExistsError):  # another task may create it at the same time
                os.mkdir(folder)
                self._made.insert(0, folder)

    def release(self) -> None:
        while self._files:
            path, file = self._files.pop()
            with contextlib.suppress(OSError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails if other tasks share it
                os.remove(path)
            file.close()
        for folder in self._made:
            with contextlib.suppress(OSError):  # it is not empty
                os.rmdir(folder)


def _files(model_dir: str, task: Optional[str]) -> List[Tuple[str, bool]]:
    """Returns (path, whether the lock is shared) of each lock file."""
    common = os.path.join(model_dir, LOCK)
    return (
        [(common, False)] if task is None else [(common, True), (os.path.join(model_dir, f"train-{task}.lock"), False)]
    )


def _take(path: str, shared: bool, model_dir: str, task: Optional[str]) -> Optional[BinaryIO]:
    """Returns the open, locked file; None, after a warning, if the file system has no locks."""
    while True:
        file = open(path, "ab")
        try:
            locked = _lock(file, shared, model_dir, task)
        except BaseException:
            file.close()
            raise
        if not locked:
            log.warning("model_dir: %r can't be locked there: a second training in it would not be noticed", model_dir)
            file.close()
            with contextlib.suppress(OSError):
                os.remove(path)
            return None
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), os.stat(path)):
                return file
        file.close()  # a training that just ended has removed this file


def _lock(file: BinaryIO, shared: bool, model_dir: str, task: Optional[str]) -> bool:
    """Locks a file; returns False if the file system has no locks."""
    if fcntl is None:
        return False
    for tries in range(_TRIES):
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            return True
        except OSError as e:
            if e.errno not in _HELD:
                return False
        if tries + 1 < _TRIES:
            time.sleep(_PAUSE)
    who = "another process" if shared or task is None else f"another process with the task {task}"
    raise VQError(f"model_dir: got {model_dir!r}, in which {who} trains now, expected a folder of its own, or its end")
