"""Finds what the value of an input means: a folder, a pattern, TFRecord files or a `.npy`."""

import contextlib
import glob
import os
import re
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

from vq_estimator.beam import storage
from vq_estimator.beam.inputs import FEATURES, Array, Features, Files, Records, TFExamples, unreadable
from vq_estimator.beam.storage import Found
from vq_estimator.config import SPLITS, part
from vq_estimator.data import numpy_files, records, shards
from vq_estimator.errors import VQError

AnyInput = Union[Files, Array, Records, TFExamples]
RECORDS = (".tfrecord", ".tfrecords", ".tfrec")


class Listed(NamedTuple):
    """An input, and a text that changes with its files: their names, sizes and times."""

    input: AnyInput
    identity: str


def list_input(pattern: str, model: Any, features: Features = FEATURES) -> Listed:
    """Lists the files of an input without reading their content.

    Args:
      pattern: a folder; a file; or a pattern with `*`. On a store it begins with a scheme, such as gs://.
      model: the configuration of the run's model.
      features: the names of the features of tf.Example.

    Raises:
      VQError: nothing is there, or several kinds of files, or it is a split of a data set.
    """
    storage.check_scheme("input", pattern)
    kind = part(model, "inputs").KIND
    wanted = (*kind.formats.suffixes(), *RECORDS, ".npy")
    if not any(c in pattern for c in storage.PATTERN) or os.path.lexists(pattern):
        if _is_folder(pattern, wanted):
            return _of_folder(pattern, kind, model, features)
        base, found = _parent(pattern), storage.match(pattern)
    else:
        base, found = _parent(re.split(r"[*?\[]", pattern)[0] + "x"), storage.match(pattern)
    found = [one for one in found if one.path.lower().endswith(wanted)]
    if not found:
        split = pattern.rpartition(":")[2]
        if split in SPLITS:
            want = (
                "a folder of sound files" if model.fixed_dims is None else f"files: vq-make-tfrecords writes {split}-*"
            )
            raise VQError(f"input: got the split {pattern!r}, which a pipeline does not read, expected {want}")
        want = f"a folder or pattern of {kind.formats.names()} or TFRecord files, or a .npy"
        raise VQError(f"input: got {pattern!r}, where no such file is, expected {want}")
    return _of_found(base, found, kind, model, features)


def _parent(path: str) -> str:
    if storage.is_remote(path):
        return path.rsplit("/", 1)[0]
    return os.path.dirname(path) or "."


def _is_folder(path: str, suffixes: Tuple[str, ...]) -> bool:
    """Whether a path is that of a folder. On a store the suffix decides: some stores say that a folder exists."""
    if not storage.is_remote(path):
        return os.path.isdir(path)
    return not path.lower().endswith(suffixes)


def _of_folder(folder: str, kind: Any, model: Any, features: Features) -> Listed:
    made = _made_records([folder])
    if made is not None:
        names = [name for split in made["shards"].values() for name in split]
        return _of_records([_stat(storage.join(folder, name)) for name in names], made, model)
    if not storage.is_remote(folder):
        found = kind.find(folder)
        names = tuple(sorted(found))
        return Listed(Files(folder, names), repr([(name, *found[name]) for name in names]))
    found = [one for one in storage.match(folder.rstrip("/") + "/**") if "/." not in one.path]
    suffixes = kind.formats.suffixes()
    files = [one for one in found if one.path.lower().endswith(suffixes)]
    if not files:
        files = [one for one in found if one.path.lower().endswith(RECORDS)]
    if not files:
        raise VQError(f"input: got {folder!r}, expected a folder with {kind.formats.names()} or TFRecord files")
    return _of_found(folder, files, kind, model, features)


def _made_records(folders: Sequence[str]) -> Optional[Dict[str, Any]]:
    """The content of `shards.json` of folders that vq-make-tfrecords wrote; None for other folders."""
    if not any(storage.exists(storage.join(folder, shards.MANIFEST)) for folder in folders):
        return None
    with contextlib.ExitStack() as stack:
        trees = [stack.enter_context(storage.local_tree(folder, [shards.MANIFEST])) for folder in folders]
        return shards.read_manifest(trees)


def _stat(path: str) -> Found:
    found = storage.match(glob.escape(path) if storage.is_remote(path) else path)
    if len(found) != 1:
        raise unreadable(path, "no such file")
    return found[0]


def _of_found(base: str, found: List[Found], kind: Any, model: Any, features: Features) -> Listed:
    """An input of files that match a pattern."""
    identity, paths = repr(found), [one.path for one in found]
    if all(path.lower().endswith(kind.formats.suffixes()) for path in paths):
        start = len(base.rstrip("/")) + 1 if base != "." or paths[0].startswith("./") else 0
        names = [path[start:].replace(os.sep, "/") for path in paths]
        return Listed(Files(base, tuple(sorted(names))), identity)
    if all(path.lower().endswith(RECORDS) for path in paths):
        made = _made_records(sorted({_parent(path) for path in paths}))
        if made is not None:
            return _of_records(found, made, model)
        return Listed(TFExamples(tuple(paths), features), identity)
    if len(paths) == 1:
        return Listed(_array(paths[0]), identity)
    names = ", ".join(sorted({os.path.splitext(path)[1] for path in paths}))
    raise VQError(f"input: got files of several kinds ({names}), expected one kind, or one .npy")


def _of_records(found: List[Found], made: Dict[str, Any], model: Any) -> Listed:
    if model.fixed_dims is None:
        raise VQError("input: got TFRecord files of vq-make-tfrecords for a speech model, expected sound files")
    shape = (made["shape"][0], made["shape"][1], made["shape"][2])
    length = records.record_bytes(shape)
    for one in found:
        if one.size % length:
            raise unreadable(one.path, f"it has {one.size} bytes, no multiple of {length}, the length of a record")
    counts = tuple(one.size // length for one in found)
    paths = tuple(one.path for one in found)
    return Listed(Records(paths, counts, 0, sum(counts), shape=shape), repr(found))


def _array(path: str) -> Array:
    try:
        with storage.reading(path) as f:
            rows = numpy_files.npy_rows(f)
    except (OSError, ValueError) as e:
        raise unreadable(path, e) from None
    return Array(path, 0, rows.shape[0])
