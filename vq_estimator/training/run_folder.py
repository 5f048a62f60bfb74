"""Run directories: configuration, checkpoints, and the best checkpoint by validation."""

import dataclasses
import fnmatch
import hashlib
import logging
import os
import re
import shutil
from typing import Any, List, NamedTuple, Optional, Sequence, Tuple, Union

import tensorflow.compat.v1 as tf

from vq_estimator import config as config_lib
from vq_estimator.config import FSDD, Config, PriorConfig, catalogue
from vq_estimator.data import fsdd
from vq_estimator.data.files import open_regular, parts, read_json, read_text, write_json, write_text
from vq_estimator.errors import VQError, one_line
from vq_estimator.training.checkpoint_reader import PATTERN, CheckpointReader, is_utf8
from vq_estimator.training.lock import LOCKS

log = logging.getLogger("vq_estimator")

CONFIG = "config.json"
EVALUATED = "evaluated.json"  # the step of the last evaluation during training
BEST = "best"
MAX_VALUE = 1e300  # largest value of a metric
CLASSES = "classes.json"  # the names of the classes, if the data has names
EVAL_NAME = "validation"  # name of the Estimator's evaluations, whose event files are in eval_validation/
OF_A_RUN = (
    CONFIG,
    EVALUATED,
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
    "samples",
    CLASSES,
    "projector_config.pbtxt",
    "tmp_worker_*",
    "projector",
    *LOCKS,
)
# Unfinished files of a killed training: TensorFlow's names, and the names of `files.atomic_path`.
UNFINISHED = tuple(name + ".tmp*" for name in ("checkpoint", "graph.pbtxt", "model.ckpt-*")) + (
    "model.ckpt-*.tempstate*",
    "model.ckpt-*_temp*",
    ".*.json.????????",
)

AnyConfig = Union[Config, PriorConfig]


class Checkpoint(NamedTuple):
    """The path of a checkpoint, without the suffix of its files, and its step."""

    path: str
    step: int


def load_config(model_dir: str, kind: Any = Config) -> Any:
    """Reads the configuration of a run, a `kind`.

    Raises:
      VQError: the folder has no valid configuration.
    """
    path = os.path.join(model_dir, CONFIG)
    try:
        text = read_text(path)
    except (OSError, ValueError) as e:
        reason = getattr(e, "strerror", None) or str(e)
        raise VQError(f"model_dir: got {model_dir!r}, expected a run folder with a {CONFIG} ({reason})") from None
    return config_lib.from_json(text, path, kind)


def keep_class_names(model_dir: str, names: Sequence[str]) -> None:
    """Writes the names of the classes, if there are any."""
    if names:
        write_json(os.path.join(model_dir, CLASSES), list(names))


def class_names(model_dir: str, config: Config) -> Tuple[str, ...]:
    """Reads the names of a run's classes, safe for printing; () if they are unknown.

    These are the names that `keep_class_names` wrote, or else those of the run's published data set.
    """
    published = {FSDD: fsdd.DIGITS, **{name: spec.class_names for name, spec in catalogue.DATASETS.items()}}
    try:
        names = read_json(os.path.join(model_dir, CLASSES))
    except (OSError, ValueError):
        return published.get(config.dataset, ())
    known = isinstance(names, list) and all(isinstance(name, str) for name in names)
    return tuple(one_line(name) for name in names) if known else ()


def check_resumable(model_dir: str, config: AnyConfig) -> None:
    """Checks that `config` can resume the run in a folder.

    Args:
      model_dir: the run directory.
      config: a Config, or the PriorConfig of a prior in its own folder.

    Raises:
      VQError: the configurations differ; the message has the differences.
    """
    old = load_config(model_dir, type(config))
    if (
        isinstance(config, Config) and old.dataset_source is None
    ):  # an imported run has no data yet and takes the first that it gets
        old = dataclasses.replace(old, dataset_source=config.dataset_source)
    changed = config_lib.differences(old, config)
    if changed:
        if isinstance(config, PriorConfig):
            what, hint = "prior", "--overwrite removes that prior, and only it, and trains a new one"
        else:
            what, hint = "run", "choose another --model_dir, or --overwrite to remove the run and train a new one"
        raise VQError("{} holds a {} that differs: {}; {}".format(model_dir, what, "; ".join(changed), hint))


