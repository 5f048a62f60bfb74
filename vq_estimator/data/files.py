"""Atomic writes, strict JSON, and checksums of unpacked content."""

import contextlib
import errno
import hashlib
import itertools
import json
import os
import re
import shutil
import stat
import tempfile
import zlib
from typing import Any, BinaryIO, Iterator, List, Optional, Tuple

from vq_estimator.config.catalogue import FileSpec
from vq_estimator.errors import VQError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

CHUNK = 1 << 20
MAX_JSON = 1 << 26  # largest JSON file in bytes
LOCK = "lock"  # lock file in the temporary folder of `atomic_folder`
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # errors of writing


def user_cache(cache_dir: Optional[str] = None) -> str:
    """The cache folder: `cache_dir`, or where it is None the user's own of the system."""
    import pooch  # half a second to import

    return str(pooch.os_cache("vq_estimator")) if cache_dir is None else os.fspath(cache_dir)


@contextlib.contextmanager
def made_folder(folder: str) -> Iterator[None]:
    """Makes a folder and its parents. If the block fails, removes those that it made and that are still empty."""
    missing, path = [], os.path.abspath(folder)
    while not os.path.lexists(path):
        missing.append(path)
        path = os.path.dirname(path)
    os.makedirs(folder, exist_ok=True)
    try:
        yield
    except BaseException:
        for path in missing:
            with contextlib.suppress(OSError):
                os.rmdir(path)
        raise


@contextlib.contextmanager
def atomic_path(path: str) -> Iterator[str]:
    """Yields a temporary name in the folder of `path`. It is renamed to `path` if the block succeeds, and removed
    otherwise.
    """
    with _named_in_errors(path), made_folder(os.path.dirname(path) or "."), _atomic_path(path) as temporary:
        yield temporary


@contextlib.contextmanager
def _named_in_errors(path: str) -> Iterator[None]:
    """Makes an OSError of a temporary file for `path`, or of a full disk, which names no file, name `path`."""
    prefix = "." + os.path.basename(path) + "."
    try:
        yield
    except OSError as e:
        if prefix in str(e.filename) or (e.filename is None and e.errno in FULL):
            e.filename = path
        raise


@contextlib.contextmanager
def _atomic_path(path: str) -> Iterator[str]:
    folder = os.path.dirname(path) or "."
    handle, temporary = tempfile.mkstemp(dir=folder, prefix="." + os.path.basename(path) + ".")
    os.close(handle)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)  # mkstemp makes files that only their owner can read
        os.replace(temporary, path)
    finally:
        if os.path.exists(temporary):
            os.remove(temporary)


