"""A run's folder: its configuration, its checkpoints, and the best of them by validation."""

import dataclasses
import fnmatch
import logging
import os
import re
import shutil
from typing import Any, List, NamedTuple, Optional, Sequence

import tensorflow.compat.v1 as tf

from vq_estimator import config as config_lib
from vq_estimator.config import Config
from vq_estimator.data.files import read_json, read_text, write_json, write_text
from vq_estimator.errors import VQError, one_line
from vq_estimator.training.stored import Stored

log = logging.getLogger("vq_estimator")

CONFIG = "config.json"
BEST = "best"
MOST_STATE = 1 << 20  # bytes of the list of checkpoints
CLASSES = "classes.json"  # the names of the classes, where the data has some
EVAL_NAME = "validation"  # of the Estimator's evaluations, whose events are in eval_validation/
OF_A_RUN = (
    CONFIG,
    "checkpoint",
    "graph.pbtxt",
    "model.ckpt-*",
    "events.out.tfevents.*",
    BEST,
    "calibration",
    "codes",
    "prior",
    "eval",
    "eval_*",
    "reconstructions.png",
    "samples.png",
    CLASSES,
    "projector_config.pbtxt",
    "projector",
)


class Checkpoint(NamedTuple):
    """A checkpoint's path, without the suffix of its files, and its step."""

    path: str
    step: int


def load_config(model_dir: str, kind: Any = Config) -> Any:
    """The configuration, a `kind`, that a run was trained with."""
    path = os.path.join(model_dir, CONFIG)
    try:
        text = read_text(path)
    except (OSError, ValueError) as e:
        reason = getattr(e, "strerror", None) or str(e)
        raise VQError(f"model_dir: got {model_dir!r}, expected a run folder with a {CONFIG} ({reason})") from None
    return config_lib.from_json(text, path, kind)


def keep_class_names(model_dir: str, names: Sequence[str]) -> None:
    """Writes what the labels of a run mean, where that is known."""
    if names:
        write_json(os.path.join(model_dir, CLASSES), list(names))


def class_names(model_dir: str) -> List[str]:
    """What `keep_class_names` wrote, fit to be printed; nothing where it is not known."""
    try:
        names = read_json(os.path.join(model_dir, CLASSES))
    except (OSError, ValueError):
        return []
    known = isinstance(names, list) and all(isinstance(name, str) for name in names)
    return [one_line(name) for name in names] if known else []


def refuse_other(model_dir: str, config: Any) -> None:
    """Raises VQError, with the difference, where the run in the folder is not one of `config` that can be resumed."""
    old = load_config(model_dir, type(config))
    if getattr(old, "dataset_source", "") is None:  # imported, with no data: the first data becomes its own
        old = dataclasses.replace(old, dataset_source=config.dataset_source)
    changed = config_lib.differences(old, config)
    if changed:
        hint = "choose another --model_dir, or --overwrite to remove the run and start anew"
        raise VQError("{} holds a run that differs: {}; {}".format(model_dir, "; ".join(changed), hint))


def prepare(model_dir: str, config: Any, overwrite: bool = False) -> int:
    """Makes the folder ready to train `config`, a Config or PriorConfig, in; returns the step that it starts from.

    A new or empty folder gets `config.json`. A run with the same configuration is resumed. Anything else is refused,
    with the difference shown, unless `overwrite` allows to remove a run.

    Raises:
      VQError: the folder holds another run, or something that is no run.
    """
    if any(c in model_dir for c in "*?[]"):  # TensorFlow reads a checkpoint's path as a pattern
        raise VQError(f"model_dir: got {model_dir!r}, expected a path without any of * ? [ ]")
    path = os.path.join(model_dir, CONFIG)
    try:
        if os.path.isfile(path):
            if overwrite:
                _remove_run(model_dir, type(config))
            else:
                refuse_other(model_dir, config)
        elif os.path.isdir(model_dir) and os.listdir(model_dir):
            raise VQError(f"model_dir: got {model_dir!r}, which is not empty and no run (no {CONFIG}); choose another")
        os.makedirs(model_dir, exist_ok=True)
        write_text(path, config_lib.to_json(config))
    except OSError as e:
        raise VQError(f"model_dir: can't write {model_dir!r}: {e.strerror or e}") from None
    latest = latest_checkpoint(model_dir)
    return latest.step if latest else 0


def _remove_run(model_dir: str, kind: Any) -> None:
    """Removes what a run wrote, and nothing else; a `config.json` of some other program is no run."""
    try:
        ours = set(read_json(os.path.join(model_dir, CONFIG))) >= {field.name for field in dataclasses.fields(kind)}
    except (ValueError, TypeError):
        ours = False
    if not ours:
        raise VQError(
            f"model_dir: got {model_dir!r}, whose {CONFIG} is not of a run; choose another, or remove it yourself"
        )
    for name in os.listdir(model_dir):
        if any(fnmatch.fnmatch(name, pattern) for pattern in OF_A_RUN):
            path = os.path.join(model_dir, name)
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            else:
                os.remove(path)


