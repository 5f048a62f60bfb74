"""Stores the examples of a data set as records in the cache folder: written once, then checked and read.

A data set is a folder with one file of records per split (`records.py`) and a manifest. The folder's name contains a
key, by which the data set finds it again, and the shape of the images.
"""

import contextlib
import errno
import hashlib
import logging
import os
import shutil
from typing import Any, Callable, Dict, Iterable, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from vq_estimator.config import CACHES, SPLITS, arguments
from vq_estimator.config.catalogue import DatasetSpec
from vq_estimator.config.model import SIZE
from vq_estimator.data import records
from vq_estimator.data.files import ChecksumCache, FileSpec, atomic_folder, read_json, size_and_hash, write_json
from vq_estimator.data.image_files import DepthUse
from vq_estimator.data.model_view import View, Viewer, on_white
from vq_estimator.data.pipeline import Source
from vq_estimator.errors import VQError, one_line
from vq_estimator.progress import ProgressBar

log = logging.getLogger("vq_estimator")

FORMAT = 2  # version of the records; another version makes new ones
MAX_IN_MEMORY = 1 << 30  # bytes of training images up to which "auto" keeps them in memory
MANIFEST = "images.json"
SHARE = 10  # a missing split gets one of SHARE training examples
AT_ONCE, BYTES_AT_ONCE = 100, 1 << 24  # images per read, and their bytes

Add = Callable[[str, np.ndarray, int], None]  # (split, image uint8 [H, W, C], label)
Fill = Callable[[str, Add], Dict[str, Any]]  # (folder, add) -> the manifest's entries


class RecordCache:
    """The records of one data set.

    Args:
      cache_dir: the user's cache folder; the records are in `images/` there.
      key: identifies the data, such as its files with their modification times.
      shape: [H, W, C] of the images.
      check: raises ValueError, KeyError or TypeError unless a manifest has the entries that `fill` returns.

    Attributes:
      folder: folder of the records.
      manifest: path of the manifest.
    """

    def __init__(self, cache_dir: str, key: str, shape: Tuple[int, int, int], check: Callable[[Dict[str, Any]], None]):
        self._cache_dir, self._shape, self._check = cache_dir, shape, check
        self.folder = os.path.join(cache_dir, "images", "{}-{}x{}x{}".format(key, *shape))
        self.manifest = os.path.join(self.folder, MANIFEST)

    def load(self) -> Optional[Dict[str, Any]]:
        """The manifest, or None if there are no records. Damaged records are removed."""
        if not os.path.isdir(self.folder):
            return None
        checksums = ChecksumCache(self._cache_dir)
        try:
            made = read_json(self.manifest)
            _check_manifest(made)
            self._check(made)
            for split in SPLITS:
                path = self._path(split)
                size, sha256 = made["files"][split]
                if size != made["counts"][split] * records.record_bytes(self._shape):
                    raise ValueError(f"{path} has {size} bytes")
                problem = checksums.error(path, FileSpec(path, size, sha256))
                if problem:
                    raise ValueError(f"{path} {problem}")
            return made
        except (FileNotFoundError, ValueError, KeyError, TypeError) as e:
            log.warning("the cached images are damaged (%s) and are made again", one_line(str(e)))
            shutil.rmtree(self.folder)
            return None

    def make(self, number: int, fill: Fill) -> Dict[str, Any]:
        """Writes the records and returns the manifest. The folder is written atomically.

        Args:
          number: upper bound of the number of examples.
          fill: adds the examples; returns `source`, `class_names` and further entries of the manifest.

        Raises:
          VQError: there is not enough space.
          OSError: the records cannot be written.
        """
        parent, needed = os.path.dirname(self.folder), number * records.record_bytes(self._shape)
        os.makedirs(parent, exist_ok=True)
        free = shutil.disk_usage(parent).free
        if needed > free:
            got = f"{free / 1e9:.1f} GB free in {parent!r}"
            raise VQError(f"cache: got {got}, expected {needed / 1e9:.1f} GB for the images; set VQ_CACHE_DIR")
        counts: Dict[str, int] = {}
        try:
            with atomic_folder(self.folder) as folder:
                counts = self._write(folder, fill)
        except OSError as e:  # another process was faster; its records are as good
            if e.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        size = "x".join(map(str, self._shape))
        log.info("%d images of %s in %s (%s MB)", sum(counts.values()), size, self.folder, f"{needed / 1e6:,.1f}")
        made = self.load()
        if made is None:
            raise VQError(f"cache: {self.folder!r} is damaged as soon as it is written; check the disk")
        return made

    def _write(self, folder: str, fill: Fill) -> Dict[str, int]:
        counts = dict.fromkeys(SPLITS, 0)
        with contextlib.ExitStack() as stack:
            paths = {split: os.path.join(folder, split + ".tfrecord") for split in SPLITS}
            writers = {split: stack.enter_context(records.writer(path)) for split, path in paths.items()}

            def add(split: str, image: np.ndarray, label: int) -> None:
                writers[split](image, label)
                counts[split] += 1

            entries = fill(folder, add)
        files = {split: size_and_hash(path) for split, path in paths.items()}
        write_json(os.path.join(folder, MANIFEST), dict(entries, shape=self._shape, counts=counts, files=files))
        return counts

    def source(self, made: Dict[str, Any], cache: str) -> Source:
        """The data set of a manifest. `cache` says where training keeps the images, see `images.locate`."""
        return source_of(made, self._shape, [(self._path(split),) for split in SPLITS], cache)

    def _path(self, split: str) -> str:
        return os.path.join(self.folder, split + ".tfrecord")


