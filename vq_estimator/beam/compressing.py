"""Compresses the shards of an input to `.vqz` files."""

from typing import Any, Optional

import apache_beam as beam

from vq_estimator.beam import inputs
from vq_estimator.beam.runs import OpenModel
from vq_estimator.beam.shards import Shard
from vq_estimator.beam.writing import WriteFn, WriteShards
from vq_estimator.config import arguments
from vq_estimator.data.bad_files import BadFiles
from vq_estimator.errors import NoExampleError
from vq_estimator.inference import codec

VQZ = "vqz"


class Compress(beam.PTransform):
    """Compresses the shards of `Read` without loss; the result is the content of `manifest.json`.

    Each shard becomes a file `compressed-00003-of-00016.vqz`, which `vq-decompress` reads like any other.

    Args:
      run: a run directory, on a store too, or the name of a provided model.
      out: the output folder.
      prior: "learned", "unigram" or "uniform"; "auto": the first of these that the run has.
      verify: decode every file before it gets its name.
      workers: chunks that a process codes in parallel; None: one per processor.
      checkpoint: "latest", "best" or a path.
      max_bad_files: the largest number of files that cannot be read; they are left out and named in the manifest.
    """

    def __init__(
        self,
        run: str,
        out: str,
        prior: str = codec.AUTO,
        verify: bool = True,
        workers: Optional[int] = None,
        checkpoint: str = "latest",
        max_bad_files: int = 100,
    ):
        super().__init__()
        self._limit = arguments.integer("max_bad_files", max_bad_files)
        prior = arguments.one_of("prior", prior, (codec.AUTO, *codec.PRIORS))
        self._fn = _CompressFn(run, checkpoint, self._limit, out, "compressed", VQZ, (prior,))
        self._fn.given = {"prior": prior, "verify": arguments.boolean("verify", verify), "workers": workers}

    def expand(self, of: Any) -> Any:
        return of | WriteShards(self._fn, self._limit, "compressed")


class _OpenCodec(OpenModel):
    """A run for the codec, which has sessions of its own, with one thread per operation."""

    @staticmethod
    def open(folder: str, checkpoint: str) -> Any:
        return codec.open_run(folder, checkpoint)


class _CompressFn(WriteFn):
    open_model = _OpenCodec
    given: Any = None

    def write_shard(self, model: Any, shard: Shard, bad: BadFiles) -> dict:
        try:
            return self._write(model, shard, bad)
        except NoExampleError:  # a shard of files that can't be read; the manifest has the limit of all
            return {"bytes": 0, "dims": 0, "file": None, "examples": 0, "left_out": inputs.left_out(bad)}

    def _write(self, model: Any, shard: Shard, bad: BadFiles) -> dict:
        name = f"compressed-{shard.name}.{VQZ}"
        with shard.input.open_lossless(model.config, bad) as source:
            with self.writing(shard, name) as local:
                done = codec.compress(model, source.images, local, **self.given)
            left_out = inputs.left_out(bad)
        sizes = {"bytes": done.bytes, "dims": done.dims}
        return dict(sizes, file=name, examples=done.images, left_out=left_out)