def latest_checkpoint(model_dir: str) -> Optional[Checkpoint]:
    """The newest checkpoint, or None.

    Raises:
      VQError: it can't be read, or the folder's list of its checkpoints is damaged or leads out of the folder.
    """
    _check_state(model_dir)
    path = tf.train.latest_checkpoint(model_dir)
    return None if path is None else read_checkpoint(path)


def _check_state(model_dir: str) -> None:
    """The list names what training goes on from, and what it removes once there are newer ones."""
    path = os.path.join(model_dir, "checkpoint")
    if not os.path.lexists(path):
        return
    try:
        read_text(path, MOST_STATE)
        state = tf.train.get_checkpoint_state(model_dir)
    except (OSError, ValueError, TypeError) as e:
        raise VQError(f"checkpoint: {path!r} is damaged ({e})") from None
    if state is None:
        raise VQError(f"checkpoint: {path!r} is damaged, expected the list of the run's checkpoints")
    folder = os.path.realpath(model_dir)
    for named in [state.model_checkpoint_path, *state.all_model_checkpoint_paths]:
        inside = os.path.realpath(os.path.dirname(named)) == folder
        if not inside or not re.fullmatch(r"[\w-][\w.-]*", os.path.basename(named)):
            raise VQError(f"checkpoint: {path!r} names {named!r}, expected only checkpoints in that folder")


def read_checkpoint(path: str) -> Checkpoint:
    """Reads the step of a checkpoint.

    Raises:
      VQError: no readable checkpoint is there.
    """
    stored = Stored(path)
    if stored.shapes.get("global_step") != []:
        raise VQError(f"checkpoint: {path!r} can't be read (no global_step in it)")
    step = int(stored.value("global_step", tf.int64))
    if step < 0:
        raise VQError(f"checkpoint: {path!r} is of step {step}, expected 0 or more")
    return Checkpoint(path, step)


def find_checkpoint(model_dir: str, which: str = "latest") -> Checkpoint:
    """`which` is "latest", "best" (by validation) or a path.

    Raises:
      VQError: there is none.
    """
    if which == "latest":
        found = latest_checkpoint(model_dir)
        if found is None:
            raise VQError(f"checkpoint: {model_dir!r} holds none; train first, or wait for the first one")
        return found
    if which == BEST:
        best = load_best(model_dir)
        if best is None:
            raise VQError(
                f"checkpoint: {model_dir!r} has no best one yet (no evaluation so far); expected latest or a path"
            )
        return read_checkpoint(os.path.join(model_dir, BEST, best["checkpoint"]))
    for suffix in (".index", ".meta"):
        which = which[: -len(suffix)] if which.endswith(suffix) else which
    if not os.path.isfile(which + ".index"):
        raise VQError(f"checkpoint: got {which!r}, expected latest, best or the path of a checkpoint")
    return read_checkpoint(which)


def checkpoint_files(checkpoint: str) -> List[str]:
    """The data and index files of a checkpoint, sorted."""
    folder, name = os.path.split(checkpoint)
    kept = [n for n in os.listdir(folder or ".") if n.startswith((name + ".data-", name + ".index"))]
    return [os.path.join(folder, n) for n in sorted(kept)]


def load_best(model_dir: str) -> Optional[dict]:
    """What `keep_best` wrote, or None; what is damaged is as good as none, with a warning."""
    path = os.path.join(model_dir, BEST, "best.json")
    try:
        best = read_json(path)
        name, step, value = best["checkpoint"], best["global_step"], best["value"]
        # A plain name: TensorFlow would take others for a pattern, or for a path that leads elsewhere.
        good = re.fullmatch(r"[\w-][\w.-]*", name) and type(step) is int and isinstance(best["metric"], str)
        if not good or type(value) not in (int, float) or not abs(value) < float("inf"):
            raise ValueError("no checkpoint with a step and a value")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as e:
        log.warning("%s is damaged and left aside: %s", path, one_line(str(e)))
        return None
    return best


def keep_best(model_dir: str, checkpoint: str, step: int, metric: str, value: float) -> bool:
    """Copies the checkpoint to `best/` when `value` is the lowest so far; the value is kept on disk, over restarts."""
    best = load_best(model_dir)
    if best is not None and not value < best["value"]:
        return False
    folder, name = os.path.join(model_dir, BEST), os.path.basename(checkpoint)
    os.makedirs(folder, exist_ok=True)
    for source in checkpoint_files(checkpoint):
        shutil.copyfile(source, os.path.join(folder, os.path.basename(source)))
    write_json(
        os.path.join(folder, "best.json"),
        {"checkpoint": name, "global_step": step, "metric": metric, "value": float(value)},
    )
    for old in os.listdir(folder):
        if old != "best.json" and not old.startswith(name + "."):
            os.remove(os.path.join(folder, old))
    return True