def check_name(model_dir: str) -> None:
    """Checks that checkpoints can be written to a folder; TensorFlow takes their path for a glob pattern.

    Raises:
      VQError: the name has a special character of a pattern, or is not UTF-8.
    """
    if any(c in model_dir for c in PATTERN):
        shown = " ".join(PATTERN)
        raise VQError(f"model_dir: got {model_dir!r}, expected a path without any of {shown} to train in")
    if not is_utf8(model_dir):
        raise VQError(f"model_dir: got {model_dir!r}, expected a path in UTF-8 to train in")


def prepare(model_dir: str, config: AnyConfig, replaces: bool = False) -> int:
    """Prepares a folder for training and returns the step that training starts from.

    A new or empty folder gets `config.json`. A run with the same configuration is resumed. Anything else is refused.

    Args:
      model_dir: the folder.
      config: the Config or PriorConfig to train.
      replaces: an old run has been moved aside (`beginning`), so the folder need not be empty.

    Raises:
      VQError: the folder holds another run or other files, or cannot be written to.
    """
    check_name(model_dir)
    path = os.path.join(model_dir, CONFIG)
    try:
        if os.path.isfile(path):
            check_resumable(model_dir, config)
        elif not replaces and os.path.isdir(model_dir) and _others(model_dir):
            raise VQError(f"model_dir: got {model_dir!r}, which is not empty and no run (no {CONFIG}); choose another")
        os.makedirs(model_dir, exist_ok=True)
        _sweep(model_dir)
        latest = latest_checkpoint(model_dir)
        _refuse_stripped(model_dir, latest, config)
        write_text(path, config_lib.to_json(config))
    except OSError as e:
        raise VQError(f"model_dir: can't write {model_dir!r}: {e.strerror or e}") from None
    _make_latest(model_dir, latest)
    return latest.step if latest else 0


def _others(model_dir: str) -> List[str]:
    """Returns the names in a folder, without the lock files."""
    return [n for n in os.listdir(model_dir) if not any(fnmatch.fnmatch(n, pattern) for pattern in LOCKS)]


def _refuse_stripped(model_dir: str, latest: Optional[Checkpoint], config: AnyConfig) -> None:
    """Raises a VQError if training would resume from a checkpoint without the optimizer's variables."""
    if latest and latest.step < config.train.max_steps and "beta1_power" not in CheckpointReader(latest.path).shapes:
        raise VQError(
            f"model_dir: the checkpoint of step {latest.step} in {model_dir!r} has weights alone, like a provided "
            f"model, expected the optimizer's variables too; begin another run with --warm_start={model_dir}"
        )


def _sweep(model_dir: str) -> None:
    """Removes the unfinished files of a killed training, and incomplete checkpoints."""
    for folder in (model_dir, os.path.join(model_dir, BEST)):
        for name in os.listdir(folder) if os.path.isdir(folder) else ():
            part = re.match(r"model\.ckpt-\d+\.", name)
            rest = part and not os.path.isfile(os.path.join(folder, part.group() + "index"))
            if rest or any(fnmatch.fnmatch(name, pattern) for pattern in UNFINISHED):
                remove(os.path.join(folder, name))


def _make_latest(model_dir: str, latest: Optional[Checkpoint]) -> None:
    """Writes the file `checkpoint` with the latest and the older checkpoints, whatever it contained before.

    An Estimator resumes from the latest one and later removes the others.
    """
    older = [path for step, path in _numbered(model_dir) if latest and step <= latest.step]
    if latest and older:
        tf.train.update_checkpoint_state(model_dir, latest.path, all_model_checkpoint_paths=older)
    elif os.path.lexists(os.path.join(model_dir, "checkpoint")):
        os.remove(os.path.join(model_dir, "checkpoint"))


def _numbered(model_dir: str) -> List[Tuple[int, str]]:
    """Returns (step, path) of each checkpoint in a folder, oldest first."""
    names = [re.fullmatch(r"(model\.ckpt-(\d+))\.index", name) for name in os.listdir(model_dir)]
    return sorted((int(m.group(2)), os.path.join(model_dir, m.group(1))) for m in names if m)


