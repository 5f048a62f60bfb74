"""Warm start: training from the weights of another run."""

import logging
from typing import Callable, Dict, Iterator, List, Optional, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from vq_estimator.errors import VQError
from vq_estimator.nn.module import static_shape
from vq_estimator.nn.quantizers.codebooks import CODEBOOK, EMA_COUNT, EMA_SUM
from vq_estimator.training import averaging, checkpoints, run_folder
from vq_estimator.training.checkpoint_reader import CheckpointReader
from vq_estimator.training.checkpoints import Checkpoint

MAX_NAMES = 20  # of variables in a message
log = logging.getLogger("vq_estimator")


def of_run(model_dir: str) -> Checkpoint:
    """Finds the newest checkpoint of a run.

    Raises:
      VQError: the run does not exist or has no checkpoint.
    """
    try:
        run_folder.load_config(model_dir)  # raises if it is not a run
        return checkpoints.find_checkpoint(model_dir)
    except VQError as e:
        raise VQError(f"warm_start: {e}") from None


class Loader:
    """Loads the weights of a run that fit the variables of a graph; the optimizer's variables are not loaded.

    Make it before the optimizer, and call `init_fn` after the optimizer. Averaged weights are loaded if the source has
    them.
    """

    def __init__(self, source: Checkpoint):
        step = tf.train.get_or_create_global_step()
        self._source, self._variables = source, [v for v in tf.global_variables() if v is not step]

    def init_fn(self) -> Callable:
        """Returns the init_fn of a Scaffold, which is called if the run has no checkpoint.

        Raises:
          VQError: the source cannot be read, or most variables have no counterpart with the same name and shape.
        """
        path = self._source.path
        source = CheckpointReader(path, "; it is that of --warm_start")
        stored = {}  # variables by their names in the source, which are those of the averages if it has them
        for variable in self._variables:
            average = variable.op.name + averaging.SUFFIX
            stored[average if average in source.shapes else variable.op.name] = variable
        averages = {v.op.name: v for v in tf.global_variables() if v.op.name.endswith(averaging.SUFFIX)}
        assign, feed, fresh, loaded = [], {}, {}, {}
        for name, variable in stored.items():
            shape, there = static_shape(variable), source.shapes.get(name)
            if shape != there:
                fresh[variable.op.name] = f"{shape} ({'not there' if there is None else f'there {there}'})"
                continue
            value = loaded[variable.op.name] = source.value(name, variable.dtype.base_dtype)
            for target in (variable, averages.get(variable.op.name + averaging.SUFFIX)):
                if target is not None:
                    _assign(target, value, assign, feed)
        for variable, value in _statistics(self._variables, loaded):
            _assign(variable, value, assign, feed)
        of = f"{len(stored) - len(fresh)} of {len(stored)} variables"
        if 2 * len(fresh) > len(stored):
            one = next(iter(fresh))
            raise VQError(f"warm_start: got {path!r}, which fits {of}, {one} not; expected a run of this network")
        new = [f"{name} {shapes}" for name, shapes in fresh.items()]
        more = f" and {len(new) - MAX_NAMES} more" if len(new) > MAX_NAMES else ""
        log.info("warm start: %s from %s%s", of, path, f"; new: {', '.join(new[:MAX_NAMES])}{more}" if new else "")
        if any(name.split("/")[-1] == CODEBOOK for name in fresh):
            log.warning("warm start: the codebook begins at random; --kmeans_init_steps=10 starts it from the data")
        return lambda scaffold, session: session.run(assign, feed)


def _statistics(
    variables: List[tf.Variable], loaded: Dict[str, np.ndarray]
) -> Iterator[Tuple[tf.Variable, np.ndarray]]:
    """Yields initial statistics of EMA codebooks whose entries were loaded, but whose statistics were not.

    Otherwise the first step would move the entries to the sums of the random initial codebook.
    """
    for variable in variables:
        scope, _, kind = variable.op.name.rpartition("/")
        entries, statistics = loaded.get(scope + "/" + CODEBOOK), {scope + "/" + name for name in (EMA_COUNT, EMA_SUM)}
        if kind in (EMA_COUNT, EMA_SUM) and entries is not None and not statistics <= set(loaded):
            yield variable, entries if kind == EMA_SUM else np.ones(entries.shape[:-1], entries.dtype)


def _assign(variable: tf.Variable, value: np.ndarray, assign: list, feed: dict) -> None:
    given = tf.placeholder(variable.dtype.base_dtype, value.shape)
    assign.append(variable.assign(given).op)
    feed[given] = value


def loader(source: Optional[Checkpoint]) -> Optional[Loader]:
    """Returns a Loader, or None without a source."""
    return None if source is None else Loader(source)
