"""Files of codes that are rows: TFRecord files of tf.Example, and Parquet.

A row is one image or recording, with these features or columns:

    codes   int64 list: the codes in the order of `shape`
    shape   int64 list: [h, w, L] of an image, [n, L] of a recording
    index   int64: its position in the input, or in its file of tf.Example
    name    bytes or text: the path of its file below the folder, if it is a file; a byte that is not UTF-8 is \\udcff
            in the text of Parquet
    label   int64: its class, if it is known
"""

import os
import re
from typing import Any, Dict, Iterable, Iterator, List, NamedTuple, Optional

import numpy as np
import tensorflow.compat.v1 as tf

from vq_estimator.data import records
from vq_estimator.data.numpy_files import load_npz
from vq_estimator.errors import VQError, describe_extra, one_line
from vq_estimator.inference.code_files import MAX_CODES

ROWS_AT_ONCE = 10000  # rows of a Parquet file that are in memory at once
ESCAPED = re.compile(r"\\u(dc[89a-f][0-9a-f])")  # a byte that is not UTF-8 in the text of Parquet
MAX_NUMBERS = 1 << 28  # largest number of codes in a row


class Row(NamedTuple):
    """The codes of one image or recording.

    Attributes:
      codes: int32 [h, w, L], or [n, L] of a recording.
      index: its position in the input, or in its file of tf.Example.
      name: the path of its file, or None.
      label: its class, or None.
    """

    codes: np.ndarray
    index: int
    name: Optional[str] = None
    label: Optional[int] = None


def to_example(row: Row) -> bytes:
    """A row as a serialized tf.Example, for `beam.io.WriteToTFRecord` and any other writer of TFRecord files."""

    def numbers(values: Iterable[int]) -> Any:
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))

    features = {"codes": numbers(row.codes.ravel().tolist()), "shape": numbers(row.codes.shape)}
    features["index"] = numbers([row.index])
    if row.name is not None:
        features["name"] = tf.train.Feature(bytes_list=tf.train.BytesList(value=[os.fsencode(row.name)]))
    if row.label is not None:
        features["label"] = numbers([row.label])
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString(deterministic=True)


def from_example(content: bytes) -> Row:
    """The row of a serialized tf.Example.

    Raises:
      ValueError: it is no such row.
    """
    try:
        features = tf.train.Example.FromString(content).features.feature
    except Exception as e:  # protobuf's DecodeError, whose module differs between releases
        raise ValueError(f"it holds no tf.Example ({e})") from None
    codes, shape = (features[name].int64_list.value for name in ("codes", "shape"))
    names, labels, index = features["name"].bytes_list.value, features["label"].int64_list.value, features["index"]
    name = os.fsdecode(names[0]) if names else None
    number = index.int64_list.value[0] if index.int64_list.value else 0
    return Row(_shaped(codes, shape), int(number), name, int(labels[0]) if labels else None)


def _shaped(codes: Any, shape: Any) -> np.ndarray:
    values, shape = np.array(codes, np.int64), [int(n) for n in shape]
    if len(shape) not in (2, 3) or min(shape) < 1 or values.ndim != 1:
        raise ValueError(f"a row has {values.size} codes of the shape {shape}, expected [h, w, L] or [n, L]")
    size = 1
    for n in shape:
        size *= n
    if size != values.size or size > MAX_NUMBERS or values.min() < 0 or values.max() >= 2**31:
        raise ValueError(f"a row has {values.size} codes from {values.min()}, expected {size} from 0 on, for {shape}")
    return values.astype(np.int32).reshape(shape)


def write_tfrecord(path: str, rows: Iterable[Row]) -> None:
    """Writes a TFRecord file of tf.Example."""
    try:
        with tf.python_io.TFRecordWriter(path) as out:
            for row in rows:
                out.write(to_example(row))
    except tf.errors.OpError as e:
        raise OSError(f"{path}: {e.message}") from None


