"""A trained model in one graph and one session."""

import contextlib
import threading
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple

import numpy as np
import tensorflow.compat.v1 as tf
from tqdm import tqdm

from vq_estimator.config import Config, PriorConfig
from vq_estimator.data import pipeline
from vq_estimator.data.speech import AnySource
from vq_estimator.errors import VQError
from vq_estimator.models import vqvae
from vq_estimator.nn.code_prior import CodePrior
from vq_estimator.nn.module import static_shape
from vq_estimator.training import averaging, precision
from vq_estimator.training.checkpoint_reader import CheckpointReader
from vq_estimator.training.run_folder import Checkpoint


class Restored(NamedTuple):
    """An open session and what `build` returned for it."""

    session: tf.Session
    tensors: Any


class TrainedPrior(NamedTuple):
    """A prior over a run's codes: its configuration and its checkpoint."""

    config: PriorConfig
    checkpoint: Checkpoint


class Closeable:
    """What holds a session, `_session`: a context too, which ends with its `close()`.

    After `close()` whatever needs the session is a VQError; a second `close()` does nothing.
    """

    _open: Optional[tf.Session] = None

    def check_open(self) -> None:
        """Raises VQError after `close()`."""
        if self._open is None:
            raise VQError("model: got a call after close(), expected an open model; open it anew")

    @property
    def _session(self) -> tf.Session:
        self.check_open()
        return self._open

    @_session.setter
    def _session(self, session: tf.Session) -> None:
        self._open = session

    def close(self) -> None:
        """Frees the session."""
        session, self._open = self._open, None
        if session is not None:
            close_session(session)

    def __enter__(self):
        return self

    def __exit__(self, *error) -> None:
        self.close()


def open_session(
    config: Config,
    checkpoint: str,
    build: Callable,
    prior: Optional[TrainedPrior] = None,
    settings: Optional[tf.ConfigProto] = None,
) -> Restored:
    """Builds `build(model)` in a graph of its own and restores the model's variables from `checkpoint`.

    With a prior it is `build(model, its CodePrior)`, and the prior's variables are restored from its own checkpoint.
    Neither graph nor session becomes the default one; who opens it closes it. `settings` are the session's.

    Raises:
      VQError: a checkpoint does not fit its configuration, or the precision can't be had here.
    """
    precision.check(config.model.precision)
    with tf.Graph().as_default() as graph:
        tf.set_random_seed(config.train.seed)  # no draw depends on it, but a deterministic process wants one
        model, parts, of_prior = vqvae.make(config.model, config.train.seed), [], set()
        if prior is None:
            tensors = build(model)
        else:
            code_prior = CodePrior.of(prior.config.network, prior.config.codes)
            tensors = build(model, code_prior)
            of_prior = {v.op.name for v in code_prior.variables}
            parts.append((prior.checkpoint.path, prior.config.optimizer, code_prior.variables))
        rest = [v for v in tf.global_variables() if v.op.name not in of_prior]
        if rest:
            parts.append((checkpoint, config.optimizer, rest))
        trainable, session = tf.trainable_variables(), tf.Session(graph=graph, config=settings)
        try:
            for path, optimizer, own in parts:
                load_variables(session, path, averaging.restore_map(own, trainable, optimizer.average_decay))
        except BaseException:
            session.close()
            raise
        return Restored(session, tensors)


_ABANDONED = []  # events: the ends of those calls of `interruptible` that Ctrl-C left at work


def interruptible(run: Callable, *arguments) -> Any:
    """What `run(*arguments)` returns or raises, from a thread, so that Ctrl-C is heard while TensorFlow works for long.

    After a KeyboardInterrupt the thread may be at work until the process ends; `close_session` closes its session.
    """
    result, error = [], []
    ended = threading.Event()  # a thread whose join() is interrupted says from then on that it is not alive

    def work():
        try:
            result.append(run(*arguments))
        except BaseException as e:  # raised where it was asked for
            error.append(e)
        finally:
            ended.set()

    threading.Thread(target=work, daemon=True).start()
    try:
        while not ended.wait(0.1):
            pass
    except KeyboardInterrupt:
        _ABANDONED.append(ended)
        raise
    if error:
        raise error[0]
    return result[0]


