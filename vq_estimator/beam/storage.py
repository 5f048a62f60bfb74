"""Files on any file system that Beam knows: a path is local, or begins with the scheme of a store (gs://, hdfs://)."""

import contextlib
import glob
import os
import shutil
import tempfile
import uuid
from typing import Any, Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence

from apache_beam.io.filesystem import BeamIOError, CompressionTypes
from apache_beam.io.filesystems import FileSystems

from vq_estimator.data import files
from vq_estimator.data.files import parse_json
from vq_estimator.errors import VQError

PLAIN = {"compression_type": CompressionTypes.UNCOMPRESSED}
PATTERN = "*?["  # characters of a pattern
PART = ".part"  # suffix of a file on a store that is not complete


class Report(dict):
    """A dictionary as an element of a pipeline. Beam pickles it; its coder for `dict` fails at names of files that are
    not UTF-8.
    """


class Found(NamedTuple):
    """A file that exists: its path, its size in bytes, and the time of its last change in seconds."""

    path: str
    size: int
    changed: float


def is_remote(path: str) -> bool:
    """Whether a path has the scheme of a store."""
    return "://" in path


def join(folder: str, *names: str) -> str:
    """The path of a file below a folder."""
    return "/".join([folder.rstrip("/"), *names]) if is_remote(folder) else os.path.join(folder, *names)


def match(pattern: str) -> List[Found]:
    """The files that match a pattern, sorted by their paths; `**` matches any number of folders.

    Raises:
      VQError: the store is unknown or can't be read.
    """
    if not is_remote(pattern):
        paths = [pattern] if os.path.isfile(pattern) else _without_loops(glob.iglob(pattern, recursive=True))
        stats = [(path, os.stat(path)) for path in paths]
        return [Found(path, stat.st_size, stat.st_mtime) for path, stat in stats]
    try:
        (result,) = FileSystems.match([pattern])
    except (BeamIOError, ValueError, OSError) as e:
        raise VQError(f"input: got {pattern!r}, which can't be listed ({e}), expected files or a folder") from None
    return sorted(Found(m.path, m.size_in_bytes, m.last_updated_in_seconds) for m in result.metadata_list)


def _without_loops(paths: Iterable[str]) -> List[str]:
    """The files among paths, sorted. Of a folder that links lead to several times, only the shortest path counts; links
    that lead to a parent folder have no end otherwise.
    """
    names: Dict[str, str] = {}  # of each folder, by its own path
    found = [path for path in paths if os.path.isfile(path)]
    for folder in sorted({os.path.dirname(path) for path in found}, key=lambda path: (len(path), path)):
        names.setdefault(os.path.realpath(folder), folder)
    return sorted(path for path in found if names[os.path.realpath(os.path.dirname(path))] == os.path.dirname(path))


def check_scheme(field: str, path: str) -> None:
    """Raises a VQError if Beam does not know the store of a path."""
    if is_remote(path):
        try:
            FileSystems.get_filesystem(path)
        except ValueError:
            want = "a store that Beam knows; for gs:// and s3:// install apache-beam[gcp] or apache-beam[aws]"
            raise VQError(f"{field}: got {path!r}, expected {want}") from None


def exists(path: str) -> bool:
    """Whether there is such a file."""
    return FileSystems.exists(path) if is_remote(path) else os.path.lexists(path)


@contextlib.contextmanager
def reading(path: str) -> Iterator[Any]:
    """Opens a file for reading, without unpacking it; errors are an OSError."""
    try:
        with FileSystems.open(path, **PLAIN) if is_remote(path) else files.open_regular(path) as f:
            yield f
    except BeamIOError as e:
        raise OSError(str(e)) from None


@contextlib.contextmanager
def local_copies(paths: Sequence[str]) -> Iterator[List[str]]:
    """Yields local names of files: their own, or those of temporary copies of remote ones."""
    with tempfile.TemporaryDirectory() as folder:
        names = []
        for number, path in enumerate(paths):
            names.append(os.path.join(folder, str(number)) if is_remote(path) else path)
            if is_remote(path):
                with reading(path) as source, open(names[-1], "wb") as target:
                    shutil.copyfileobj(source, target)
        yield names


@contextlib.contextmanager
def local_tree(folder: str, names: Optional[Sequence[str]] = None) -> Iterator[str]:
    """Yields a local folder with the files of a folder: itself, or a temporary copy of a remote one.

    `names` are the paths below the folder that are needed, with "/" between their parts; None copies all files.
    """
    if not is_remote(folder):
        yield folder
        return
    if names is None:
        names = [found.path[len(folder.rstrip("/")) + 1 :] for found in match(folder.rstrip("/") + "/**")]
    with local_copies([join(folder, name) for name in names]) as copies, tempfile.TemporaryDirectory() as tree:
        for name, copied in zip(names, copies):
            target = os.path.join(tree, *name.split("/"))
            os.makedirs(os.path.dirname(target), exist_ok=True)
            os.replace(copied, target)
        yield tree


@contextlib.contextmanager
def atomic(path: str) -> Iterator[str]:
    """Yields the name of a local file to write. Its content gets the name `path` when the block succeeds, never in
    part.
    """
    if not is_remote(path):
        with files.atomic_path(path) as temporary:
            yield temporary
        return
    with tempfile.TemporaryDirectory() as folder:
        local, temporary = os.path.join(folder, "made"), f"{path}.{uuid.uuid4().hex}{PART}"
        yield local
        with open(local, "rb") as source, FileSystems.create(temporary, **PLAIN) as target:
            shutil.copyfileobj(source, target)
        if FileSystems.exists(path):  # some stores do not rename onto a file, such as that of a repeated shard
            FileSystems.delete([path])
        FileSystems.rename([temporary], [path])


def remove(path: str) -> None:
    """Removes a file, if there is one."""
    if exists(path):
        FileSystems.delete([path]) if is_remote(path) else os.remove(path)


def remove_empty(folder: str) -> None:
    """Removes a local folder if it is empty; a store has no empty folders."""
    if not is_remote(folder):
        with contextlib.suppress(OSError):
            os.rmdir(folder)


def sweep(folder: str, names: Sequence[str]) -> None:
    """Removes what killed processes left of files of these names in a folder; see `atomic`."""
    if is_remote(folder):
        left = [one.path for one in match(join(folder, "*" + PART))]
        parts = {join(folder, name) for name in names}
        for path in left:
            if path.rsplit(".", 2)[0] in parts:
                remove(path)
        return
    wanted = set(names)
    for name in os.listdir(folder):
        if name.startswith(".") and name[1:].rpartition(".")[0] in wanted:
            with contextlib.suppress(OSError):
                os.remove(os.path.join(folder, name))


def write_json(path: str, value: Any) -> None:
    """Writes strict JSON, atomically."""
    with atomic(path) as local:
        files.write_json(local, value)


def read_json(path: str) -> Dict[str, Any]:
    """Reads a JSON object that `write_json` wrote; {} if it does not exist."""
    if not exists(path):
        return {}
    with reading(path) as f:
        found = parse_json(f.read().decode("utf-8"))
    return found if isinstance(found, dict) else {}
