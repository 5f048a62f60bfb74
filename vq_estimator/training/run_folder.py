"""A run's folder: its configuration, its checkpoints, and the best of them by validation."""

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
MAX_VALUE = 1e300  # of a metric
CLASSES = "classes.json"  # the names of the classes, where the data has some
EVAL_NAME = "validation"  # of the Estimator's evaluations, whose events are in eval_validation/
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
# What a killed training leaves of a file that it was writing: TensorFlow's names, and those of `files.atomic_path`.
UNFINISHED = tuple(name + ".tmp*" for name in ("checkpoint", "graph.pbtxt", "model.ckpt-*")) + (
    "model.ckpt-*.tempstate*",
    "model.ckpt-*_temp*",
    ".*.json.????????",
)

AnyConfig = Union[Config, PriorConfig]


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


def class_names(model_dir: str, config: Config) -> Tuple[str, ...]:
    """The names of a run's classes, fit to be printed; () where they are not known.

    They are what `keep_class_names` wrote, or without that those of the run's published data set.
    """
    published = {FSDD: fsdd.DIGITS, **{name: spec.class_names for name, spec in catalogue.DATASETS.items()}}
    try:
        names = read_json(os.path.join(model_dir, CLASSES))
    except (OSError, ValueError):
        return published.get(config.dataset, ())
    known = isinstance(names, list) and all(isinstance(name, str) for name in names)
    return tuple(one_line(name) for name in names) if known else ()


def check_resumable(model_dir: str, config: AnyConfig) -> None:
    """Raises VQError, with the difference, where the run in the folder is not one of `config` that can be resumed.

    `config`: a Config, or the PriorConfig of a prior in its own folder.
    """
    old = load_config(model_dir, type(config))
    if (
        isinstance(config, Config) and old.dataset_source is None
    ):  # imported, with no data: the first data becomes its own
        old = dataclasses.replace(old, dataset_source=config.dataset_source)
    changed = config_lib.differences(old, config)
    if changed:
        if isinstance(config, PriorConfig):
            what, hint = "prior", "--overwrite removes that prior, and only it, and starts anew"
        else:
            what, hint = "run", "choose another --model_dir, or --overwrite to remove the run and start anew"
        raise VQError("{} holds a {} that differs: {}; {}".format(model_dir, what, "; ".join(changed), hint))


def check_name(model_dir: str) -> None:
    """Refuses a folder that checkpoints can't be written to: TensorFlow takes their path for a pattern.

    Raises:
      VQError: it has one of a pattern's characters.
    """
    if any(c in model_dir for c in PATTERN):
        shown = " ".join(PATTERN)
        raise VQError(f"model_dir: got {model_dir!r}, expected a path without any of {shown} to train in")
    if not is_utf8(model_dir):
        raise VQError(f"model_dir: got {model_dir!r}, expected a path in UTF-8 to train in")


def prepare(model_dir: str, config: AnyConfig, replaces: bool = False) -> int:
    """Makes the folder ready to train `config`, a Config or PriorConfig, in; returns the step that it starts from.

    A new or empty folder gets `config.json`. A run with the same configuration is resumed. Anything else is refused,
    with the difference shown.

    Args:
      model_dir: the folder.
      config: what is trained.
      replaces: the run that was there has been moved aside (`beginning`); other files may be there.

    Raises:
      VQError: the folder holds another run, or something that is no run.
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
    """What is in a folder beside the locks of a training."""
    return [n for n in os.listdir(model_dir) if not any(fnmatch.fnmatch(n, pattern) for pattern in LOCKS)]


def _refuse_stripped(model_dir: str, latest: Optional[Checkpoint], config: AnyConfig) -> None:
    """A checkpoint without the optimizer's variables is refused where steps are to be made from it."""
    if latest and latest.step < config.train.max_steps and "beta1_power" not in CheckpointReader(latest.path).shapes:
        raise VQError(
            f"model_dir: the checkpoint of step {latest.step} in {model_dir!r} has weights alone, like a provided "
            f"model, expected the optimizer's variables too; begin another run with --warm_start={model_dir}"
        )


def _sweep(model_dir: str) -> None:
    """Removes what a killed training was writing: what never got its name, and checkpoints half removed."""
    for folder in (model_dir, os.path.join(model_dir, BEST)):
        for name in os.listdir(folder) if os.path.isdir(folder) else ():
            part = re.match(r"model\.ckpt-\d+\.", name)
            rest = part and not os.path.isfile(os.path.join(folder, part.group() + "index"))
            if rest or any(fnmatch.fnmatch(name, pattern) for pattern in UNFINISHED):
                remove(os.path.join(folder, name))


def _make_latest(model_dir: str, latest: Optional[Checkpoint]) -> None:
    """Has the file `checkpoint` name what `latest_checkpoint` found, and what is older.

    An Estimator goes on from the first and removes the others in time, so what the file said before is not looked at.
    """
    older = [path for step, path in _numbered(model_dir) if latest and step <= latest.step]
    if latest and older:
        tf.train.update_checkpoint_state(model_dir, latest.path, all_model_checkpoint_paths=older)
    elif os.path.lexists(os.path.join(model_dir, "checkpoint")):
        os.remove(os.path.join(model_dir, "checkpoint"))


def _numbered(model_dir: str) -> List[Tuple[int, str]]:
    """The step and path of each checkpoint in a folder, the oldest first."""
    names = [re.fullmatch(r"(model\.ckpt-(\d+))\.index", name) for name in os.listdir(model_dir)]
    return sorted((int(m.group(2)), os.path.join(model_dir, m.group(1))) for m in names if m)


def remove(path: str) -> None:
    """Removes a file, a link, or a folder with all that is in it."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        os.remove(path)


def latest_checkpoint(model_dir: str) -> Optional[Checkpoint]:
    """The newest checkpoint that is whole, or None where there is none at all. Damaged ones are named in warnings.

    Of the files that are there, not of the file `checkpoint`, which a kill can leave a step behind.

    Raises:
      VQError: there are some, and all of them are damaged.
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
    """Reads every tensor of a checkpoint, against its checksum, and so the step.

    Raises:
      VQError: no readable checkpoint is there.
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
    """The data and index files of a checkpoint, sorted."""
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
    """What `keep_best` wrote, or None; what is damaged is as good as none, with a warning."""
    path = os.path.join(model_dir, BEST, "best.json")
    try:
        best = read_json(path)
        name, step, value = best["checkpoint"], best["global_step"], best["value"]
        # A plain name: TensorFlow would take others for a pattern, or for a path that leads elsewhere.
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


def keep_evaluated(model_dir: str, step: int) -> None:
    """Notes that the checkpoint of `step` was evaluated."""
    write_json(os.path.join(model_dir, EVALUATED), {"global_step": step})


def evaluated(model_dir: str) -> int:
    """The step that `keep_evaluated` noted; 0 where there was none, or it is damaged."""
    try:
        step = read_json(os.path.join(model_dir, EVALUATED))["global_step"]
    except (OSError, ValueError, TypeError, KeyError):
        return 0
    return step if type(step) is int and 0 <= step < 2**63 else 0
