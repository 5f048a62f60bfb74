"""Writes a file per shard, once: the DoFn and the transform that the transforms with an output folder share."""

import abc
import logging
from typing import Any, ContextManager, Iterable, Tuple

import apache_beam as beam

from vq_estimator.beam import manifest, resuming, storage
from vq_estimator.beam.runs import ShardFn
from vq_estimator.beam.shards import Shard
from vq_estimator.config import arguments
from vq_estimator.data.bad_files import BadFiles

log = logging.getLogger("vq_estimator")


class WriteFn(ShardFn):
    """Writes the output of shards that are not finished. A subclass has `write_shard`.

    Args:
      run, checkpoint, max_bad_files: see `ModelFn`.
      out: the output folder.
      content, format: what the files hold, and how; the output of another pipeline in `out` is refused.
      settings: what else the content depends on.
    """

    def __init__(
        self, run: str, checkpoint: str, max_bad_files: int, out: str, content: str, format: str, settings: Tuple = ()
    ):
        super().__init__(run, checkpoint, max_bad_files)
        out = arguments.path("out", out)
        storage.check_scheme("out", out)
        self.out, self.format, self._content = out, format, repr((content, format, *settings))

    @abc.abstractmethod
    def write_shard(self, model: Any, shard: Shard, bad: BadFiles) -> dict:
        """Writes the output of a shard.

        Returns:
          `examples`, their number; `file`, the name of the file below `out`, None if there are several; and more for
          the manifest.
        """

    def writing(self, shard: Shard, name: str) -> ContextManager[str]:
        """A local file to write, which becomes the file `name` below `out`; see `resuming.writing`."""
        return resuming.writing(self.out, shard, self._content, name)

    def process_shard(self, model: Any, shard: Shard, bad: BadFiles) -> Iterable[dict]:
        kept = resuming.find_finished(self.out, shard, self._content)
        if kept is None:
            about = {"left_out": [], "format": self.format}
            about["model"] = manifest.about_model(model.config, model.checkpoint, shard.fingerprint)
            kept = resuming.finish(self.out, shard, self._content, dict(about, **self.write_shard(model, shard, bad)))
            log.info("shard %s: %d examples", shard.name, kept["examples"])
        return [storage.Report(kept)]


class WriteShards(beam.PTransform):
    """Runs a `WriteFn` on each shard, and writes the manifest when all are finished; the result is the manifest."""

    def __init__(self, fn: WriteFn, limit: int, content: str):
        super().__init__()
        self._fn, self._settings = fn, (fn.out, limit, content)

    def expand(self, of: Any) -> Any:
        done = of | "WriteShards" >> beam.ParDo(self._fn) | beam.combiners.ToList()
        return done | "WriteManifest" >> beam.Map(manifest.write, *self._settings)
