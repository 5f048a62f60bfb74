"""The checkpoints in a run directory: how they are found, read and fingerprinted, and the best one by validation."""

import hashlib
import logging
import os
import re
import shutil
from typing import List, NamedTuple, Optional, Tuple

import tensorflow.compat.v1 as tf

from vq_estimator.data.files import open_regular, parts, read_json, write_json
from vq_estimator.errors import VQError, one_line
from vq_estimator.training.checkpoint_reader import CheckpointReader

log = logging.getLogger("vq_estimator")

EVALUATED = "evaluated.json"  # the step of the last evaluation during training
BEST = "best"
MAX_VALUE = 1e300  # largest value of a metric


class Checkpoint(NamedTuple):
    """The path of a checkpoint, without the suffix of its files, and its step."""

    path: str
    step: int


def numbered(model_dir: str) -> List[Tuple[int, str]]:
    """Returns (step, path) of each checkpoint in a folder, oldest first."""
    names = [re.fullmatch(r"(model\.ckpt-(\d+))\.index", name) for name in os.listdir(model_dir)]
    return sorted((int(m.group(2)), os.path.join(model_dir, m.group(1))) for m in names if m)


def latest_checkpoint(model_dir: str) -> Optional[Checkpoint]:
    """Finds the newest intact checkpoint, or None if there are no checkpoints; warns about damaged ones.

    It looks at the files themselves, because a kill can leave the file `checkpoint` behind.

    Raises:
      VQError: all checkpoints are damaged.
    """
    damaged = []
    for _, path in reversed(numbered(model_dir) if os.path.isdir(model_dir) else []):
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