def remove(path: str) -> None:
    """Removes a file, a link, or a folder with its contents."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        os.remove(path)


def latest_checkpoint(model_dir: str) -> Optional[Checkpoint]:
    """Finds the newest intact checkpoint, or None if there are no checkpoints; warns about damaged ones.

    It looks at the files themselves, because a kill can leave the file `checkpoint` behind.

    Raises:
      VQError: all checkpoints are damaged.
    """
    damaged = []
    for _, path in reversed(_numbered(model_dir) if os.path.isdir(model_dir) else []):
        try:
            found = read_checkpoint(path)
        except VQError as e:
            damaged.append(e)
            continue
        for problem in damaged:
            log.warning("%s; taking that of step %d", problem, found.step)
        return found
    if damaged:
        raise damaged[0]
    return None


def read_checkpoint(path: str) -> Checkpoint:
    """Reads and checks every tensor of a checkpoint, and returns the checkpoint with its step.

    Raises:
      VQError: the checkpoint cannot be read.
    """
    stored = CheckpointReader(path)
    stored.check()
    if stored.shapes.get("global_step") != []:
        raise VQError(f"checkpoint: {path!r} can't be read (no global_step in it)")
    step = int(stored.value("global_step", tf.int64))
    if step < 0:
        raise VQError(f"checkpoint: {path!r} is of step {step}, expected 0 or more")
    return Checkpoint(path, step)


def find_checkpoint(model_dir: str, which: str = "latest") -> Checkpoint:
    """Finds a checkpoint of a run.

    Args:
      model_dir: the run directory.
      which: "latest", "best" (by validation) or the path of a checkpoint.

    Raises:
      VQError: there is no such checkpoint.
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
                f"checkpoint: {model_dir!r} has no best one (no evaluation in training, or a provided model, which has "
                "one checkpoint); expected latest or a path"
            )
        return read_checkpoint(os.path.join(model_dir, BEST, best["checkpoint"]))
    for suffix in (".index", ".meta"):
        which = which[: -len(suffix)] if which.endswith(suffix) else which
    if not os.path.isfile(which + ".index"):
        raise VQError(f"checkpoint: got {which!r}, expected latest, best or the path of a checkpoint")
    return read_checkpoint(which)


def checkpoint_files(checkpoint: str) -> List[str]:
    """Returns the paths of a checkpoint's data and index files, sorted."""
    folder, name = os.path.split(checkpoint)
    kept = [n for n in os.listdir(folder or ".") if n.startswith((name + ".data-", name + ".index"))]
    return [os.path.join(folder, n) for n in sorted(kept)]


def fingerprint(checkpoint: str) -> str:
    """The SHA-256 of a checkpoint's files, which tells it from another one of the same step."""
    digest = hashlib.sha256()
    for path in checkpoint_files(checkpoint):
        with open_regular(path) as f:
            for chunk in parts(f):
                digest.update(chunk)
    return digest.hexdigest()


def load_best(model_dir: str) -> Optional[dict]:
    """Reads the file that `keep_best` wrote; None if it does not exist or, with a warning, if it is damaged."""
    path = os.path.join(model_dir, BEST, "best.json")
    try:
        best = read_json(path)
        name, step, value = best["checkpoint"], best["global_step"], best["value"]
        # Only a plain name: TensorFlow would take others for a pattern or for a path outside the folder.
        good = re.fullmatch(r"[\w-][\w.-]*", name) and isinstance(best["metric"], str)
        good = good and type(step) is int and 0 <= step < 2**63
        if not good or type(value) not in (int, float) or not abs(value) <= MAX_VALUE:
            raise ValueError("no checkpoint with a step and a value")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as e:
        log.warning("%s is damaged and left aside: %s", path, one_line(str(e)))
        return None
    return best


def keep_best(model_dir: str, checkpoint: str, step: int, metric: str, value: float) -> bool:
    """Copies the checkpoint to `best/` if `value` is the lowest so far, and returns whether it was.

    The value is stored in `best/best.json`, so it survives restarts.
    """
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


def keep_evaluated(model_dir: str, step: int) -> None:
    """Records that the checkpoint of `step` was evaluated."""
    write_json(os.path.join(model_dir, EVALUATED), {"global_step": step})


def evaluated(model_dir: str) -> int:
    """Reads the step that `keep_evaluated` recorded; 0 if there is no valid one."""
    try:
        step = read_json(os.path.join(model_dir, EVALUATED))["global_step"]
    except (OSError, ValueError, TypeError, KeyError):
        return 0
    return step if type(step) is int and 0 <= step < 2**63 else 0
