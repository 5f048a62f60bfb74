"""A data set as TFRecord shards, for more images than memory holds, in one folder or on several disks.

Each shard is a file of `records` of one length, so that TFRecord readers read it in order and training reads it at
random positions. `shards.json` is in each folder next to the shards, and is written last.
"""

import os
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

import tensorflow.compat.v1 as tf

from vq_estimator.config import SPLITS
from vq_estimator.config.model import SIZE
from vq_estimator.data import pipeline, record_cache, records
from vq_estimator.data.files import atomic_path, read_json, write_json
from vq_estimator.data.sources import Source
from vq_estimator.errors import VQError, one_line
from vq_estimator.progress import ProgressBar

MANIFEST = "shards.json"
MAX_SHARDS = 100000
BATCH = 500


def write(source: Source, size: Tuple[int, int], folders: Sequence[str], number: int) -> Dict[str, Any]:
    """Writes the splits of a data set as shards, alternately to each folder; returns the content of `shards.json`.

    Args:
      source: the data set.
      size: height and width of the images.
      folders: output folders; missing ones are made.
      number: shards of the training split; the other splits have fewer, in proportion to their size.

    Raises:
      VQError: a folder already has shards.
      OSError: a shard cannot be written. Run it again to overwrite those that are complete.
    """
    for folder in folders:
        if os.path.lexists(os.path.join(folder, MANIFEST)):
            raise VQError(f"out: got {folder!r}, which has shards ({MANIFEST}), expected a folder to make")
        os.makedirs(folder, exist_ok=True)
    spec, shape = source.spec, (*size, source.spec.shape[2])
    counts = {split: pipeline.split_size(source, split) for split in SPLITS}
    shards = {split: _names(split, n, max(1, round(number * n / counts["train"]))) for split, n in counts.items()}
    with ProgressBar(total=sum(counts.values()), unit="image", desc="write shards") as bar:
        for split, names in shards.items():
            _write_split(source, split, size, folders, names, bar)
    content = {
        "source": spec.name if spec.layout == "tfrecord" else f"{spec.name}-{SIZE.text(size)}",
        "shape": list(shape),
        "counts": counts,
        "classes": spec.classes,
        "class_names": list(spec.class_names),
        "shards": shards,
    }
    for folder in folders:
        write_json(os.path.join(folder, MANIFEST), content)
    return content


def _names(split: str, n: int, number: int) -> List[str]:
    number = min(number, n)
    return [f"{split}-{i:05d}-of-{number:05d}.tfrecord" for i in range(number)]


def _write_split(
    source: Source, split: str, size: Tuple[int, int], folders: Sequence[str], names: List[str], bar
) -> None:
    n = pipeline.split_size(source, split)
    with tf.Graph().as_default(), tf.Session() as session:
        batches = pipeline.examples(source, split, size).batch(BATCH)
        fetch = tf.data.make_one_shot_iterator(batches).get_next()
        images, labels = session.run(fetch)
        for i, name in enumerate(names):
            left = n * (i + 1) // len(names) - n * i // len(names)
            with atomic_path(os.path.join(folders[i % len(folders)], name)) as path, records.writer(path) as add:
                while left:
                    if not len(images):
                        images, labels = session.run(fetch)
                    for image, label in zip(images[:left], labels[:left]):
                        add(image, label)
                    taken = min(left, len(images))
                    left, images, labels = left - taken, images[taken:], labels[taken:]
                    bar.update(taken)


class Wanted(NamedTuple):
    """What a run needs: the `shape` of its images, and its `dataset_source` or None."""

    shape: Tuple[int, int, int]
    source: Optional[str]


def found(folders: Sequence[str]) -> bool:
    """Whether these are folders of shards."""
    return any(os.path.lexists(os.path.join(folder, MANIFEST)) for folder in folders)


def locate(folders: Sequence[str], want: Wanted, cache: str = "auto") -> Source:
    """Opens the shards of one data set.

    Args:
      folders: folders with `shards.json` that together contain all shards.
      want: what the run needs.
      cache: "auto", "memory" or "tfrecord".

    Raises:
      VQError: a shard is missing or has another length, or the shards have another shape or data set.
    """
    made = read_manifest(folders)
    if tuple(made["shape"]) != want.shape:
        got, expected = ("x".join(str(n) for n in shape) for shape in (made["shape"], want.shape))
        raise VQError(f"data_dir: got shards of {got} images, expected {expected}; --image_size or other shards")
    if want.source not in (None, made["source"]):
        raise VQError(f"data_dir: got shards of {made['source']}, expected {want.source}, the run's own images")
    paths, counts = [], made["counts"]
    for split in SPLITS:
        paths.append(tuple(_find(folders, name) for name in made["shards"][split]))
        n = sum(records.count(path, want.shape) for path in paths[-1])
        if n != counts[split]:
            raise VQError(f"data_dir: got {n} records of {split}, expected {counts[split]}; the shards are incomplete")
    return record_cache.source_of(made, want.shape, paths, cache)


def read_manifest(folders: Sequence[str]) -> Dict[str, Any]:
    """Reads `shards.json`, of which each folder has the same.

    Raises:
      VQError: a file cannot be read, holds something else, or differs from the others.
    """
    contents = []
    for folder in folders:
        path = os.path.join(folder, MANIFEST)
        try:
            contents.append(read_json(path))
            _check(contents[-1])
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as e:
            reason = getattr(e, "strerror", None) or one_line(str(e))
            raise VQError(f"data_dir: {path!r} can't be read ({reason}), expected that of vq-make-tfrecords") from None
        if contents[-1] != contents[0]:
            raise VQError(f"data_dir: {path!r} is of other shards than that of {folders[0]!r}")
    return contents[0]


def _check(made: Any) -> None:
    """Raises ValueError, KeyError, TypeError or AttributeError unless it is of the form that `write` writes."""
    counts = [made["counts"][split] for split in SPLITS]
    names = [name for split in SPLITS for name in made["shards"][split]]
    numbers, texts = [*made["shape"], *counts, made["classes"] + 1], [made["source"], *names, *made["class_names"]]
    fits = all(type(n) is int and 1 <= n < 2**40 for n in numbers) and len(made["shape"]) == 3
    fits = fits and all(isinstance(t, str) for t in texts) and len(names) <= MAX_SHARDS
    if not fits or any(name != os.path.basename(name) for name in names):
        raise ValueError("it holds something else")


def _find(folders: Sequence[str], name: str) -> str:
    for folder in folders:
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            return path
    raise VQError(f"data_dir: got no {name} in {', '.join(folders)}; give all folders of the shards: A,B")
