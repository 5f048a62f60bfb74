"""A folder of a user's own images as a data set. Each file is decoded once, to records in the cache folder.

Records are valid for one image size and for the sizes and modification times of the files; otherwise new ones are made.
`dataset_source` identifies the data by the content of the files, so a copy of the folder is the same data.
"""

import contextlib
import hashlib
import logging
import os
from typing import Any, Dict, NamedTuple, Optional, Tuple

from vq_estimator.config import SPLITS, DataConfig
from vq_estimator.config.model import SIZE
from vq_estimator.data import folder as folder_lib
from vq_estimator.data import shards
from vq_estimator.data.bad_files import check_number
from vq_estimator.data.files import split_paths
from vq_estimator.data.folder import Listing
from vq_estimator.data.image_decoding import decode_files
from vq_estimator.data.model_view import View
from vq_estimator.data.record_cache import FORMAT, Add, RecordCache
from vq_estimator.data.sources import Source
from vq_estimator.errors import VQError, one_line
from vq_estimator.progress import ProgressBar

log = logging.getLogger("vq_estimator")


class Wanted(NamedTuple):
    """Which images a model needs.

    Attributes:
      shape: [H, W, C] of the images.
      max_bad_files: number of files that may be unreadable.
      data: how the files are read.
    """

    shape: Tuple[int, int, int]
    max_bad_files: int = 100
    data: DataConfig = folder_lib.NOW


def locate(data_dir: str, cache_dir: str, want: Wanted, cache: str = "auto", source: Optional[str] = None) -> Source:
    """Finds the images below `data_dir`, and decodes those that are not in the cache.

    Args:
      data_dir: the folder (see `data/folder.py`), or one or more comma-separated folders of shards.
      cache_dir: the user's cache folder; the records are in `images/` there.
      want: the images that the model needs.
      cache: one of config.CACHES: whether training keeps the images in memory or reads them from their file.
      source: the `dataset_source` of an existing run; other data is an error.

    Raises:
      VQError: the folder does not exist or is empty, has too few images, too many unreadable files, or other images.
      OSError: the records cannot be written.
    """
    if want.max_bad_files < 0:
        raise VQError(f"max_bad_files: got {want.max_bad_files}, expected 0 or more")
    folders = split_paths(data_dir)
    if shards.found(folders):
        return shards.locate(folders, shards.Wanted(want.shape, source), cache)
    if want.shape[2] not in (1, 3):
        expected = "3 (colour) or 1 (grey) for files of images; arrays (--dataset=npy) may have other numbers"
        raise VQError(f"channels: got {want.shape[2]}, expected {expected}")
    listing = folder_lib.read(data_dir, folder_lib.IMAGES, want.data)
    folder_lib.counts(listing.files, SPLITS)
    key = folder_lib.fingerprint([FORMAT, want.shape, want.data, listing.class_names, *listing.files], 16)
    store = RecordCache(cache_dir, key, want.shape, _check_manifest)
    made = store.load()
    if made is None:
        made = store.make(len(listing.files), lambda folder, add: _fill(folder, add, data_dir, listing, want))
    elif made["unreadable"]:
        log.warning("unreadable files left out: %d, named in %s", len(made["unreadable"]), store.manifest)
    if made["shifted"]:
        log.warning(
            "this run keeps the cropping rules of version 0.1.0: %d images that EXIF turns are cropped one pixel off "
            "their middle; new runs crop them after they are turned",
            made["shifted"],
        )
    check_number(made["unreadable"], want.max_bad_files)
    if source not in (None, made["source"]):
        raise VQError(f"data_dir: got {data_dir!r} with {made['source']}, expected {source}, the run's own images")
    return store.source(made, cache)


def _check_manifest(made: Dict[str, Any]) -> None:
    """Raises ValueError, KeyError or TypeError unless the entries are of the form that `_fill` returns."""
    texts = [text for path, why in made["unreadable"] for text in (path, why)]
    good = isinstance(made["unreadable"], list) and all(isinstance(t, str) for t in texts)
    if not good or type(made["shifted"]) is not int or made["shifted"] < 0:
        raise ValueError("it holds something else")


def _fill(folder: str, add: Add, data_dir: str, listing: Listing, want: Wanted) -> Dict[str, Any]:
    """Decodes every file; returns the manifest's entries."""
    paths = [folder_lib.encoded(os.path.join(data_dir, *f.path.split("/"))) for f in listing.files]
    content, good, bad, small, shifted = hashlib.sha256(), [], [], 0, 0
    view = View(want.shape[:2], want.shape[2], value_range=want.data.value_range)
    found = decode_files(paths, view, want.data.rules, "--value_range={low},{high} keeps more")
    bar = ProgressBar(zip(listing.files, found), total=len(paths), unit="image", desc="decode images")
    with contextlib.closing(bar):
        for file, decoded in bar:
            if isinstance(decoded, str):
                log.warning("%s can't be read and is left out: %s", one_line(file.path), decoded)
                bad.append([file.path, decoded])
                check_number(bad, want.max_bad_files)
                continue
            add(file.split, decoded.image, file.label)
            content.update(file.hash + decoded.sha256)
            small += decoded.enlarged
            shifted += decoded.shifted
            good.append(file)
    if small:
        log.warning(
            "%d of %d images are smaller than %s and were enlarged", small, len(good), SIZE.text(want.shape[:2])
        )
    folder_lib.counts(good, SPLITS)
    for split in SPLITS:  # the file of each record
        with open(os.path.join(folder, split + ".names"), "wb") as f:
            f.write(folder_lib.pack_names([file.path for file in good if file.split == split]))
    return {
        "source": "images-" + content.hexdigest()[:12],
        "data_dir": os.path.abspath(data_dir),
        "class_names": listing.class_names,
        "unreadable": bad,
        "shifted": shifted,
    }
