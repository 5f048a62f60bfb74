"""A folder of a user's own images as a data set: each file is decoded once, to records in the cache folder.

The records are of one size of image and belong to files of certain sizes and times of change; for anything else others
are made. What identifies the data is the content of the files (`dataset_source`), so a copy of the folder is the same.
"""

import contextlib
import errno
import hashlib
import logging
import os
import shutil
from typing import List, NamedTuple, Optional, Tuple

from tqdm import tqdm

from vq_estimator.config import DataConfig
from vq_estimator.config.catalogue import DatasetSpec
from vq_estimator.config.model import SIZE
from vq_estimator.data import folder as folder_lib
from vq_estimator.data import records, shards
from vq_estimator.data.files import ChecksumCache, FileSpec, atomic_folder, read_json, size_and_hash, write_json
from vq_estimator.data.folder import Listing
from vq_estimator.data.image_decoding import decode_files
from vq_estimator.data.model_view import View
from vq_estimator.data.sources import Source
from vq_estimator.errors import VQError, one_line

log = logging.getLogger("vq_estimator")

FORMAT = 2  # of the records; another makes them anew
SPLITS = ("train", "validation", "test")
CACHES = ("auto", "memory", "tfrecord")
MAX_IN_MEMORY = 1 << 30  # bytes of training images up to which "auto" keeps them there
MANIFEST = "images.json"


class Wanted(NamedTuple):
    """What is made of the files.

    Attributes:
      shape: [H, W, C] of the images.
      max_bad_files: how many files may be unreadable.
      data: how the files are read.
    """

    shape: Tuple[int, int, int]
    max_bad_files: int = 100
    data: DataConfig = folder_lib.NOW


def locate(data_dir: str, cache_dir: str, want: Wanted, cache: str = "auto", source: Optional[str] = None) -> Source:
    """The images below `data_dir`.

    Args:
      data_dir: the folder (see `data/folder.py`), or one or more folders of shards, with commas between them.
      cache_dir: the user's cache folder; the records are in `images/` there.
      want: what is made of the files.
      cache: of CACHES: where training has the images, in memory or in their file.
      source: the `dataset_source` that an existing run used; anything else is refused.

    Raises:
      VQError: the folder is none, or empty, or has too few images or too many unreadable files, or other images.
      OSError: the records can't be written.
    """
    if want.max_bad_files < 0:
        raise VQError(f"max_bad_files: got {want.max_bad_files}, expected 0 or more")
    folders = shards.folders_of(data_dir)
    if shards.found(folders):
        return shards.locate(folders, shards.Wanted(want.shape, source), MAX_IN_MEMORY, cache)
    if want.shape[2] not in (1, 3):
        expected = "3 (colour) or 1 (grey) for files of images; arrays (--dataset=npy) may have other numbers"
        raise VQError(f"channels: got {want.shape[2]}, expected {expected}")
    listing = folder_lib.read(data_dir, folder_lib.IMAGES, want.data)
    folder_lib.counts(listing.files, SPLITS)
    key = folder_lib.fingerprint([FORMAT, want.shape, want.data, listing.class_names, *listing.files], 16)
    target = os.path.join(cache_dir, "images", "{}-{}x{}x{}".format(key, *want.shape))
    checksums = ChecksumCache(cache_dir)
    made = _load(target, want.shape, checksums)
    if made is None:
        _make(target, data_dir, listing, want)
        made = _load(target, want.shape, checksums)
        if made is None:
            raise VQError(f"cache: {target!r} is damaged as soon as it is written; check the disk")
    elif made["unreadable"]:
        log.warning("unreadable files left out: %d, named in %s", len(made["unreadable"]), _manifest(target))
    if made["shifted"]:
        log.warning(
            "this run keeps the cropping rules of version 0.1.0: %d images that EXIF turns are cropped one pixel off "
            "their middle; new runs crop them after they are turned",
            made["shifted"],
        )
    _check_bad(made["unreadable"], want.max_bad_files)
    if source not in (None, made["source"]):
        raise VQError(f"data_dir: got {data_dir!r} with {made['source']}, expected {source}, the run's own images")
    n, names = made["counts"], tuple(made["class_names"])
    spec = DatasetSpec(
        name=made["source"],
        shape=want.shape,
        classes=len(names),
        layout="tfrecord",
        train=n["train"] + n["validation"],
        test=n["test"],
        validation=n["validation"],
        files=(),
        mirrors=(),
        class_names=names,
    )
    size = n["train"] * records.record_bytes(want.shape)
    in_memory = cache == "memory" or (cache == "auto" and size <= MAX_IN_MEMORY)
    return Source(spec, tuple((os.path.join(target, split + ".tfrecord"),) for split in SPLITS), in_memory)


def _manifest(target: str) -> str:
    return os.path.join(target, MANIFEST)