@contextlib.contextmanager
def atomic_folder(path: str) -> Iterator[str]:
    """Like `atomic_path`, for a folder; `path` must not exist. Removes what a killed process left of an earlier try."""
    parent, prefix = os.path.dirname(os.path.abspath(path)), "." + os.path.basename(path) + "."
    with _named_in_errors(path):
        os.makedirs(parent, exist_ok=True)
        _sweep(parent, prefix)
        temporary = tempfile.mkdtemp(dir=parent, prefix=prefix)
        try:
            with open(os.path.join(temporary, LOCK), "wb") as lock:
                _locked(lock)
                made = os.path.join(temporary, "made")  # with the usual permissions; mkdtemp's allow the owner only
                os.mkdir(made)
                yield made
                os.rename(made, path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _locked(file: BinaryIO) -> bool:
    """Locks a file until the process ends. Returns False if another process holds the lock."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except OSError:  # the lock is held, or the file system has no locks
        return False


def _sweep(parent: str, prefix: str) -> None:
    """Removes folders that `atomic_folder` made and that no process holds any more."""
    names = []
    with contextlib.suppress(OSError):  # the folder may be writable but not readable
        names = os.listdir(parent)
    for name in names:
        left = os.path.join(parent, name)
        if not re.fullmatch(re.escape(prefix) + "[a-z0-9_]{8}", name) or os.path.islink(left):
            continue
        with contextlib.suppress(OSError):
            if set(os.listdir(left)) <= {LOCK, "made"}:
                with open_regular(os.path.join(left, LOCK)) as lock:
                    if _locked(lock):
                        shutil.rmtree(left)


def split_paths(text: str) -> List[str]:
    """Splits comma-separated paths. An existing file or folder whose name contains commas is one path."""
    parts, paths = text.split(","), []
    while parts:
        names = (",".join(parts[:n]) for n in range(len(parts), 1, -1))
        path = next((name for name in names if os.path.lexists(os.path.expanduser(name))), parts[0])
        paths.append(path)
        del parts[: path.count(",") + 1]
    return paths


def write_text(path: str, text: str) -> None:
    """Writes `text` in UTF-8, atomically."""
    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8") as f:
        f.write(text)


def write_json(path: str, value) -> None:
    """Writes strict JSON (no NaN, no Infinity), atomically."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def open_regular(path: str) -> BinaryIO:
    """Opens a file for reading. A pipe or a device, which may never end, is an OSError."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(errno.EINVAL, "Is no regular file", path)
    return open(path, "rb")


def parts(f: BinaryIO) -> Iterator[bytes]:
    """Yields the rest of a file in parts of CHUNK bytes."""
    return iter(lambda: f.read(CHUNK), b"")


def size_and_hash(path: str) -> Tuple[int, str]:
    """The size of a regular file in bytes, and its SHA-256 in hexadecimal."""
    digest, size = hashlib.sha256(), 0
    with open_regular(path) as f:
        for chunk in parts(f):
            digest.update(chunk)
            size += len(chunk)
    return size, digest.hexdigest()


def read_text(path: str, most: int = MAX_JSON) -> str:
    """Reads a text file in UTF-8.

    Raises:
      OSError: the file cannot be read.
      ValueError: the file is not UTF-8, or larger than `most` bytes.
    """
    with open_regular(path) as f:
        content = f.read(most + 1)
    if len(content) > most:
        raise ValueError(f"holds more than {most} bytes")
    return content.decode("utf-8")


def parse_json(text: str) -> Any:
    """Parses strict JSON without NaN and Infinity. Every problem is a ValueError."""

    def refuse(name):
        raise ValueError(f"{name} is not valid JSON")

    try:
        return json.loads(text, parse_constant=refuse)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def read_json(path: str) -> Any:
    """Reads a JSON file.

    Raises:
      OSError: the file cannot be read.
      ValueError: the file is not JSON.
    """
    return parse_json(read_text(path))


def content_error(path: str, spec: FileSpec) -> str:
    """Describes how the content of `path` differs from `spec`; empty if it does not. Reads at most about `spec.most`
    bytes.

    Raises:
      OSError: the file cannot be read.
    """
    digest, size = hashlib.sha256(), 0
    try:
        with open_regular(path) as f:
            for chunk in unpacked(f) if spec.path.endswith(".gz") else parts(f):
                size += len(chunk)
                if size > spec.most:
                    break
                digest.update(chunk)
    except zlib.error as e:
        return f"can't be read ({e})"
    if size > spec.most or spec.size not in (None, size):
        return "holds {} bytes, expected {}".format("more than %d" % spec.most if size > spec.most else size, spec.most)
    if digest.hexdigest() != spec.sha256:
        return f"SHA-256 is {digest.hexdigest()[:12]}..., expected {spec.sha256[:12]}..."
    return ""


def unpacked(f: BinaryIO) -> Iterator[bytes]:
    """Yields the content of a gzip file in parts of at most CHUNK bytes.

    Raises:
      zlib.error: the file is damaged, or has a second member, which TensorFlow 1.15 would silently ignore.
    """
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
    while not unpacker.eof:
        packed = unpacker.unconsumed_tail or f.read(CHUNK)
        if not packed:
            raise zlib.error("it ends too early")
        yield unpacker.decompress(packed, CHUNK)
    if (unpacker.unused_data + f.read(CHUNK)).strip(b"\0"):
        raise zlib.error("more than one gzip stream")


def read_remembered(path: str) -> dict:
    """Reads a JSON object from the cache; {} if it is missing or damaged."""
    try:
        known = read_json(path)
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


class ChecksumCache:
    """A record in `cache_dir` of the files that were valid, by path, size and modification time. Losing it costs only
    time.
    """

    def __init__(self, cache_dir: str):
        self._path = os.path.join(cache_dir, "checksums.json")
        self._known = read_remembered(self._path)

    def error(self, path: str, spec: FileSpec) -> str:
        """Like `content_error`, without reading a file that was valid before and has not changed."""
        found = os.stat(path)
        key, mark = os.path.realpath(path), [found.st_size, found.st_mtime_ns, spec.sha256]
        if self._known.get(key) == mark:
            return ""
        problem = content_error(path, spec)
        if not problem:
            self._known[key] = mark
            with contextlib.suppress(OSError):
                write_text(self._path, json.dumps(self._known))
        return problem


def set_aside(path: str) -> str:
    """Renames a damaged file to `<path>.damaged`, so that it is not used again. Returns the new name.

    If that name exists, another one is chosen: nothing is overwritten.
    """
    taken = itertools.takewhile(os.path.lexists, (f"{path}.damaged{i or ''}" for i in itertools.count()))
    damaged = f"{path}.damaged{sum(1 for _ in taken) or ''}"
    try:
        os.replace(path, damaged)
    except OSError as e:
        raise VQError(f"{path}: is damaged and can't be renamed ({e.strerror}); remove it") from None
    return damaged
