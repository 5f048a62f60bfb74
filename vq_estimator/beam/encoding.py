"""Encodes the shards of an input to codes."""

from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Sequence

import apache_beam as beam
import numpy as np

from vq_estimator.beam import inputs
from vq_estimator.beam.inputs import Known
from vq_estimator.beam.runs import ShardFn
from vq_estimator.beam.shards import Shard
from vq_estimator.beam.writing import WriteFn, WriteShards
from vq_estimator.config import arguments, part
from vq_estimator.data.bad_files import BadFiles
from vq_estimator.inference import code_files, code_shards
from vq_estimator.inference.code_shards import Row
from vq_estimator.inference.trained_model import TrainedModel

TFRECORD, NPZ, PARQUET = "tfrecord", "npz", "parquet"
FORMATS = (TFRECORD, NPZ, PARQUET)


class Encode(beam.PTransform):
    """Encodes the shards of `Read`.

    With `out`, each shard becomes a file `codes-00003-of-00016.tfrecord` (or `.npz`, `.parquet`), which gets its name
    when it is complete, and `manifest.json` is written at the end. A pipeline that is started again does not repeat
    finished shards. Without `out` the result is a `Row` for each example, for the writers of Beam, such as
    `beam.Map(vq.beam.to_example) | beam.io.WriteToTFRecord(...)` and
    `beam.Map(vq.beam.to_columns) | beam.io.WriteToParquet(path, vq.beam.parquet_schema())`.

    Args:
      run: a run directory, on a store too, or the name of a provided model.
      out: a folder, or None for rows.
      format: "tfrecord" (tf.Example), "npz" (as `vq-encode` writes it) or "parquet"; see `inference.code_shards`.
      checkpoint: "latest", "best" or a path.
      max_bad_files: the largest number of files that cannot be read; they are left out and named in the manifest.
        Without `out` it is that of each shard.

    Returns:
      A collection of rows, or with the content of the manifest.
    """

    def __init__(
        self,
        run: str,
        out: Optional[str] = None,
        format: str = TFRECORD,
        checkpoint: str = "latest",
        max_bad_files: int = 100,
    ):
        super().__init__()
        format = arguments.one_of("format", format, FORMATS)
        if format == PARQUET:
            code_shards.parquet_schema()  # fails now without pyarrow
        limit = arguments.integer("max_bad_files", max_bad_files)
        if out is None:
            self._work = beam.ParDo(_RowsFn(run, checkpoint, limit))
        else:
            self._work = WriteShards(_FilesFn(run, checkpoint, limit, out, "codes", format), limit, "codes")

    def expand(self, of: Any) -> Any:
        return of | "Encode" >> self._work


class _Encoded(NamedTuple):
    """The codes of a shard.

    Attributes:
      arrays: as `code_files.save` writes them.
      rows: the same, as rows.
      left_out: the files that cannot be read.
    """

    arrays: Dict[str, np.ndarray]
    rows: List[Row]
    left_out: List[dict]


def _encode(model: TrainedModel, shard: Shard, bad: BadFiles) -> _Encoded:
    of_kind = part(model.config.model, "code_files")
    with shard.input.open(model, bad) as source:
        arrays = dict(of_kind.compute_codes(model, source.examples))
        each = of_kind.each_code_map(arrays)
        known = source.describe(len(each), arrays.pop("files", None), arrays.pop("labels", None))
        left_out = inputs.left_out(bad)
    arrays.update(_columns(known))
    return _Encoded(arrays, [Row(codes, *one) for codes, one in zip(each, known)], left_out)


def _columns(known: Sequence[Known]) -> Dict[str, np.ndarray]:
    """`files` and `labels` for a file of codes. An example without a name has its index, one without a label -1."""
    columns = {}
    if any(one.name is not None for one in known):
        columns["files"] = np.array([f"{one.index:09d}" if one.name is None else one.name for one in known])
    if any(one.label is not None for one in known):
        labels = np.array([-1 if one.label is None else one.label for one in known], np.int64)
        columns["labels"] = labels.astype(np.int32) if (labels == labels.astype(np.int32)).all() else labels
    return columns


class _RowsFn(ShardFn):
    def process_shard(self, model: TrainedModel, shard: Shard, bad: BadFiles) -> Iterable[Row]:
        return _encode(model, shard, bad).rows


class _FilesFn(WriteFn):
    def write_shard(self, model: TrainedModel, shard: Shard, bad: BadFiles) -> dict:
        encoded, name = _encode(model, shard, bad), f"codes-{shard.name}.{self.format}"
        with self.writing(shard, name) as local:
            if self.format == TFRECORD:
                code_shards.write_tfrecord(local, encoded.rows)
            elif self.format == PARQUET:
                code_shards.write_parquet(local, encoded.rows)
            else:
                code_files.save(model, shard.origin, local, encoded.arrays)
        return {"file": name, "examples": len(encoded.rows), "left_out": encoded.left_out}
