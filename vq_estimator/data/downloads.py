"""Downloads that prove themselves: a file, or what is wanted of an archive, is there with its bytes or not at all."""

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
MAX_DOWNLOAD = 1 << 30  # bytes of a download
TAR_BLOCK = 512

Fetch = Callable[[str, str], None]


def fetch(url: str, path: str) -> None:
    """Downloads `url` to `path` with a progress bar; any failure, and more than MAX_DOWNLOAD bytes, is an OSError."""
    import pooch  # with requests, half a second to import: only where something is downloaded

    try:
        with _Bounded(path, "wb") as f:
            pooch.HTTPDownloader(progressbar=True, timeout=TIMEOUT_SECONDS)(url, f, None)
    except _TooLong as e:
        raise OSError(f"{url}: {e}") from None
    except (OSError, ValueError) as e:  # requests' exceptions are OSErrors
        reason = str(e) if getattr(e, "response", None) is not None else type(e).__name__
        raise OSError(f"{url}: {reason}") from None


class _TooLong(Exception):
    """More bytes than can be right."""


class _Bounded(io.FileIO):
    """A file to write at most MAX_DOWNLOAD bytes to."""

    def write(self, data: bytes) -> int:  # type: ignore[override]
        if self.tell() + len(data) > MAX_DOWNLOAD:
            raise _TooLong(f"sends more than {MAX_DOWNLOAD} bytes")
        return super().write(data)


class DownloadRecord:
    """Remembers in `cache_dir` which files were downloaded. Only these are ever renamed: any other is the user's.

    A file is known by its path, its inode (another file that was moved there is the user's) and the SHA-256 that was
    asked for. Losing the record costs a question only: a damaged download is then refused as a user's file is.
    """

    def __init__(self, cache_dir: str):
        self._path = os.path.join(cache_dir, "downloads.json")
        self._known = read_remembered(self._path)

    def add(self, data_dir: str, specs: Sequence[FileSpec]) -> None:
        """Those of `specs` that are there now; they were not before their download."""
        for spec in specs:
            path = os.path.join(data_dir, *spec.path.split("/"))
            with contextlib.suppress(OSError):
                self._known[os.path.realpath(path)] = [os.stat(path).st_ino, spec.sha256]
        with contextlib.suppress(OSError):
            write_text(self._path, json.dumps(self._known))

    def has(self, path: str, spec: FileSpec) -> bool:
        """Whether the file at `path` was downloaded as `spec`, whatever it holds now."""
        return self._known.get(os.path.realpath(path)) == [os.stat(path).st_ino, spec.sha256]


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
    """The folder and the name of a file: what is above them in an archive differs with who packed it."""
    return "/".join(path.split("/")[-2:])


class _Stream:
    """Reads at most so many bytes of the parts of something that is unpacked as it is read."""

    def __init__(self, parts: Iterator[bytes], most: int):
        self._parts, self._most, self._rest = parts, most, b""

    def read(self, n: int) -> bytes:
        """Up to `n` bytes, fewer at the end of a part; none at the end of all."""
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
        """The next `n` bytes in parts."""
        while n:
            found = self.read(n)
            if not found:
                raise OSError("the archive ends too early")
            n -= len(found)
            yield found


def _tar_members(stream: _Stream) -> Iterator[Tuple[str, int, Iterator[bytes]]]:
    """Name, size and content of the ordinary files of a tar archive; nothing but the file that is asked for is kept.

    tarfile reads headers of any size into memory, and some make it loop for ever (CVE-2019-20907, CVE-2025-8194).
    """
    while True:
        header = b"".join(stream.exactly(TAR_BLOCK))
        if not header.strip(b"\0"):
            return
        try:
            size = int(header[124:136].strip(b"\0 ") or b"0", 8)
            total = int(header[148:156].strip(b"\0 "), 8)
        except ValueError:
            raise OSError("it is no tar archive") from None
        if size < 0 or total != sum(header) - sum(header[148:156]) + 8 * 32:
            raise OSError("the tar archive is damaged")
        content = stream.exactly(size)
        if header[156:157] in (b"0", b"\0"):
            name, prefix = (header[a:b].split(b"\0")[0].decode("utf-8", "replace") for a, b in ((0, 100), (345, 500)))
            # What follows the magic "ustar " with a space is GNU's, and no prefix.
            yield prefix + "/" + name if prefix and header[257:263] == b"ustar\0" else name, size, content
        for _ in content:
            pass
        for _ in stream.exactly(-size % TAR_BLOCK):
            pass
