"""The trained model of a worker process, opened once; and the DoFns that use it."""

import abc
import contextlib
import logging
import threading
import weakref
from typing import Any, Iterable, Iterator, Optional

import apache_beam as beam
from apache_beam.typehints.decorators import IOTypeHints
from apache_beam.utils.shared import Shared

from vq_estimator.beam import storage
from vq_estimator.config import provided
from vq_estimator.data.bad_files import BadFiles
from vq_estimator.errors import VQError, one_line
from vq_estimator.estimators import load
from vq_estimator.training.checkpoints import fingerprint

log = logging.getLogger("vq_estimator")

ATTEMPTS = 2  # to process a shard, in a worker; a runner may repeat them elsewhere


@contextlib.contextmanager
def locate(run: str) -> Iterator[str]:
    """Yields the local directory of a run: its own, that of a provided model, or a temporary copy of one on a store.

    Raises:
      VQError: there is no such run.
    """
    if not storage.is_remote(run):
        yield provided.locate_run(run)
        return
    storage.check_scheme("run", run)
    with storage.local_tree(run) as folder:
        yield folder


class OpenModel:
    """A trained model in a process, and the lock of the thread that uses it."""

    def __init__(self, run: str, checkpoint: str):
        self.lock, self._stack = threading.RLock(), contextlib.ExitStack()
        folder = self._stack.enter_context(locate(run))
        self.model = self.open(folder, checkpoint)
        self.fingerprint = fingerprint(self.model.checkpoint.path)
        if hasattr(self.model, "close"):
            self._stack.callback(self.model.close)
        weakref.finalize(self, self._stack.close)  # at the latest when the process ends

    @staticmethod
    def open(folder: str, checkpoint: str) -> Any:
        """Opens the model in a run directory."""
        model = load(folder, checkpoint)
        model.keeps_results = False
        return model


class ModelFn(beam.DoFn):
    """A DoFn with the trained model, which the worker process opens once.

    Args:
      run, checkpoint: see `estimators.load`; the run directory may be on a store.
      max_bad_files: the largest number of files that cannot be read, of a shard.
      shared: that of another ModelFn of the run, to use its model.

    Attributes:
      open_model: how the model is opened.
      shared: the model of the process.
    """

    open_model = OpenModel

    def __init__(self, run: str, checkpoint: str = "latest", max_bad_files: int = 100, shared: Optional[Shared] = None):
        super().__init__()
        self._run, self._checkpoint, self._limit = run, checkpoint, max_bad_files
        self.shared = shared or Shared()
        self._open: Optional[OpenModel] = None

    def default_type_hints(self) -> IOTypeHints:
        """Returns no hints. Beam would derive them from the annotations of `process`, and for an optional named tuple
        it fails or not, depending on the order of a set."""
        return IOTypeHints.empty()

    def setup(self) -> None:
        self._acquire(1)

    def teardown(self) -> None:
        self._open = None

    def _acquire(self, attempt: int) -> None:
        self._open = self.shared.acquire(lambda: self.open_model(self._run, self._checkpoint), tag=attempt)


def check_input(shard: Any, method: str, reader: str) -> None:
    """Raises a VQError unless an element is a shard whose input has a method, as those of a reader have."""
    given = getattr(shard, "input", shard)
    if not hasattr(given, method) or given is shard:
        raise VQError(f"elements: got {type(given).__name__}, expected the shards of {reader}")


class ShardFn(ModelFn, abc.ABC):
    """Processes shards. A shard that fails for another reason than a VQError, such as a store that does not answer, is
    tried again with a newly opened model.

    Attributes:
      reader: the transform that makes the shards.
      opened_by: the method of their inputs that is called.
    """

    reader, opened_by = "Read", "open"

    @abc.abstractmethod
    def process_shard(self, model: Any, shard: Any, bad: BadFiles) -> Iterable[Any]:
        """Returns the elements for a shard. Files that cannot be read are added to `bad`."""

    def process(self, shard: Any) -> Iterable[Any]:
        check_input(shard, self.opened_by, self.reader)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._processed(shard)
            except VQError:
                raise
            except Exception as e:
                if attempt == ATTEMPTS:
                    raise
                log.warning("shard %s failed and is processed again: %s", shard.name, one_line(repr(e)))
                self._acquire(attempt + 1)
        raise AssertionError("unreachable")

    def _processed(self, shard: Any) -> Iterable[Any]:
        assert self._open is not None
        model = self._open.model
        if self._open.fingerprint != shard.fingerprint:
            got, want = self._open.fingerprint[:12], shard.fingerprint[:12]
            raise VQError(f"run: got the weights {got} in {self._run!r}, expected {want}, those of Read")
        with self._open.lock:  # the graph of a model grows as it is used
            return list(self.process_shard(model, shard, BadFiles(self._limit)))
