"""The beginning of a training. If it fails before the first step, its files are removed and a replaced run restored.

`--overwrite` moves the old run to a hidden folder inside the run directory. The old run is deleted once the new one has
a checkpoint and a step, and restored otherwise. `heal` does this after a kill.
"""

import contextlib
import dataclasses
import fnmatch
import logging
import os
import shutil
import threading
from typing import List, Optional, Set, Type

from vq_estimator.data.files import read_json
from vq_estimator.errors import VQError
from vq_estimator.training import lock
from vq_estimator.training.run_folder import CONFIG, OF_A_RUN, UNFINISHED, AnyConfig, remove

log = logging.getLogger("vq_estimator")

ASIDE = ".replaced"  # the old run; without config.json it is only partly moved
DONE = ".replaced.done"  # the old run, to be deleted
_OPEN: "List[Beginning]" = []
_GUARD = threading.RLock()


class Beginning:
    """A training up to its first step: a context manager that undoes its changes if an error ends the block.

    Args:
      model_dir: the run directory.
      kind: Config or PriorConfig.
      overwrite: move an existing run aside.
      worker: the index of a worker in a cluster, which only removes its own folder; None otherwise.

    Attributes:
      replaces: whether an existing run was moved aside.

    Raises:
      VQError: on entering, if `config.json` does not belong to a run.
      OSError: on entering, if the run cannot be moved.
    """

    def __init__(self, model_dir: str, kind: Type[AnyConfig], overwrite: bool = False, worker: Optional[int] = None):
        self._dir, self._kind, self._overwrite, self._worker = model_dir, kind, overwrite, worker
        self._before: Set[str] = set()
        self._over, self.replaces = False, False

    def __enter__(self):
        there = os.path.isfile(os.path.join(self._dir, CONFIG)) and self._worker is None
        if there and self._overwrite:
            _refuse_foreign(self._dir, self._kind)
        elif there:  # a resumed run has already begun
            self._over = True
            return self
        self._before = set(os.listdir(self._dir))
        _OPEN.append(self)
        try:
            if there:
                _move_aside(self._dir)
                self._before, self.replaces = set(os.listdir(self._dir)), True
        except BaseException:
            self.undo()
            raise
        return self

    def __exit__(self, kind, error, trace):
        if error is not None:
            self.undo()

    def commit(self) -> None:
        """Marks the new run as begun: nothing is undone any more, and the old run is deleted."""
        with _GUARD:
            if not self._over:
                self._close()
                if self._worker is None:
                    _delete_aside(self._dir)

    def undo(self) -> None:
        """Removes the new files and restores the old run; does nothing after `commit`."""
        with _GUARD:
            if not self._over:
                self._close()
                if self._worker is None:
                    _restore(self._dir, self._before)
                else:
                    shutil.rmtree(os.path.join(self._dir, f"tmp_worker_{self._worker}"), ignore_errors=True)

    def _close(self) -> None:
        self._over = True
        _OPEN.remove(self)


def abandon() -> None:
    """Undoes all trainings without a step and releases the locks, for a process that exits immediately."""
    for one in list(_OPEN):
        one.undo()
    lock.release_all()


def heal(model_dir: str) -> None:
    """Completes an `--overwrite` after a kill: keeps the new run if it has a checkpoint, else restores the old one.

    The caller must hold the folder's lock.
    """
    aside, done = os.path.join(model_dir, ASIDE), os.path.join(model_dir, DONE)
    if os.path.isdir(done):
        shutil.rmtree(done)
    if not os.path.isdir(aside):
        return
    moved = os.path.isfile(os.path.join(aside, CONFIG))
    names = os.listdir(model_dir)
    if moved and any(fnmatch.fnmatch(name, "model.ckpt-*.index") for name in names):
        _delete_aside(model_dir)
        return
    log.warning("%s: an --overwrite ended before the new run began; the old run is back", model_dir)
    _restore(model_dir, {name for name in names if not (moved and _of_a_run(name))})


def needs_healing(model_dir: str) -> bool:
    """Returns whether `heal` has something to do."""
    return any(os.path.isdir(os.path.join(model_dir, name)) for name in (ASIDE, DONE))


def _of_a_run(name: str) -> bool:
    """Returns whether a training may have written the file; locks do not count."""
    ours = any(fnmatch.fnmatch(name, pattern) for pattern in OF_A_RUN + UNFINISHED)
    return ours and not any(fnmatch.fnmatch(name, pattern) for pattern in lock.LOCKS)


def _refuse_foreign(model_dir: str, kind: Type[AnyConfig]) -> None:
    """Raises a VQError if `config.json` was written by another program."""
    try:
        needed = {field.name for field in dataclasses.fields(kind) if field.default is dataclasses.MISSING}
        ours = set(read_json(os.path.join(model_dir, CONFIG))) >= needed | {"optimizer", "train"}
    except (ValueError, TypeError):
        ours = False
    if not ours:
        raise VQError(
            f"model_dir: got {model_dir!r}, whose {CONFIG} is not of a run; choose another, or remove it yourself"
        )


def _move_aside(model_dir: str) -> None:
    """Moves the files of a run aside, `config.json` last."""
    aside = os.path.join(model_dir, ASIDE)
    os.mkdir(aside)
    for name in sorted(filter(_of_a_run, os.listdir(model_dir)), key=lambda name: name == CONFIG):
        os.rename(os.path.join(model_dir, name), os.path.join(aside, name))


def _delete_aside(model_dir: str) -> None:
    aside, done = os.path.join(model_dir, ASIDE), os.path.join(model_dir, DONE)
    if os.path.isdir(aside):
        with contextlib.suppress(OSError):  # the next training in this folder deletes the rest
            os.rename(aside, done)
            shutil.rmtree(done)


def _restore(model_dir: str, keep: Set[str]) -> None:
    """Removes the files of a run that are not in `keep`, and moves the old run back, `config.json` first."""
    made = [name for name in os.listdir(model_dir) if _of_a_run(name) and name not in keep]
    # `heal` recognises a checkpoint by its index, so the index is removed first, and the configuration last.
    for name in sorted(made, key=lambda name: (name == CONFIG, not name.endswith(".index"))):
        with contextlib.suppress(OSError):
            remove(os.path.join(model_dir, name))
    aside = os.path.join(model_dir, ASIDE)
    if os.path.isdir(aside):
        for name in sorted(os.listdir(aside), key=lambda name: name != CONFIG):
            os.rename(os.path.join(aside, name), os.path.join(model_dir, name))
        os.rmdir(aside)
