"""A user's own images in a NumPy file as a data set: read once, in order, to records in the cache folder.

A `.npy` holds images only. A `.npz` holds them under a name, and may hold `labels`, integers [N], and `class_names`.
Splits without a file of their own are the end of the training file (`record_cache.divide`).
"""

import logging
import os
from typing import Any, Dict, Iterator, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from vq_estimator.config import DataConfig
from vq_estimator.data import folder as folder_lib
from vq_estimator.data import record_cache
from vq_estimator.data.image_arrays import ImageReader
from vq_estimator.data.model_view import View, known_channels
from vq_estimator.data.numpy_files import load_npz
from vq_estimator.data.record_cache import Add, Examples, RecordCache
from vq_estimator.data.sources import Source
from vq_estimator.errors import VQError, one_line

log = logging.getLogger("vq_estimator")

LABELS, CLASS_NAMES = "labels", "class_names"  # names of further arrays in a .npz
MAX_CLASSES = 1 << 16
MAX_SMALL = 1 << 30  # largest size of labels and names in bytes


class Wanted(NamedTuple):
    """Which images a model needs.

    Attributes:
      shape: [H, W, C] of the model's images.
      data: how the file is read.
      validation, test: the files of these splits; None uses the end of the training file.
    """

    shape: Tuple[int, int, int]
    data: DataConfig = folder_lib.NOW
    validation: Optional[str] = None
    test: Optional[str] = None


class _File(NamedTuple):
    """A file with a valid header.

    Attributes:
      field: the flag that names it.
      shape: [N, H, W, C].
      labels: int64 [N], or None.
      class_names: from the file, or ().
    """

    field: str
    path: str
    dtype: np.dtype
    shape: Tuple[int, ...]
    labels: Optional[np.ndarray]
    class_names: Tuple[str, ...]


def locate(data_dir: str, cache_dir: str, want: Wanted, cache: str = "auto", source: Optional[str] = None) -> Source:
    """Reads the images of a NumPy file.

    Args:
      data_dir: the `.npy` or `.npz` of the training images, uint8 or uint16 [N, H, W, C] or [N, H, W].
      cache_dir: the user's cache folder; the records are in `images/` there.
      want: the images that the model needs, and the files of other splits.
      cache: one of config.CACHES: whether training keeps the images in memory or reads them from their file.
      source: the `dataset_source` of an existing run; other data is an error.

    Raises:
      VQError: a file cannot be read, or has other arrays, or too few or other images.
      OSError: the records cannot be written.
    """
    paths = {"train": data_dir, "validation": want.validation, "test": want.test}
    given = {split: path for split, path in paths.items() if path is not None}
    fields = {split: "data_dir" if split == "train" else split for split in given}
    stats = []
    for split, path in given.items():
        try:
            stat = os.stat(path)
        except OSError as e:
            raise VQError(f"{fields[split]}: {path!r} can't be read ({e.strerror})") from None
        stats.append((split, os.path.realpath(path), stat.st_size, stat.st_mtime_ns))
    key = folder_lib.fingerprint([record_cache.FORMAT, "npy", want.shape, want.data, *stats], 16)
    store = RecordCache(cache_dir, key, want.shape, record_cache.check_summary)
    made = store.load()
    if made is None:
        files = {split: _inspect(fields[split], path, want) for split, path in given.items()}
        made = store.make(sum(file.shape[0] for file in files.values()), lambda _, add: _fill(files, want, add))
    log.info("%s: %s", one_line(data_dir), one_line(made["summary"]))
    if source not in (None, made["source"]):
        got = f"{data_dir!r} with {made['source']}"
        want_files = "the same --validation and --test files, where it had some, are part of it"
        raise VQError(f"data_dir: got {got}, expected {source}, the run's own images ({want_files})")
    return store.source(made, cache)


