"""The inputs of a pipeline: files, the rows of a `.npy`, our TFRecord shards, and TFRecord files of tf.Example.

An input is a small object that is pickled. It names what a worker then reads, and `part` is the part of it that a
shard needs.
"""

import contextlib
import dataclasses
import os
import tempfile
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from vq_estimator.beam import storage
from vq_estimator.config import Config, part
from vq_estimator.data import numpy_files, records
from vq_estimator.data.bad_files import BadFiles
from vq_estimator.errors import VQError, one_line
from vq_estimator.inference import code_files, code_shards, image_inputs
from vq_estimator.inference.code_shards import Row
from vq_estimator.inference.codec.images import Images
from vq_estimator.inference.examples import Examples
from vq_estimator.inference.trained_model import TrainedModel


class Known(NamedTuple):
    """What is known about an example: its position in the input, its name and its label."""

    index: int
    name: Optional[str] = None
    label: Optional[int] = None


class Source(NamedTuple):
    """An input that is open.

    Attributes:
      examples: the examples as the model sees them; or None.
      images: the examples for `codec.compress`; or None.
      first: the position of the first one, if they have no files.
      known: what is known about each file of `Batch.files`; None if the examples are not files.
    """

    examples: Optional[Examples] = None
    images: Optional[Images] = None
    first: int = 0
    known: Optional[Dict[str, Known]] = None

    def describe(self, number: int, files: Optional[Sequence[str]], labels: Optional[np.ndarray]) -> Sequence[Known]:
        """What is known about the `number` examples that were read, given the `files` and `labels` of their batches."""
        if self.known is not None:
            return [] if files is None else [self.known[str(name)] for name in files]
        each = [None] * number if labels is None else labels.tolist()
        return [Known(self.first + i, None, label) for i, label in enumerate(each)]


def left_out(bad: BadFiles) -> List[Dict[str, str]]:
    """The names of the files that are left out, and why."""
    return [{"name": name, "reason": reason} for name, reason in bad.files]


@dataclasses.dataclass(frozen=True)
class Files:
    """Image or sound files, named by their paths below a folder."""

    folder: str
    names: Tuple[str, ...]
    first: int = 0

    @property
    def total(self) -> int:
        return len(self.names)

    def part(self, start: int, stop: int) -> "Files":
        return Files(self.folder, self.names[start:stop], self.first + start)

    @contextlib.contextmanager
    def open(self, model: TrainedModel, bad: BadFiles) -> Iterator[Source]:
        """Yields the examples of the files. Files that cannot be read are added to `bad`."""
        with storage.local_tree(self.folder, self.names) as folder:
            examples = part(model.config.model, "inputs").of_files(model, folder, list(self.names), bad)
            yield Source(examples, known={name: Known(self.first + i, name) for i, name in enumerate(self.names)})

    @contextlib.contextmanager
    def open_lossless(self, config: Config, bad: BadFiles) -> Iterator[Source]:
        """Yields the examples of the files at their original sizes, for the codec."""
        with storage.local_tree(self.folder, self.names) as folder:
            yield Source(images=part(config.model, "codec_input").from_files(folder, self.names, config.model, bad))


@dataclasses.dataclass(frozen=True)
class Array:
    """The rows `first` to `stop` of a `.npy`."""

    path: str
    first: int
    stop: int

    @property
    def total(self) -> int:
        return self.stop - self.first

    def part(self, start: int, stop: int) -> "Array":
        return Array(self.path, self.first + start, self.first + stop)

    def rows(self, channels: int) -> np.ndarray:
        """Reads the rows; images [N, H, W] get an axis of one channel if the model has one."""
        try:
            with storage.reading(self.path) as f:
                rows = numpy_files.read_rows(f, self.first, self.stop)
        except (OSError, ValueError) as e:
            raise unreadable(self.path, e) from None
        return rows[..., np.newaxis] if rows.ndim == 3 and channels == 1 else rows

    @contextlib.contextmanager
    def open(self, model: TrainedModel, bad: BadFiles) -> Iterator[Source]:
        del bad
        rows = self.rows(model.config.model.channels)
        yield Source(part(model.config.model, "inputs").from_arrays(model, rows, self.path), first=self.first)

    @contextlib.contextmanager
    def open_lossless(self, config: Config, bad: BadFiles) -> Iterator[Source]:
        del bad
        rows = self.rows(config.model.channels)
        yield Source(images=part(config.model, "codec_input").from_arrays(rows, config.model))


@dataclasses.dataclass(frozen=True)
class _Rows:
    """The rows `first` to `stop` of files, counted from the first row of `paths`.

    Attributes:
      counts: the number of rows of each of `paths`.
      before: rows of the input before `paths`.
    """

    paths: Tuple[str, ...]
    counts: Tuple[int, ...]
    first: int
    stop: int
    before: int = 0

    @property
    def total(self) -> int:
        return self.stop - self.first

    def part(self, start: int, stop: int) -> Any:
        """The rows from `start` to `stop`, counted from the first of these rows, and the files that have them."""
        first, stop = self.first + start, self.first + stop
        ends = np.cumsum(self.counts).tolist()
        needed = [i for i, end in enumerate(ends) if end > first and end - self.counts[i] < stop]
        skipped = ends[needed[0]] - self.counts[needed[0]]
        paths, counts = (tuple(values[i] for i in needed) for values in (self.paths, self.counts))
        place = {"first": first - skipped, "stop": stop - skipped, "before": self.before + skipped}
        return dataclasses.replace(self, paths=paths, counts=counts, **place)