def close_session(session: tf.Session) -> None:
    """Closes a session; after a Ctrl-C it waits no longer than a second, since XLA's loops can't be stopped.

    Otherwise it waits for all: a thread that comes back from TensorFlow while Python ends aborts the process.
    """
    if all(ended.is_set() for ended in _ABANDONED):
        session.close()
        return
    thread = threading.Thread(target=session.close, daemon=True)
    thread.start()
    thread.join(1.0)


@contextlib.contextmanager
def session_scope(
    config: Config, checkpoint: str, build: Callable, prior: Optional[TrainedPrior] = None
) -> Iterator[Restored]:
    """`open_session` as a context: its graph and session are the default ones inside, and closed after it."""
    found = open_session(config, checkpoint, build, prior)
    try:
        with found.session.graph.as_default(), found.session.as_default():
            yield found
    finally:
        close_session(found.session)


def load_variables(session: tf.Session, checkpoint: str, variables: Dict[str, tf.Variable]) -> None:
    """Loads each variable from the tensor of its name; one stored as float16 becomes what the variable is.

    Raises:
      VQError: a tensor is missing, of another shape, or can't be read.
    """
    assign, feed = assignments(checkpoint, variables)
    session.run(assign, feed)


def assignments(
    checkpoint: str, variables: Dict[str, tf.Variable]
) -> Tuple[List[tf.Operation], Dict[tf.Tensor, np.ndarray]]:
    """The ops that load variables, and what they are fed.

    A Saver would restore a resource variable from a tensor of another shape without a word.

    Raises:
      VQError: a tensor is missing, of another shape, or can't be read.
    """
    stored = CheckpointReader(checkpoint, "; name another one with --checkpoint")
    for name, variable in variables.items():
        found, want = stored.shapes.get(name), static_shape(variable)
        if found != want:
            got = f"no {name}" if found is None else f"{name} of shape {found}"
            raise VQError(f"checkpoint: {checkpoint!r} does not fit config.json: got {got}, expected shape {want}")
    assign, feed = [], {}
    for name, variable in variables.items():
        # Not its initial value's tensor: an EMA codebook and its sums have one between them.
        given = tf.placeholder(variable.dtype.base_dtype, static_shape(variable))
        assign.append(variable.assign(given).op)
        feed[given] = stored.value(name, variable.dtype.base_dtype)
    return assign, feed


def features_of(config: Config, source: AnySource, split: str, batch_size: int) -> Dict[str, tf.Tensor]:
    """A split as the run sees it, the next batch at each run of the graph: `image` uint8 [B, H, W, C], `label` [B].

    Of recordings one, whole: `audio` uint8 [1, T], `speaker` and `label` [1].
    """
    return tf.data.make_one_shot_iterator(source.evaluation_dataset(config, split, batch_size)).get_next()


def batches(
    config: Config, checkpoint: str, source: AnySource, split: str, fetch: Callable, title: str
) -> Iterator[Tuple[Any, Any]]:
    """One pass over a split with a progress bar: (images, values of `fetch(features, model)`) a batch."""

    def build(model):
        features = features_of(config, source, split, pipeline.evaluation_batch(config.model.dims))
        return model.unpack_features(features)[0], fetch(features, model)

    total, unit = source.count(split), config.model.example
    with session_scope(config, checkpoint, build) as (session, tensors), tqdm(
        total=total, unit=unit, desc=title
    ) as bar:
        step = session.make_callable(tensors)
        seen = 0  # not bar.n, which stands still where the bar is disabled
        while seen < total:
            images, values = step()
            yield images, values
            seen += len(images)
            bar.update(len(images))
