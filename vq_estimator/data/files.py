"""Files that are whole or not there: atomic writes, checksums of unpacked bytes, downloads that prove themselves."""

import contextlib
import gzip
import hashlib
import json
import os
import shutil
import tarfile
import tempfile
import zlib
from typing import Callable, Iterator, NamedTuple, Sequence

from vq_estimator.errors import VQError

CHUNK = 1 << 20
TIMEOUT_SECONDS = 30


class FileSpec(NamedTuple):
    """A file's place below `data_dir`, and the bytes and SHA-256 of its content (unpacked where it ends in .gz)."""

    path: str
    size: int
    sha256: str


@contextlib.contextmanager
def atomic_path(path: str) -> Iterator[str]:
    """A temporary name beside `path`; it becomes `path` when the block ends well and is removed when it does not."""
    folder = os.path.dirname(path) or "."
    os.makedirs(folder, exist_ok=True)
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
    """As `atomic_path`, a folder; `path` must not exist."""
    parent = os.path.dirname(os.path.abspath(path))
    os.makedirs(parent, exist_ok=True)
    temporary = tempfile.mkdtemp(dir=parent, prefix="." + os.path.basename(path) + ".")
    try:
        made = os.path.join(temporary, "made")  # with the usual rights; mkdtemp's are its owner's only
        os.mkdir(made)
        yield made
        os.rename(made, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_text(path: str, text: str) -> None:
    """Writes `text` in UTF-8, whole or not at all."""
    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8") as f:
        f.write(text)


def write_json(path: str, value) -> None:
    """Writes strict JSON (no NaN, no Infinity), whole or not at all."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def content_error(path: str, spec: FileSpec) -> str:
    """Why the content of `path` is not that of `spec`; empty when it is. Reads `spec.size` + 1 bytes at most.

    Raises:
      OSError: the file system refused; nothing is known of the content.
    """
    digest, size = hashlib.sha256(), 0
    opener = gzip.open if spec.path.endswith(".gz") else open
    try:
        with opener(path, "rb") as f:
            while size <= spec.size:
                chunk = f.read(min(CHUNK, spec.size + 1 - size))
                if not chunk:
                    break
                size += len(chunk)
                digest.update(chunk)
    except (OSError, EOFError, zlib.error) as e:
        if getattr(e, "errno", None) is not None:  # the disk's fault, not the content's (gzip's own errors have none)
            raise
        return f"can't be read ({e})"
    if size != spec.size:
        return "holds {} bytes, expected {}".format("more than %d" % spec.size if size > spec.size else size, spec.size)
    if digest.hexdigest() != spec.sha256:
        return f"SHA-256 is {digest.hexdigest()[:12]}..., expected {spec.sha256[:12]}..."
    return ""


class ChecksumCache:
    """Remembers in `cache_dir` which files were good, by path, size and time of change; losing it costs time only."""

    def __init__(self, cache_dir: str):
        self._path = os.path.join(cache_dir, "checksums.json")
        try:
            with open(self._path, encoding="utf-8") as f:
                known = json.load(f)
        except (OSError, ValueError):
            known = {}
        self._known = known if isinstance(known, dict) else {}

    def error(self, path: str, spec: FileSpec) -> str:
        """As `content_error`, without reading a file that was found good before and has not changed."""
        stat = os.stat(path)
        key, mark = os.path.realpath(path), [stat.st_size, stat.st_mtime_ns, spec.sha256]
        if self._known.get(key) == mark:
            return ""
        problem = content_error(path, spec)
        if not problem:
            self._known[key] = mark
            with contextlib.suppress(OSError):
                write_text(self._path, json.dumps(self._known))
        return problem


Fetch = Callable[[str, str], None]


def fetch(url: str, path: str) -> None:
    """Downloads `url` to `path` with a progress bar; any failure is an OSError."""
    import pooch  # with requests, half a second to import: only where something is downloaded

    try:
        pooch.HTTPDownloader(progressbar=True, timeout=TIMEOUT_SECONDS)(url, path, None)
    except (OSError, ValueError) as e:  # requests' exceptions are OSErrors
        reason = str(e) if getattr(e, "response", None) is not None else type(e).__name__
        raise OSError(f"{url}: {reason}") from None


def download(spec: FileSpec, urls: Sequence[str], data_dir: str, fetcher: Fetch = fetch) -> None:
    """Brings `spec` to its place from the first of `urls` that delivers its bytes.

    Raises:
      OSError: no url did; it says what each answered. Nothing is left under the final name.
    """
    problems = []
    for url in urls:
        try:
            with atomic_path(os.path.join(data_dir, spec.path)) as temporary:
                fetcher(url, temporary)
                problem = content_error(temporary, spec)
                if problem:
                    raise OSError(f"{url}: the file {problem}")
                return
        except OSError as e:
            problems.append(str(e))
    raise OSError("; ".join(problems))


def download_tar(specs: Sequence[FileSpec], urls: Sequence[str], data_dir: str, fetcher: Fetch = fetch) -> None:
    """Downloads one archive and takes from it, by member name, the files of `specs`; no path of the archive is trusted.

    Raises:
      OSError: no url delivered an archive that holds them all with the right bytes.
    """
    problems = []
    for url in urls:
        try:
            os.makedirs(data_dir, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=data_dir, prefix=".download.") as folder:
                archive = os.path.join(folder, "archive")
                fetcher(url, archive)
                _unpack(archive, specs, data_dir, url)
                return
        except (OSError, EOFError, zlib.error, tarfile.TarError) as e:
            problems.append(str(e) if url in str(e) else f"{url}: {e}")
    raise OSError("; ".join(problems))


def _unpack(archive: str, specs: Sequence[FileSpec], data_dir: str, url: str) -> None:
    wanted = {"/".join(spec.path.split("/")[-2:]): spec for spec in specs}
    with tarfile.open(archive) as tar:
        for member in tar:
            spec = wanted.get(member.name)
            if spec is None or not member.isfile():
                continue
            if member.size != spec.size:
                raise OSError(f"{url}: {member.name} holds {member.size} bytes, expected {spec.size}")
            with atomic_path(os.path.join(data_dir, spec.path)) as temporary:
                source = tar.extractfile(member)
                with open(temporary, "wb") as target:
                    shutil.copyfileobj(source, target, CHUNK)
                problem = content_error(temporary, spec)
                if problem:
                    raise OSError(f"{url}: {member.name} {problem}")
            del wanted[member.name]
            if not wanted:
                return
    raise OSError("{}: the archive has no {}".format(url, ", ".join(sorted(wanted))))


def set_aside(path: str) -> str:
    """Renames a damaged file to `<path>.damaged`, so that it is never taken for the good one; returns the new name."""
    damaged = path + ".damaged"
    try:
        os.replace(path, damaged)
    except OSError as e:
        raise VQError(f"{path}: is damaged and can't be renamed ({e.strerror}); remove it") from None
    return damaged
