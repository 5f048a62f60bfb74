"""A trained run, opened once: its model in one graph and one session."""

import contextlib
from typing import Any, Callable, Dict, Hashable, Iterator, NamedTuple, Optional, Sequence, Tuple

import numpy as np
import tensorflow.compat.v1 as tf
from tensorflow.core.protobuf import config_pb2

from vq_estimator.config import Config
from vq_estimator.data import batching
from vq_estimator.data.speech import AnySource
from vq_estimator.errors import VQError
from vq_estimator.inference.examples import Batch, Examples
from vq_estimator.inference.interruption import close_session
from vq_estimator.inference.trained_prior import TrainedPrior, find_or_warn
from vq_estimator.inference.weights import load_variables
from vq_estimator.models import vqvae
from vq_estimator.nn.code_prior import CodePrior
from vq_estimator.nn.likelihoods import Likelihood
from vq_estimator.progress import ProgressBar
from vq_estimator.training import averaging, checkpoints, precision, run_folder
from vq_estimator.training.checkpoints import Checkpoint, fingerprint


class Tensors(NamedTuple):
    """Inputs and outputs of a model.

    Attributes:
      images: the placeholder uint8 [B, H, W, C].
      speakers: the placeholder int32 [B]; image models ignore it.
      codes: the codes of the images, int32 [B, h, w, L]; other codes can be fed instead.
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
    session becomes the default one. After `close()` every use of the session is a VQError.

    Attributes:
      config, checkpoint: the run's configuration and checkpoint.
      model_dir: the run directory, or "".
      networks: the caller's networks, of a run that has some.
      graph, vqvae: the graph, and the model in it.
      keeps_results: whether results are written to `model_dir`.
      loaded: for each checkpoint's path the names of the tensors that were loaded from it.
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
        """Makes the graph; the session is opened later.

        Args:
          config, checkpoint, model_dir: the run.
          prior: the trained prior; None takes the best one in the run directory.
          settings: the session's settings.
          networks: the caller's own networks.
        """
        self.config, self.checkpoint, self.model_dir, self.networks = config, checkpoint, model_dir, networks
        self.keeps_results, self.loaded = bool(model_dir), {}  # type: bool, Dict[str, Set[str]]
        self._settings, self._closed, self._open = settings, False, None  # type: Any, bool, Optional[tf.Session]
        self._made: Dict[Hashable, Any] = {} if prior is None else {"prior": prior}
        self._callables: Dict[Hashable, Callable[..., np.ndarray]] = {}
        self.graph = tf.Graph()
        with self.graph.as_default():
            tf.set_random_seed(config.train.seed)  # no draw depends on it, but determinism requires one
            self.vqvae = vqvae.make(config.model, config.train.seed, networks)

    def _once(self, key: Hashable, make: Callable[[], Any]) -> Any:
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    @property
    def prior(self) -> Optional[TrainedPrior]:
        """The trained prior of this checkpoint's codes, or None; warns about a prior of another checkpoint."""
        return self._once("prior", lambda: find_or_warn(self.model_dir, self.checkpoint) if self.model_dir else None)

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the checkpoint's files."""
        return self._once("fingerprint", lambda: fingerprint(self.checkpoint.path))

    @property
    def code_prior(self) -> CodePrior:
        """The network of `prior`, which must not be None. Only the function passed to `op` may use it."""
        return self._once("code_prior", lambda: CodePrior.of(self.prior.config.network, self.prior.config.codes))

    def connect(self) -> Tensors:
        """Returns the model's inputs and outputs; all variables of the VQ-VAE are created with them."""

        def build():
            images = tf.placeholder(tf.uint8, (None, *self.config.model.shape))
            speakers, codes = tf.placeholder(tf.int32, [None]), self.vqvae.encode(images)
            return Tensors(images, speakers, codes, self.vqvae.likelihood(codes, images, speakers))

        return self.op("connect", build)

    @property
    def session(self) -> tf.Session:
        """The session, opened by its first use.

        Raises:
          VQError: the run is closed, or this machine lacks the precision.
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
        key = (fetch.name, *(t.name for t in feeds))
        if key not in self._callables:
            self._callables[key] = make()
        return self._callables[key]

    def op(self, key: Hashable, build: Callable[[], Any]) -> Any:
        """Returns what `build()` adds to the graph, which it does once per `key`.

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
        """Returns a split as the model sees it; a batch of recordings has one complete recording.

        `batch_size` None takes as many images as fit in memory.
        """
        size = batch_size or batching.evaluation_batch(self.config.model.dims)

        def batches():
            return self.dataset_batches(lambda: source.evaluation_dataset(self.config, split, size))

        return Examples(split, source.count(split), batches, f"{source.name}:{split}", source.name)

    def dataset_batches(self, make_dataset: Callable[[], tf.data.Dataset]) -> Iterator[Batch]:
        """Yields the batches of a dataset of the model's features, such as {"image": uint8 [B, H, W, C]}."""
        with tf.Graph().as_default() as graph:
            tf.set_random_seed(self.config.train.seed)
            features = tf.data.make_one_shot_iterator(make_dataset()).get_next()
            images, speakers = self.vqvae.unpack_features(features)
            tensors = {"images": images, "labels": features.get("label"), "speakers": speakers}
            tensors = {name: tensor for name, tensor in tensors.items() if tensor is not None}
        settings = tf.ConfigProto(device_count={"GPU": 0})
        with contextlib.closing(tf.Session(graph=graph, config=settings)) as session:
            for values in batching.elements(session, tensors):
                yield Batch(**values)

    def batches(self, examples: Examples, fetch: Any, title: str) -> Iterator[Tuple[Batch, Any]]:
        """Yields each batch of examples and the values of the tensors `fetch` for it, with a progress bar."""
        t = self.connect()
        with ProgressBar(total=examples.total, unit=self.config.model.example, desc=f"{title} {examples.name}") as bar:
            for batch in examples.batches():
                fed = {t.images: batch.images, t.speakers: batch.speakers, t.codes: batch.codes}
                yield batch, self.session.run(fetch, {key: value for key, value in fed.items() if value is not None})
                bar.update(len(batch.images))

    def check_open(self) -> None:
        """Raises VQError after `close()`."""
        if self._closed:
            raise VQError("model: got a call after close(), expected an open model; open it again")

    def close(self) -> None:
        """Frees the session. A second call does nothing."""
        self._closed, session, self._open = True, self._open, None
        self._callables.clear()  # TensorFlow complains about one that is freed at the end of the process
        if session is not None:
            close_session(session)

    def __enter__(self):
        return self

    def __exit__(self, *error) -> None:
        self.close()


def open_run(model_dir: str, which: str = "latest") -> OpenRun:
    """Opens the run in `model_dir` at the checkpoint `which`: "latest", "best" or a path.

    Raises:
      VQError: there is no such run or checkpoint.
    """
    config = run_folder.load_config(model_dir)
    return OpenRun(config, checkpoints.find_checkpoint(model_dir, which), model_dir)
