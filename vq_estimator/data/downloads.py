"""Downloads files and archives, and checks their SHA-256. A file exists with the right content or not at all."""

import contextlib
import io
import json
import os
import tempfile
import zlib
from typing import Callable, Iterator, Sequence, Tuple

from vq_estimator.data.files import (
    FileSpec,
    atomic_path,
    content_error,
    made_folder,
    open_regular,
    read_remembered,
    unpacked,
    write_text,
)

TIMEOUT_SECONDS = 30
MAX_DOWNLOAD = 1 << 30  # largest download in bytes
TAR_BLOCK = 512

Fetch = Callable[[str, str], None]


def fetch(url: str, path: str) -> None:
    """Downloads `url` to `path` with a progress bar. Any failure, or more than MAX_DOWNLOAD bytes, is an OSError."""
    import pooch  # requests takes half a second to import, so only downloads import it

    try:
        with _Bounded(path, "wb") as f:
            pooch.HTTPDownloader(progressbar=True, timeout=TIMEOUT_SECONDS)(url, f, None)
    except _TooLong as e:
        raise OSError(f"{url}: {e}") from None
    except (OSError, ValueError) as e:  # requests' exceptions are OSErrors
        reason = str(e) if getattr(e, "response", None) is not None else type(e).__name__
        raise OSError(f"{url}: {reason}") from None


class _TooLong(Exception):
    """The download has more bytes than possible."""


class _Bounded(io.FileIO):
    """A writable file that accepts at most MAX_DOWNLOAD bytes."""

    def write(self, data: bytes) -> int:  # type: ignore[override]
        if self.tell() + len(data) > MAX_DOWNLOAD:
            raise _TooLong(f"sends more than {MAX_DOWNLOAD} bytes")
        return super().write(data)


class DownloadRecord:
    """A record in `cache_dir` of the files that were downloaded. Only these are ever renamed; other files are the
    user's.

    A file is identified by its path, its inode (a file that was moved there later is the user's) and the expected
    SHA-256. If the record is lost, a damaged download is treated like a user's file: an error names it.
    """

    def __init__(self, cache_dir: str):
        self._path = os.path.join(cache_dir, "downloads.json")
        self._known = read_remembered(self._path)

    def add(self, data_dir: str, specs: Sequence[FileSpec]) -> None:
        """Records those of `specs` that exist now and did not exist before their download."""
        for spec in specs:
            path = os.path.join(data_dir, *spec.path.split("/"))
            with contextlib.suppress(OSError):
                self._known[os.path.realpath(path)] = [os.stat(path).st_ino, spec.sha256]
        with contextlib.suppress(OSError):
            write_text(self._path, json.dumps(self._known))

    def has(self, path: str, spec: FileSpec) -> bool:
        """Whether the file at `path` was downloaded as `spec`, whatever its content is now."""
        return self._known.get(os.path.realpath(path)) == [os.stat(path).st_ino, spec.sha256]


def download(spec: FileSpec, urls: Sequence[str], data_dir: str, fetcher: Fetch = fetch) -> None:
    """Downloads `spec` from the first of `urls` that delivers the right bytes.

    Raises:
      OSError: every url failed; the message has the reason of each. No file is left under the final name.
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
    """Downloads an archive and extracts the files of `specs` by member name. No path inside the archive is trusted.

    Raises:
      OSError: no url delivered an archive that contains all files with the right bytes.
    """
    problems = []
    for url in urls:
        try:
            with made_folder(data_dir), tempfile.TemporaryDirectory(dir=data_dir, prefix=".download.") as folder:
                archive = os.path.join(folder, "archive")
                fetcher(url, archive)
                _unpack(archive, specs, data_dir, url)
                return
        except (OSError, zlib.error) as e:
            problems.append(str(e) if url in str(e) else f"{url}: {e}")
    raise OSError("; ".join(problems))


def _unpack(archive: str, specs: Sequence[FileSpec], data_dir: str, url: str) -> None:
    wanted = {_last_two(spec.path): spec for spec in specs}
    most = 2 * sum(spec.most for spec in specs) + (64 << 20)
    with open_regular(archive) as packed:
        for name, size, content in _tar_members(_Stream(unpacked(packed), most)):
            spec = wanted.get(_last_two(name))
            if spec is None:
                continue
            if size > spec.most or spec.size not in (None, size):
                raise OSError(f"{url}: {name} holds {size} bytes, expected {spec.most}")
            with atomic_path(os.path.join(data_dir, spec.path)) as temporary:
                with open(temporary, "wb") as target:
                    target.writelines(content)
                problem = content_error(temporary, spec)
                if problem:
                    raise OSError(f"{url}: {name} {problem}")
            del wanted[_last_two(name)]
            if not wanted:
                return
    missing = sorted(wanted)
    more = f" (and {len(missing) - 5:,} more)" if len(missing) > 5 else ""
    raise OSError(f"{url}: the archive has no {', '.join(missing[:5])}{more}")


def _last_two(path: str) -> str:
    """The parent folder and the name of a file. The folders above them differ between archives."""
    return "/".join(path.split("/")[-2:])


class _Stream:
    """Limits the number of bytes that are read from an iterator of parts."""

    def __init__(self, parts: Iterator[bytes], most: int):
        self._parts, self._most, self._rest = parts, most, b""

    def read(self, n: int) -> bytes:
        """Up to `n` bytes; fewer at the end of a part, and none at the end of the data."""
        while not self._rest:
            part = next(self._parts, None)
            if part is None:
                return b""
            self._rest = part
            self._most -= len(self._rest)
            if self._most < 0:
                raise OSError("the archive unpacks to far more than it should")
        found, self._rest = self._rest[:n], self._rest[n:]
        return found

    def exactly(self, n: int) -> Iterator[bytes]:
        """The next `n` bytes, in parts."""
        while n:
            found = self.read(n)
            if not found:
                raise OSError("the archive ends too early")
            n -= len(found)
            yield found


def _tar_members(stream: _Stream) -> Iterator[Tuple[str, int, Iterator[bytes]]]:
    """Yields name, size and content of the regular files of a tar archive, and keeps only the requested ones.

    tarfile reads headers of any size into memory, and some headers make it loop forever (CVE-2019-20907,
    CVE-2025-8194).
    """
    while True:
        header = b"".join(stream.exactly(TAR_BLOCK))
        if not header.strip(b"\0"):
            return
        try:
            size = int(header[124:136].strip(b"\0 ") or b"0", 8)
            total = int(header[148:156].strip(b"\0 "), 8)
        except ValueError:
            raise OSError("it is not a tar archive") from None
        if size < 0 or total != sum(header) - sum(header[148:156]) + 8 * 32:
            raise OSError("the tar archive is damaged")
        content = stream.exactly(size)
        if header[156:157] in (b"0", b"\0"):
            name, prefix = (header[a:b].split(b"\0")[0].decode("utf-8", "replace") for a, b in ((0, 100), (345, 500)))
            # If the magic "ustar " ends with a space, GNU's fields follow instead of a prefix.
            yield prefix + "/" + name if prefix and header[257:263] == b"ustar\0" else name, size, content
        for _ in content:
            pass
        for _ in stream.exactly(-size % TAR_BLOCK):
            pass