def _inspect(field: str, path: str, want: Wanted) -> _File:
    """Reads a file except for its images.

    Raises:
      VQError: the file cannot be read or is not valid.
    """
    with ImageReader(path, want.data.array, field) as reader:
        shape, dtype, names = reader.shape, reader.dtype, reader.names
    if shape[3] not in known_channels(want.shape[2]):
        has = f"{path!r} has images of {shape[3]}"
        raise VQError(f"channels: got {want.shape[2]}, expected {shape[3]}: {has}; only grey and colour are converted")
    if LABELS not in names:
        return _File(field, path, dtype, shape, None, ())
    try:
        found = load_npz(path, (LABELS, CLASS_NAMES), MAX_SMALL)
    except (OSError, ValueError) as e:
        reason = getattr(e, "strerror", None) or e
        raise VQError(f"{field}: {path!r} can't be read ({reason})") from None
    labels, class_names = found[LABELS], found.get(CLASS_NAMES, np.empty([0], "U1"))
    got = f"{field}: got {LABELS} {labels.dtype} {list(labels.shape)} in {path!r}"
    if labels.dtype.kind not in "iu" or labels.shape != shape[:1]:
        raise VQError(f"{got}, expected integers [{shape[0]}], one for each image")
    if labels.min() < 0 or labels.max() >= MAX_CLASSES:
        raise VQError(f"{got} from {labels.min()} to {labels.max()}, expected 0 to {MAX_CLASSES - 1:,}")
    if class_names.ndim != 1 or class_names.dtype.kind != "U":
        got = f"{field}: got {CLASS_NAMES} {class_names.dtype} {list(class_names.shape)} in {path!r}"
        raise VQError(f"{got}, expected strings, one for each class")
    return _File(field, path, dtype, shape, labels.astype(np.int64), tuple(class_names.tolist()))


def _count_classes(files: Dict[str, _File]) -> int:
    """The number of classes; 0 without labels.

    Raises:
      VQError: only some of the files have labels, or there are too few class names.
    """
    train = files["train"]
    for file in files.values():
        if (file.labels is None) != (train.labels is None):
            with_labels, without = (file, train) if train.labels is None else (train, file)
            got = f"{without.path!r} without {LABELS}"
            raise VQError(f"{without.field}: got {got}, expected them, because {with_labels.path!r} has them")
    if train.labels is None:
        return 0
    classes = 1 + max(int(file.labels.max()) for file in files.values() if file.labels is not None)
    if train.class_names and len(train.class_names) < classes:
        got = f"{len(train.class_names)} {CLASS_NAMES} in {train.path!r}"
        raise VQError(f"{train.field}: got {got}, expected {classes}: the largest label is {classes - 1}")
    return len(train.class_names) or classes


def _fill(files: Dict[str, _File], want: Wanted, add: Add) -> Dict[str, Any]:
    """Adds the images of all files; returns the manifest's entries."""
    classes, train = _count_classes(files), files["train"]
    missing = [split for split in ("validation", "test") if split not in files]
    divided = record_cache.divide(train.shape[0], missing)
    _warn_of_sorted(train, divided)
    parts, counts = [Examples(divided, _batches(train, want.data.array))], dict(divided)
    for split in ("validation", "test"):
        if split in files:
            counts[split] = files[split].shape[0]
            parts.append(Examples([(split, counts[split])], _batches(files[split], want.data.array)))
    view = View(want.shape[:2], want.shape[2], value_range=want.data.value_range)
    content = record_cache.write_examples(parts, view, add)
    return {
        "source": "npy-" + content[:12],
        "classes": classes,
        "class_names": list(train.class_names),
        "summary": f"{train.dtype} {list(train.shape)}, {record_cache.summary(divided, counts, classes)}",
    }


def _batches(file: _File, array: str) -> Iterator[Tuple[np.ndarray, np.ndarray]]:
    """Yields images [n, H, W, C] and labels [n], 0 without labels."""
    row = int(np.prod(file.shape[1:])) * file.dtype.itemsize
    at_once = max(1, min(record_cache.AT_ONCE, record_cache.BYTES_AT_ONCE // row))
    no_labels = np.zeros(at_once, np.int64)
    with ImageReader(file.path, array, file.field) as reader:
        for start in range(0, file.shape[0], at_once):
            images = reader.read(at_once)
            yield images, no_labels[: len(images)] if file.labels is None else file.labels[start : start + at_once]


def _warn_of_sorted(train: _File, divided: Sequence[Tuple[str, int]]) -> None:
    """Warns if the images are sorted by class, so that the end of the file has other classes than the rest."""
    labels = train.labels
    if len(divided) > 1 and labels is not None and labels[0] < labels[-1] and (np.diff(labels) >= 0).all():
        splits = " and ".join(split for split, _ in divided[1:])
        text = "%s: the images are sorted by class, so %s will have other classes than train; shuffle the images"
        log.warning(text, one_line(train.path), splits)
