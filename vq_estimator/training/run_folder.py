"""Run directories: what they hold, and how one is prepared for training."""

import dataclasses
import fnmatch
import logging
import os
import re
import shutil
from typing import Any, List, Optional, Sequence, Tuple, Union

import tensorflow.compat.v1 as tf

from vq_estimator import config as config_lib
from vq_estimator.config import FSDD, Config, PriorConfig, catalogue
from vq_estimator.data import fsdd
from vq_estimator.data.files import read_json, read_text, write_json, write_text
from vq_estimator.errors import VQError, one_line
from vq_estimator.training.checkpoint_reader import PATTERN, CheckpointReader, is_utf8
from vq_estimator.training.checkpoints import BEST, EVALUATED, Checkpoint, latest_checkpoint, numbered
from vq_estimator.training.lock import LOCKS

log = logging.getLogger("vq_estimator")

CONFIG = "config.json"
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
        raise VQError(f"model_dir: got {model_dir!r}, expected a run directory with a {CONFIG} ({reason})") from None
    try:
        return config_lib.from_json(text, path, kind)
    except VQError:
        if kind is Config and _is_prior(text, path):
            run = os.path.dirname(os.path.abspath(model_dir))
            raise VQError(f"model_dir: got {model_dir!r}, the prior of a run, expected the run: {run!r}") from None
        raise


def _is_prior(text: str, path: str) -> bool:
    """Whether a text is the configuration of a prior."""
    try:
        config_lib.from_json(text, path, PriorConfig)
    except VQError:
        return False
    return True


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
    older = [path for step, path in numbered(model_dir) if latest and step <= latest.step]
    if latest and older:
        tf.train.update_checkpoint_state(model_dir, latest.path, all_model_checkpoint_paths=older)
    elif os.path.lexists(os.path.join(model_dir, "checkpoint")):
        os.remove(os.path.join(model_dir, "checkpoint"))


def remove(path: str) -> None:
    """Removes a file, a link, or a folder with its contents."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        os.remove(path)
