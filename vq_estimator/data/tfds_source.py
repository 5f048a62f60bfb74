"""A data set of TensorFlow Datasets (https://www.tensorflow.org/datasets), read once to records in the cache folder.

TensorFlow Datasets (TFDS) downloads and prepares the data itself. The builder's info tells which feature is the image
and which is the label. The splits `train`, `validation` and `test` are the builder's; a missing one is the end of
`train` (`record_cache.divide`).
"""

import contextlib
import logging
import os
import sys
from typing import Any, Dict, Iterator, NamedTuple, Optional, Sequence, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from vq_estimator.config import SPLITS, DataConfig, tfds_name
from vq_estimator.data import folder as folder_lib
from vq_estimator.data import record_cache
from vq_estimator.data.batching import elements
from vq_estimator.data.image_files import WANT_LEVELS
from vq_estimator.data.model_view import View, known_channels
from vq_estimator.data.record_cache import Add, Examples, RecordCache
from vq_estimator.data.sources import Source
from vq_estimator.errors import VQError, describe_extra, one_line

log = logging.getLogger("vq_estimator")

EXTRA = describe_extra("tfds") + ", with TensorFlow 2 on Python 3.10 or later"
MAX_REASON = 200  # longest error of TFDS in a message


class Wanted(NamedTuple):
    """Which images a model needs: their `shape` [H, W, C], and how they are read."""

    shape: Tuple[int, int, int]
    data: DataConfig = folder_lib.NOW


class _Features(NamedTuple):
    """The image and the label among a builder's features.

    Attributes:
      image, label: their names; `label` is None without labels.
      shape: [h, w, c] of the images; None where images differ.
      class_names: names of all classes, () without labels.
    """

    image: str
    label: Optional[str]
    shape: Tuple[Optional[int], ...]
    class_names: Tuple[str, ...]


def own_size(dataset: str, data_dir: Optional[str]) -> Dict[str, Any]:
    """The settings `image_size` and `channels` that all images of a data set share; those that differ are left out.

    Raises:
      VQError: TFDS is not installed, or has no such data set of images.
    """
    height, width, channels = _features(dataset, _builder(dataset, data_dir)).shape
    size = {} if None in (height, width) else {"image_size": height if height == width else (height, width)}
    return size if channels is None else dict(size, channels=channels)


def locate(
    dataset: str,
    data_dir: Optional[str],
    cache_dir: str,
    want: Wanted,
    cache: str = "auto",
    source: Optional[str] = None,
) -> Source:
    """Reads the images of a data set, which TFDS downloads if necessary.

    Args:
      dataset: `tfds:NAME`, or with TFDS's configuration and version `tfds:NAME/CONFIG:VERSION`.
      data_dir: TFDS's folder of data sets; None for its default.
      cache_dir: the user's cache folder; the records are in `images/` there.
      want: the images that the model needs.
      cache: one of config.CACHES: whether training keeps the images in memory or reads them from their file.
      source: the `dataset_source` of an existing run; other data is an error.

    Raises:
      VQError: TFDS is not installed, does not have the data set, or its images differ.
      OSError: the records cannot be written.
    """
    builder = _builder(dataset, data_dir)
    features = _features(dataset, builder)
    channels = features.shape[2]
    if channels is not None and channels not in known_channels(want.shape[2]):
        raise VQError(f"channels: got {want.shape[2]}, expected {channels}, as the images of {dataset} have")
    with _errors_of_tfds(dataset, "can't be prepared"), contextlib.redirect_stdout(sys.stderr):
        builder.download_and_prepare()
        sizes = {split: builder.info.splits[split].num_examples for split in SPLITS if split in builder.info.splits}
        others = sorted(set(builder.info.splits) - set(sizes))
    if not sizes.get("train"):
        raise VQError(
            f"dataset: got {dataset} with the splits {', '.join([*sizes, *others]) or 'none'}, expected train"
        )
    about = os.path.join(str(builder.data_dir), "dataset_info.json")
    changed = os.stat(about).st_mtime_ns if os.path.isfile(about) else 0
    identity = [builder.info.full_name, os.path.realpath(str(builder.data_dir)), changed, sorted(sizes.items())]
    key = folder_lib.fingerprint([record_cache.FORMAT, "tfds", want.shape, want.data, *identity], 16)
    store = RecordCache(cache_dir, key, want.shape, record_cache.check_summary)
    made = store.load()
    if made is None:
        made = store.make(sum(sizes.values()), lambda _, add: _fill(dataset, builder, features, sizes, want, add))
    left_out = f"; left out: {', '.join(others)}" if others else ""
    log.info("%s: %s%s", dataset, one_line(made["summary"]), one_line(left_out))
    if source not in (None, made["source"]):
        got = f"{dataset} ({builder.info.full_name}) with {made['source']}"
        raise VQError(f"dataset: got {got}, expected {source}, the run's own images")
    return store.source(made, cache)


@contextlib.contextmanager
def _errors_of_tfds(dataset: str, what: str) -> Iterator[None]:
    """Turns TFDS's errors, which are of many types and often of many lines, into a VQError."""
    try:
        yield
    except VQError:
        raise
    except Exception as e:
        text = str(getattr(e, "message", "") or e).strip() or type(e).__name__
        raise VQError(f"dataset: {dataset} {what} ({text.splitlines()[0][:MAX_REASON]})") from None