def _load(target: str, shape: Tuple[int, int, int], checksums: ChecksumCache) -> Optional[dict]:
    """What `_make` wrote; None where nothing is. What is damaged is removed."""
    if not os.path.isdir(target):
        return None
    try:
        made = read_json(_manifest(target))
        _check_manifest(made)
        for split in SPLITS:
            path = os.path.join(target, split + ".tfrecord")
            size, sha256 = made["files"][split]
            if size != made["counts"][split] * records.record_bytes(shape):
                raise ValueError(f"{path} has {size} bytes")
            problem = checksums.error(path, FileSpec(path, size, sha256))
            if problem:
                raise ValueError(f"{path} {problem}")
        return made
    except (FileNotFoundError, ValueError, KeyError, TypeError) as e:
        log.warning("the cached images are damaged (%s) and made anew", one_line(str(e)))
        shutil.rmtree(target)
        return None


def _check_manifest(made: dict) -> None:
    """Raises ValueError, KeyError or TypeError where it is not of the kind that `_write` writes."""
    texts = [made["source"], *made["class_names"], *(text for path, why in made["unreadable"] for text in (path, why))]
    lists = isinstance(made["class_names"], list) and isinstance(made["unreadable"], list)
    counts = [*(made["counts"][split] for split in SPLITS), made["shifted"] + 1]
    if not lists or not all(isinstance(t, str) for t in texts) or not all(type(n) is int and n >= 1 for n in counts):
        raise ValueError(f"{MANIFEST} holds something else")


def _check_bad(bad: List, most: int) -> None:
    if len(bad) > most:
        path, why = bad[-1]
        got = f"{len(bad)} or more files that can't be read, {path} among them ({why})"
        raise VQError(f"data_dir: got {got}, expected at most {most}; --max_bad_files changes that")


def _make(target: str, data_dir: str, listing: Listing, want: Wanted) -> None:
    """Decodes every file and writes the records; the folder `target` is whole or not there."""
    os.makedirs(os.path.dirname(target), exist_ok=True)
    needed = len(listing.files) * records.record_bytes(want.shape)
    free = shutil.disk_usage(os.path.dirname(target)).free
    if needed > free:
        got = f"{free / 1e9:.1f} GB free in {os.path.dirname(target)!r}"
        raise VQError(f"cache: got {got}, expected {needed / 1e9:.1f} GB for the images; set VQ_CACHE_DIR")
    try:
        with atomic_folder(target) as folder:
            number = _write(folder, data_dir, listing, want)
    except OSError as e:  # another process was faster: its records are as good
        if e.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
    log.info("%d images of %dx%d in %s (%.2f GB)", number, *want.shape[:2], target, needed / 1e9)


def _write(folder: str, data_dir: str, listing: Listing, want: Wanted) -> int:
    """Fills the folder; returns how many images there are."""
    paths = [folder_lib.encoded(os.path.join(data_dir, *f.path.split("/"))) for f in listing.files]
    content, good, bad, small, shifted = hashlib.sha256(), [], [], 0, 0
    with contextlib.ExitStack() as stack:
        add = {s: stack.enter_context(records.writer(os.path.join(folder, s + ".tfrecord"))) for s in SPLITS}
        view = View(want.shape[:2], want.shape[2], value_range=want.data.value_range)
        found = decode_files(paths, view, want.data.rules, "--value_range={low},{high} keeps more")
        bar = tqdm(zip(listing.files, found), total=len(paths), unit="image", desc="decode images")
        for file, decoded in stack.enter_context(contextlib.closing(bar)):
            if isinstance(decoded, str):
                log.warning("%s can't be read and is left out: %s", one_line(file.path), decoded)
                bad.append([file.path, decoded])
                _check_bad(bad, want.max_bad_files)
                continue
            add[file.split](decoded.image, file.label)
            content.update(file.hash + decoded.sha256)
            small += decoded.enlarged
            shifted += decoded.shifted
            good.append(file)
    if small:
        log.warning(
            "%d of %d images are smaller than %s and were enlarged", small, len(good), SIZE.text(want.shape[:2])
        )
    counts = folder_lib.counts(good, SPLITS)
    for split in SPLITS:  # which file each record is of
        with open(os.path.join(folder, split + ".names"), "wb") as f:
            f.write(folder_lib.pack_names([file.path for file in good if file.split == split]))
    write_json(
        _manifest(folder),
        {
            "source": "images-" + content.hexdigest()[:12],
            "data_dir": os.path.abspath(data_dir),
            "shape": want.shape,
            "counts": counts,
            "class_names": listing.class_names,
            "unreadable": bad,
            "shifted": shifted,
            "files": {split: size_and_hash(os.path.join(folder, split + ".tfrecord")) for split in SPLITS},
        },
    )
    return len(good)