@dataclasses.dataclass(frozen=True)
class Records(_Rows):
    """Records of shards that vq-make-tfrecords wrote; `shape` is that of their images."""

    shape: Tuple[int, int, int] = (0, 0, 0)

    def rows(self) -> Tuple[np.ndarray, np.ndarray]:
        """Reads the images uint8 [N, H, W, C] and the labels int32 [N]."""
        with storage.local_copies(self.paths) as paths:
            try:
                return records.RandomAccess(paths, self.shape, checked=True).rows(np.arange(self.first, self.stop))
            except (OSError, ValueError) as e:
                name = dict(zip(paths, self.paths)).get(getattr(e, "filename", None) or "", self.paths[0])
                raise unreadable(name, e) from None

    @contextlib.contextmanager
    def open(self, model: TrainedModel, bad: BadFiles) -> Iterator[Source]:
        del bad
        images, labels = self.rows()
        examples = image_inputs.of_images(model, images, self.paths[0])
        yield Source(image_inputs.with_labels(model, examples, labels), first=self.before + self.first)

    @contextlib.contextmanager
    def open_lossless(self, config: Config, bad: BadFiles) -> Iterator[Source]:
        del bad
        yield Source(images=part(config.model, "codec_input").from_arrays(self.rows()[0], config.model))


@dataclasses.dataclass(frozen=True)
class CodeFiles(_Rows):
    """Rows of files that `Encode` wrote."""

    def code_rows(self) -> List[Row]:
        """Reads the rows."""
        with storage.local_copies(self.paths) as copies:
            each = [code_shards.read(copy, self.paths[0]) for copy in copies]
        return [row for rows in each for row in rows][self.first : self.stop]


class Features(NamedTuple):
    """The names of the features of a tf.Example.

    Attributes:
      content: the bytes of an image or sound file.
      label: int64; "" for files without labels.
      name: bytes; "" for files without names.
    """

    content: str = "image/encoded"
    label: str = "image/class/label"
    name: str = "image/filename"


FEATURES = Features()


@dataclasses.dataclass(frozen=True)
class TFExamples:
    """TFRecord files of tf.Example. Each file is a shard, because its records cannot be counted without reading it."""

    paths: Tuple[str, ...]
    features: Features

    total: Optional[int] = None

    @contextlib.contextmanager
    def open(self, model: TrainedModel, bad: BadFiles) -> Iterator[Source]:
        with self._unpacked(bad) as (folder, known):
            yield Source(part(model.config.model, "inputs").of_files(model, folder, sorted(known), bad), known=known)

    @contextlib.contextmanager
    def open_lossless(self, config: Config, bad: BadFiles) -> Iterator[Source]:
        with self._unpacked(bad) as (folder, known):
            images = part(config.model, "codec_input").from_files(folder, sorted(known), config.model, bad)
            items = [item._replace(name=known[item.name].name or item.name) for item in images.items]
            try:
                code_files.renamed([item.name for item in items])
            except ValueError as e:
                raise VQError(f"input: {self.paths[0]!r}: {e}") from None
            yield Source(images=images._replace(items=items), known=known)

    @contextlib.contextmanager
    def _unpacked(self, bad: BadFiles) -> Iterator[Tuple[str, Dict[str, Known]]]:
        """Yields a temporary folder with the files in the records, and what is known about each of them."""
        with storage.local_copies(self.paths) as paths, tempfile.TemporaryDirectory() as folder:
            known = {}
            for number, content in enumerate(self._records(paths[0])):
                features, file = self._features(number, content), f"{number:09d}"
                values = features[self.features.content].bytes_list.value
                names = features[self.features.name].bytes_list.value
                labels = features[self.features.label].int64_list.value
                name = os.fsdecode(names[0]) if names else None
                known[file] = Known(number, name or None, int(labels[0]) if labels else None)
                bad.names[file] = name or f"{os.path.basename(self.paths[0])}: record {number}"
                with open(os.path.join(folder, file), "wb") as f:  # an empty file is left out like any other bad one
                    f.write(values[0] if values else b"")
            yield folder, known

    def _features(self, number: int, content: bytes) -> Any:
        """The features of a record.

        Raises:
          VQError: it is no tf.Example.
        """
        try:
            return tf.train.Example.FromString(content).features.feature
        except Exception:  # protobuf's DecodeError, whose module differs between releases
            raise unreadable(self.paths[0], f"record {number} is no tf.Example") from None

    def _records(self, path: str) -> Iterator[bytes]:
        try:
            yield from records.contents(path)
        except tf.errors.OpError as e:
            raise unreadable(self.paths[0], e) from None


def unreadable(path: str, error: Any) -> VQError:
    """The error for a file of records or rows that cannot be read, all of which would be missing."""
    reason = getattr(error, "message", None) or getattr(error, "strerror", None) or error
    return VQError(f"input: {path!r} can't be read ({one_line(str(reason))[:160]})")