def _builder(dataset: str, data_dir: Optional[str]) -> Any:
    """TFDS's builder. It downloads nothing yet."""
    try:
        import tensorflow_datasets as tfds

        find = tfds.builder  # imports the rest of the package
    except Exception as e:  # a missing package is an ImportError; a wrong TensorFlow or protobuf raises other errors
        reason = (str(e).strip() or type(e).__name__).splitlines()[0]
        raise VQError(f"dataset: got {dataset} without TensorFlow Datasets ({reason}), expected {EXTRA}") from None
    where = f"in {data_dir!r}" if data_dir else "in its folder (--data_dir is another)"
    with _errors_of_tfds(dataset, f"is no data set of TensorFlow Datasets, nor prepared {where}"):
        return find(tfds_name(dataset), data_dir=data_dir)


def _features(dataset: str, builder: Any) -> _Features:
    """The image and the label of a data set.

    Raises:
      VQError: there is not exactly one image feature, or its dtype is neither uint8 nor uint16.
    """
    import tensorflow_datasets as tfds

    with _errors_of_tfds(dataset, "has no features that can be read"):
        found = dict(builder.info.features.items())
        keys = builder.info.supervised_keys or ()
    image = _choose(found, tfds.features.Image, keys)
    if image is None:
        names = [name for name, feature in found.items() if type(feature) is tfds.features.Image]
        got = f"the images {', '.join(names)}" if names else f"no image among the features {', '.join(found)}"
        raise VQError(f"dataset: got {dataset} with {got}, expected one image")
    dtype = np.dtype(found[image].np_dtype)
    if dtype not in (np.uint8, np.uint16):
        want = WANT_LEVELS if dtype.kind == "f" else "uint8 or uint16"
        raise VQError(f"dataset: got {dataset} with images of {dtype}, expected {want}")
    label = _choose(found, tfds.features.ClassLabel, keys)
    classes = found[label].num_classes or 0 if label else 0
    class_names = tuple(found[label].names) if label and classes else ()
    return _Features(image, label if classes else None, tuple(found[image].shape), class_names)


def _choose(features: Dict[str, Any], kind: Any, keys: Sequence[Any]) -> Optional[str]:
    """The name of the feature of a class: the only one, or the one of several that supervised learning uses."""
    names = [name for name, feature in features.items() if type(feature) is kind]
    chosen = names if len(names) == 1 else [name for name in names if name in keys]
    return chosen[0] if len(chosen) == 1 else None


def _fill(
    dataset: str, builder: Any, features: _Features, sizes: Dict[str, int], want: Wanted, add: Add
) -> Dict[str, Any]:
    """Adds the images of all splits; returns the manifest's entries."""
    divided = record_cache.divide(sizes["train"], [split for split in ("validation", "test") if split not in sizes])
    parts = [Examples(divided, _batches(dataset, builder, features, "train"))]
    for split in ("validation", "test"):
        if split in sizes:
            parts.append(Examples([(split, sizes[split])], _batches(dataset, builder, features, split)))
    view = View(want.shape[:2], want.shape[2], value_range=want.data.value_range)
    content = record_cache.write_examples(parts, view, add)
    classes = len(features.class_names)
    return {
        "source": "tfds-" + content[:12],
        "class_names": list(features.class_names),
        "summary": record_cache.summary(divided, {**sizes, **dict(divided)}, classes),
    }


def _batches(dataset: str, builder: Any, features: _Features, split: str) -> Iterator[Tuple[np.ndarray, np.ndarray]]:
    """Yields images [n, h, w, c] and labels [n] (0 without labels), in the order of TFDS's files."""
    import tensorflow_datasets as tfds

    with _errors_of_tfds(dataset, "can't be read"):
        with tf.Graph().as_default() as graph:
            tf.set_random_seed(0)  # nothing is drawn, but deterministic mode requires a seed
            given = tfds.ReadConfig(try_autocache=False)
            examples = builder.as_dataset(split=split, shuffle_files=False, read_config=given)
            examples = examples.map(
                lambda each: (each[features.image], each[features.label] if features.label else np.int64(0))
            )
            iterator = tf.data.make_initializable_iterator(examples.batch(_at_once(features)))
            fetches = iterator.get_next()
        settings = tf.ConfigProto(device_count={"GPU": 0})
        with contextlib.closing(tf.Session(graph=graph, config=settings)) as session:
            session.run(iterator.initializer)
            for images, labels in elements(session, fetches):
                if features.label and not 0 <= labels.min() <= labels.max() < len(features.class_names):
                    got = f"{dataset} with labels from {labels.min()} to {labels.max()} in {split}"
                    raise VQError(f"dataset: got {got}, expected 0 to {len(features.class_names) - 1}")
                yield images, labels


def _at_once(features: _Features) -> int:
    """The number of images per read: 1 if they differ in size."""
    if None in features.shape:
        return 1
    size = 2 * int(np.prod([n or 1 for n in features.shape]))
    return max(1, min(record_cache.AT_ONCE, record_cache.BYTES_AT_ONCE // size))
