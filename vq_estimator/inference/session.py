"""A trained run, opened once: its model in one graph and one session."""

import contextlib
import threading
from typing import Any, Callable, Dict, Hashable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np
import tensorflow.compat.v1 as tf
from tensorflow.core.protobuf import config_pb2
from tqdm import tqdm

from vq_estimator.config import Config
from vq_estimator.data import pipeline
from vq_estimator.data.speech import AnySource
from vq_estimator.errors import VQError
from vq_estimator.inference.trained_prior import TrainedPrior, find_or_warn
from vq_estimator.models import vqvae
from vq_estimator.nn.code_prior import CodePrior
from vq_estimator.nn.likelihoods import Likelihood
from vq_estimator.nn.module import static_shape
from vq_estimator.training import averaging, precision, run_folder
from vq_estimator.training.checkpoint_reader import CheckpointReader
from vq_estimator.training.run_folder import Checkpoint, fingerprint


class Batch(NamedTuple):
    """Examples as a model sees them.

    Attributes:
      images: uint8 [B, H, W, C]; a recording is [1, 1, T, 1].
      labels: int32 [B], or None where they are unknown.
      speakers: int32 [B], or None where there are none.
      codes: int32 [B, h, w, L] to decode the images from in place of their own, or None.
      files: text [B], the path of each below its folder; None where they are no files.
    """

    images: np.ndarray
    labels: Optional[np.ndarray] = None
    speakers: Optional[np.ndarray] = None
    codes: Optional[np.ndarray] = None
    files: Optional[np.ndarray] = None


class Examples(NamedTuple):
    """Where batches come from.

    Attributes:
      name: of the examples: the split's, or that of a folder or file.
      total: their number, unreadable files among them; None: unknown.
      batches: starts a pass over them.
      origin: a path, or <data set>:<split>.
      source: what the data set is called that they are a split of; None: they are of none.
    """

    name: str
    total: Optional[int]
    batches: Callable[[], Iterator[Batch]]
    origin: str = ""
    source: Optional[str] = None


class Tensors(NamedTuple):
    """What a model computes.

    Attributes:
      images: the placeholder uint8 [B, H, W, C].
      speakers: the placeholder int32 [B]; image models do without it.
      codes: the codes of the images, int32 [B, h, w, L]; other codes may be fed in their place.
      likelihood: p(x | z_q) of these codes at x = images.
    """

    images: tf.Tensor
    speakers: tf.Tensor
    codes: tf.Tensor
    likelihood: Likelihood