def source_of(
    made: Dict[str, Any], shape: Tuple[int, int, int], paths: Sequence[Tuple[str, ...]], cache: str = "auto"
) -> Source:
    """The data set with the manifest `made` and the record files `paths` of images of `shape`.

    Args:
      paths: the files of each of `SPLITS`.
      cache: where training keeps the images, see `images.locate`.
    """
    cache = arguments.one_of("cache", cache, CACHES)
    n, names = made["counts"], tuple(made["class_names"])
    spec = DatasetSpec(
        name=made["source"],
        shape=shape,
        classes=made.get("classes", len(names)),
        layout="tfrecord",
        train=n["train"] + n["validation"],
        test=n["test"],
        validation=n["validation"],
        files=(),
        mirrors=(),
        class_names=names,
    )
    size = n["train"] * records.record_bytes(shape)
    in_memory = cache == "memory" or (cache == "auto" and size <= MAX_IN_MEMORY)
    return Source(spec, tuple(paths), in_memory)


def _check_manifest(made: Dict[str, Any]) -> None:
    """Raises ValueError, KeyError or TypeError unless the manifest is of the form that `make` writes."""
    counts, classes = [made["counts"][split] for split in SPLITS], made.get("classes", 0)
    texts = [made["source"], *made["class_names"]]
    good = isinstance(made["class_names"], list) and all(isinstance(t, str) for t in texts)
    if not good or not all(type(n) is int and n >= 1 for n in counts) or type(classes) is not int or classes < 0:
        raise ValueError(f"{MANIFEST} holds something else")


class Examples(NamedTuple):
    """A part of a data set's examples, in order.

    Attributes:
      splits: (split, number) of consecutive examples: the first `number` belong to the first split, and so on.
      batches: pairs of images uint8 or uint16 [n, h, w, c], of any size, and integer labels [n].
    """

    splits: Sequence[Tuple[str, int]]
    batches: Iterable[Tuple[np.ndarray, np.ndarray]]


def divide(n: int, missing: Sequence[str]) -> Sequence[Tuple[str, int]]:
    """Divides n training examples: the last ones are for the missing splits, 1 in SHARE for each.

    Args:
      n: the number of examples.
      missing: the missing splits: "validation", which comes last, or "test", before it, or both.

    Raises:
      VQError: none would be left for training.
    """
    parts = [(split, max(1, n // SHARE)) for split in ("test", "validation") if split in missing]
    train = n - sum(count for _, count in parts)
    if train < 1:
        splits = ", ".join(["train", *(split for split, _ in parts)])
        raise VQError(f"data_dir: got {n} images, expected {1 + len(parts)} or more: at least one for {splits}")
    return [("train", train), *parts]


def summary(divided: Sequence[Tuple[str, int]], counts: Dict[str, int], classes: int) -> str:
    """Describes the splits with their sizes, and the number of classes, in one line.

    Args:
      divided: the result of `divide`.
      counts: sizes of all splits.
      classes: the number of classes, or 0.
    """
    ends = [split for split, _ in reversed(divided) if split != "train"]
    where = dict(zip(ends, ("the last training images", "the training images before these")))
    texts = [f"{counts[split]:,} for {split}" + (f" ({where[split]})" if split in where else "") for split in SPLITS]
    return f"{', '.join(texts)}; {f'{classes:,}' if classes else 'no'} classes"


def check_summary(made: Dict[str, Any]) -> None:
    """Raises ValueError or KeyError unless a manifest has a `summary`."""
    if not isinstance(made["summary"], str):
        raise ValueError("its summary is not text")


def write_examples(parts: Sequence[Examples], view: View, add: Add) -> str:
    """Adds examples as a model's input.

    Returns:
      SHA-256, in hexadecimal, over the images as read, their labels and their splits.

    Raises:
      VQError: the number of channels or of images differs from the expected one.
    """
    content, count, small = hashlib.sha256(), 0, 0
    total = sum(number for part in parts for _, number in part.splits)
    viewer, depth = Viewer(view), DepthUse(view.value_range)
    with contextlib.closing(viewer), ProgressBar(total=total, unit="image", desc="read images") as bar:
        for part in parts:
            splits = (split for split, number in part.splits for _ in range(number))
            for images, labels in part.batches:
                depth.add(images)
                small += len(images) * view.enlarges(images.shape[1:3])
                seen = viewer(on_white(images, view.channels))
                for original, image, label, split in zip(images, seen, labels.tolist(), splits):
                    add(split, image, label)
                    content.update(f"{split} {label} {original.dtype} {original.shape}\n".encode("ascii"))
                    content.update(original.tobytes())
                count += len(images)
                bar.update(len(images))
            if next(splits, None) is not None or count > total:
                raise VQError(f"data_dir: got {count:,} images, expected {total:,}: the data set is incomplete")
    depth.warn("--value_range={low},{high} keeps more")
    if small:
        log.warning("%d of %d images are smaller than %s and were enlarged", small, count, SIZE.text(view.size))
    return content.hexdigest()