def parquet_schema() -> Any:
    """The `pyarrow.Schema` of the rows, for `beam.io.WriteToParquet` and `write_parquet`."""
    pa = _pyarrow()
    numbers = pa.list_(pa.int64())
    fields = {"codes": numbers, "shape": numbers, "index": pa.int64(), "name": pa.string(), "label": pa.int64()}
    return pa.schema(list(fields.items()))


def to_columns(row: Row) -> Dict[str, Any]:
    """A row as a dictionary of the columns of `parquet_schema`."""
    name = None if row.name is None else row.name.encode("utf-8", "backslashreplace").decode()
    columns = {"codes": row.codes.ravel().astype(np.int64), "shape": list(row.codes.shape)}
    return dict(columns, index=row.index, name=name, label=row.label)


def write_parquet(path: str, rows: Iterable[Row]) -> None:
    """Writes a Parquet file, compressed with zstd.

    Raises:
      VQError: pyarrow is not installed.
    """
    pa, schema = _pyarrow(), parquet_schema()
    with _parquet().ParquetWriter(path, schema, compression="zstd") as out:
        found = [to_columns(row) for row in rows]
        for start in range(0, len(found), ROWS_AT_ONCE):
            out.write_table(pa.Table.from_pylist(found[start : start + ROWS_AT_ONCE], schema))


def read(path: str, name: str = "") -> List[Row]:
    """Reads all rows of a file whose suffix is `.tfrecord`, `.parquet` or `.npz` (as `vq-encode` writes it).

    Args:
      path: the file.
      name: the name whose suffix counts; "" for the name in `path`.

    Raises:
      VQError: the file cannot be read, or holds something else.
    """
    suffix = os.path.splitext(name or path)[1].lower()
    kinds = {".parquet": _parquet_rows, ".npz": _npz_rows}
    try:
        return list(kinds.get(suffix, _records)(path))
    except VQError:
        raise
    except (OSError, ValueError, tf.errors.OpError) as e:
        reason = one_line(str(getattr(e, "message", None) or getattr(e, "strerror", None) or e))[:160]
        raise VQError(f"codes: {path!r} can't be read ({reason}), expected a file of vq-encode --runner") from None


def _records(path: str) -> Iterator[Row]:
    return map(from_example, records.contents(path))


def _parquet_rows(path: str) -> Iterator[Row]:
    with _parquet().ParquetFile(path) as file:
        if not {"codes", "shape"} <= set(file.schema_arrow.names):
            raise ValueError(f"its columns are {', '.join(file.schema_arrow.names)}")
        for batch in file.iter_batches(ROWS_AT_ONCE):
            for columns in batch.to_pylist():
                codes = _shaped(columns["codes"] or [], columns["shape"] or [])
                name = columns.get("name")
                name = None if name is None else ESCAPED.sub(lambda escape: chr(int(escape.group(1), 16)), name)
                yield Row(codes, columns.get("index") or 0, name, columns.get("label"))


def _npz_rows(path: str) -> Iterator[Row]:
    found = load_npz(path, ("codes", "lengths", "files", "labels"), MAX_CODES)
    if "codes" not in found:
        raise ValueError("no codes in it")
    codes = found["codes"].astype(np.int32)
    if "lengths" in found:
        codes = np.split(codes, np.cumsum(found["lengths"].astype(np.int64))[:-1])
    for i, one in enumerate(codes):
        name, label = (found[key][i] if key in found else None for key in ("files", "labels"))
        yield Row(one, i, None if name is None else str(name), None if label is None or label < 0 else int(label))


def _pyarrow() -> Any:
    try:
        import pyarrow
    except ImportError as e:
        raise VQError(f"format: got parquet without pyarrow ({e}), expected {describe_extra('beam')}") from None
    return pyarrow


def _parquet() -> Any:
    _pyarrow()
    from pyarrow import parquet

    return parquet