class OpenRun:
    """A trained run in one graph and one session. It is a context, and `close()` frees the session.

    Ops are added to the graph as they are needed, and the variables that they create are loaded from the checkpoint;
    those of the prior are loaded from its own checkpoint. The session is opened with the first op. Neither graph nor
    session becomes the default one. After `close()` whatever needs the session is a VQError.

    Attributes:
      config, checkpoint: the run's configuration and checkpoint.
      networks: the caller's networks, of a run that has some.
      model_dir: the run directory; "" where the run has none.
      graph, vqvae: the graph, and the model in it.
      keeps_results: whether results are written to `model_dir`.
      loaded: the names of the tensors that have been loaded from each checkpoint, by its path.
    """

    def __init__(
        self,
        config: Config,
        checkpoint: Checkpoint,
        model_dir: str = "",
        prior: Optional[TrainedPrior] = None,
        settings: Optional[tf.ConfigProto] = None,
        networks: vqvae.Networks = vqvae.OURS,
    ):
        """Opens nothing yet.

        Args:
          config, checkpoint, model_dir: the run.
          prior: the trained prior; None: the best one in the run directory.
          settings: the session's.
          networks: the caller's, of a run that has some.
        """
        self.config, self.checkpoint, self.model_dir, self.networks = config, checkpoint, model_dir, networks
        self.keeps_results, self.loaded = bool(model_dir), {}  # type: bool, Dict[str, Set[str]]
        self._settings, self._closed, self._open = settings, False, None  # type: Any, bool, Optional[tf.Session]
        self._made: Dict[Hashable, Any] = {} if prior is None else {"prior": prior}
        self.graph = tf.Graph()
        with self.graph.as_default():
            tf.set_random_seed(config.train.seed)  # no draw depends on it, but a deterministic process wants one
            self.vqvae = vqvae.make(config.model, config.train.seed, networks)

    def _once(self, key: Hashable, make: Callable[[], Any]) -> Any:
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    @property
    def prior(self) -> Optional[TrainedPrior]:
        """The trained prior; None where there is none of this checkpoint's codes, with a warning if it is another's."""
        return self._once("prior", lambda: find_or_warn(self.model_dir, self.checkpoint) if self.model_dir else None)

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the checkpoint's files."""
        return self._once("fingerprint", lambda: fingerprint(self.checkpoint.path))

    @property
    def code_prior(self) -> CodePrior:
        """The network of `prior`, which must not be None; for the function that `op` is given."""
        return self._once("code_prior", lambda: CodePrior.of(self.prior.config.network, self.prior.config.codes))

    def connect(self) -> Tensors:
        """The model's inputs and outputs. All variables of the VQ-VAE are created with them."""

        def build():
            images = tf.placeholder(tf.uint8, (None, *self.config.model.shape))
            speakers, codes = tf.placeholder(tf.int32, [None]), self.vqvae.encode(images)
            return Tensors(images, speakers, codes, self.vqvae.likelihood(codes, images, speakers))

        return self.op("connect", build)

    @property
    def session(self) -> tf.Session:
        """The session, opened by its first use.

        Raises:
          VQError: the run is closed, or the precision can't be had here.
        """
        self.check_open()
        if self._open is None:
            precision.check(self.config.model.precision)
            self._open = tf.Session(graph=self.graph, config=self._settings)
        return self._open

    def compiled(self, fetch: tf.Tensor, feeds: Sequence[tf.Tensor]) -> Callable[..., np.ndarray]:
        """Returns a function of arrays, one for each of `feeds`, that computes `fetch`.

        It is `session.run` without the work in Python that every call of it repeats: at batch 1 that work takes longer
        than a small network. The graph that is computed is the same.
        """

        def make():
            options = config_pb2.CallableOptions(feed=[t.name for t in feeds], fetch=[fetch.name])
            # make_callable with a feed_list calls run(). This is what Keras and tf.data use, in 1.15 and 2.
            call = self.session._make_callable_from_options(options)
            dtypes = [t.dtype.as_numpy_dtype for t in feeds]
            return lambda *values: call(*[np.asarray(v, dtype) for v, dtype in zip(values, dtypes)])[0]

        self.check_open()
        return self._once(("compiled", fetch.name, *(t.name for t in feeds)), make)

    def op(self, key: Hashable, build: Callable[[], Any]) -> Any:
        """What `build()` adds to the graph, once for each `key`.

        Raises:
          VQError: a checkpoint does not fit its configuration.
        """

        def make():
            with self.graph.as_default():
                built = build()
                self._load_new_variables()
                return built

        self.check_open()
        return self._once(("op", key), make)

    def _load_new_variables(self) -> None:
        own, of_prior, trainable = [], [], tf.trainable_variables()
        names = {v.op.name for v in self.code_prior.variables} if "code_prior" in self._made else ()
        for variable in tf.global_variables():
            (of_prior if variable.op.name in names else own).append(variable)
        parts = [(self.checkpoint.path, self.config.optimizer, own)]
        if of_prior:
            parts.append((self.prior.checkpoint.path, self.prior.config.optimizer, of_prior))
        for path, optimizer, variables in parts:
            named = averaging.restore_map(variables, trainable, optimizer.average_decay)
            loaded = self.loaded.setdefault(path, set())
            new = {name: variable for name, variable in named.items() if name not in loaded}
            if new:
                load_variables(self.session, path, new)
                loaded.update(new)

    def examples(self, source: AnySource, split: str, batch_size: Optional[int] = None) -> Examples:
        """A split as the run sees it, of recordings one whole recording a batch.

        `batch_size` None: as many images as there is memory for.
        """
        size = batch_size or pipeline.evaluation_batch(self.config.model.dims)

        def batches():
            return self.dataset_batches(lambda: source.evaluation_dataset(self.config, split, size))

        return Examples(split, source.count(split), batches, f"{source.name}:{split}", source.name)

    def dataset_batches(self, make_dataset: Callable[[], tf.data.Dataset]) -> Iterator[Batch]:
        """One pass over a dataset of the features that the model unpacks, such as {"image": uint8 [B, H, W, C]}."""
        with tf.Graph().as_default() as graph:
            tf.set_random_seed(self.config.train.seed)
            features = tf.data.make_one_shot_iterator(make_dataset()).get_next()
            images, speakers = self.vqvae.unpack_features(features)
            tensors = {"images": images, "labels": features.get("label"), "speakers": speakers}
            tensors = {name: tensor for name, tensor in tensors.items() if tensor is not None}
        settings = tf.ConfigProto(device_count={"GPU": 0})
        with contextlib.closing(tf.Session(graph=graph, config=settings)) as session:
            step = session.make_callable(tensors)
            while True:
                try:
                    batch = Batch(**step())
                except tf.errors.OutOfRangeError:
                    return
                yield batch

    def batches(self, examples: Examples, fetch: Any, title: str) -> Iterator[Tuple[Batch, Any]]:
        """One pass over examples with a progress bar: each batch, and the values of the tensors `fetch` for it."""
        t = self.connect()
        with tqdm(total=examples.total, unit=self.config.model.example, desc=f"{title} {examples.name}") as bar:
            for batch in examples.batches():
                fed = {t.images: batch.images, t.speakers: batch.speakers, t.codes: batch.codes}
                yield batch, self.session.run(fetch, {key: value for key, value in fed.items() if value is not None})
                bar.update(len(batch.images))

    def check_open(self) -> None:
        """Raises VQError after `close()`."""
        if self._closed:
            raise VQError("model: got a call after close(), expected an open model; open it anew")

    def close(self) -> None:
        """Frees the session. A second call does nothing."""
        self._closed, session, self._open = True, self._open, None
        if session is not None:
            close_session(session)

    def __enter__(self):
        return self

    def __exit__(self, *error) -> None:
        self.close()


def open_run(model_dir: str, which: str = "latest") -> OpenRun:
    """The run in `model_dir`, at the checkpoint `which`: "latest", "best" or a path.

    Raises:
      VQError: there is no such run or checkpoint.
    """
    config = run_folder.load_config(model_dir)
    return OpenRun(config, run_folder.find_checkpoint(model_dir, which), model_dir)


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
