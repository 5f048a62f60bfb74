"""A training that never made a step leaves nothing: what it made is removed, and the run that it replaced comes back.

`--overwrite` moves the old run to a hidden folder inside the run folder. It is deleted once the new run has a
checkpoint and a step, and put back where that does not come to be; `heal` does either after a kill.
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

ASIDE = ".replaced"  # the old run; one without config.json is on its way there, or back
DONE = ".replaced.done"  # the same, to be deleted
_OPEN: "List[Beginning]" = []
_GUARD = threading.RLock()


class Beginning:
    """A training in a folder up to its first step; a context, which undoes what was made where an error ends it.

    Args:
      model_dir: the run folder.
      kind: Config or PriorConfig.
      overwrite: a run that is there is moved aside.
      worker: the number of a cluster's worker, which undoes its own folder alone.

    Attributes:
      replaces: whether a run was.

    Raises:
      VQError: on entering: the `config.json` there is not of a run.
      OSError: on entering: the run can't be moved.
    """

    def __init__(self, model_dir: str, kind: Type[AnyConfig], overwrite: bool = False, worker: Optional[int] = None):
        self._dir, self._kind, self._overwrite, self._worker = model_dir, kind, overwrite, worker
        self._before: Set[str] = set()
        self._over, self.replaces = False, False

    def __enter__(self):
        there = os.path.isfile(os.path.join(self._dir, CONFIG)) and self._worker is None
        if there and self._overwrite:
            _refuse_foreign(self._dir, self._kind)
        elif there:  # a run that is resumed has begun
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
        """The new run has begun: nothing is undone any more, and the old one is deleted."""
        with _GUARD:
            if not self._over:
                self._close()
                if self._worker is None:
                    _delete_aside(self._dir)

    def undo(self) -> None:
        """Removes what was made, and puts the old run back; nothing after `commit`."""
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
    """Undoes all trainings that have made no step, and gives up the locks; for a process that ends at once."""
    for one in list(_OPEN):
        one.undo()
    lock.release_all()


def heal(model_dir: str) -> None:
    """Ends what a kill left of an `--overwrite`: the new run stays where it has a checkpoint, else the old one is back.

    The folder's lock has to be held.
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
    """Whether there is something for `heal`."""
    return any(os.path.isdir(os.path.join(model_dir, name)) for name in (ASIDE, DONE))


def _of_a_run(name: str) -> bool:
    """Whether a training may have written it; its locks are not meant."""
    ours = any(fnmatch.fnmatch(name, pattern) for pattern in OF_A_RUN + UNFINISHED)
    return ours and not any(fnmatch.fnmatch(name, pattern) for pattern in lock.LOCKS)


def _refuse_foreign(model_dir: str, kind: Type[AnyConfig]) -> None:
    """A `config.json` of some other program is no run."""
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
    """Moves what is of a run, its `config.json` last."""
    aside = os.path.join(model_dir, ASIDE)
    os.mkdir(aside)
    for name in sorted(filter(_of_a_run, os.listdir(model_dir)), key=lambda name: name == CONFIG):
        os.rename(os.path.join(model_dir, name), os.path.join(aside, name))


def _delete_aside(model_dir: str) -> None:
    aside, done = os.path.join(model_dir, ASIDE), os.path.join(model_dir, DONE)
    if os.path.isdir(aside):
        with contextlib.suppress(OSError):  # what is left of it is deleted by the next training here
            os.rename(aside, done)
            shutil.rmtree(done)


def _restore(model_dir: str, keep: Set[str]) -> None:
    """Removes what is of a run and not in `keep`; moves back what is aside, its `config.json` first."""
    made = [name for name in os.listdir(model_dir) if _of_a_run(name) and name not in keep]
    # A checkpoint counts by its index (`heal`), so that goes first, and the configuration last.
    for name in sorted(made, key=lambda name: (name == CONFIG, not name.endswith(".index"))):
        with contextlib.suppress(OSError):
            remove(os.path.join(model_dir, name))
    aside = os.path.join(model_dir, ASIDE)
    if os.path.isdir(aside):
        for name in sorted(os.listdir(aside), key=lambda name: name != CONFIG):
            os.rename(os.path.join(aside, name), os.path.join(model_dir, name))
        os.rmdir(aside)
