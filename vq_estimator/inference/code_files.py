"""Images of any origin to a file of codes, and such a file back to images.

A file of codes is an `.npz` with `codes` [N, h, w, L] and `origin` (JSON: what it was made of, and by which weights);
of a data set there are `labels` [N] beside them, of a folder `files` [N], the paths below it.
"""

import collections
import contextlib
import json
import logging
import os
from typing import Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple, TypeVar

import numpy as np
import tensorflow.compat.v1 as tf
from tqdm import tqdm

from vq_estimator import drawing
from vq_estimator.data import folder as folder_lib
from vq_estimator.data import image_arrays, pipeline
from vq_estimator.data.files import atomic_folder, atomic_path, open_regular, parse_json
from vq_estimator.data.image_decoding import decode_files
from vq_estimator.data.model_view import View
from vq_estimator.data.numpy_files import load_npy, load_npz
from vq_estimator.data.outputs import ARRAY, FOLDER, PICTURE, output_kind
from vq_estimator.data.sources import Source
from vq_estimator.errors import VQError, one_line
from vq_estimator.inference import preparation
from vq_estimator.inference.calibration import fingerprint
from vq_estimator.inference.image_model import ImageModel
from vq_estimator.inference.trained_model import TrainedModel

log = logging.getLogger("vq_estimator")

BATCH = 500
COLUMNS = 10  # of the picture that `.png` is
MAX_IN_PICTURE = 10000  # images
MAX_CODES = 1 << 31  # bytes that a file of codes may unpack to

Codes = TypeVar("Codes")  # what a file of codes holds


class Images(NamedTuple):
    """Where images come from.

    Attributes:
      origin: what they are, for the file of codes.
      total: how many, unreadable ones among them.
      batches: of (images uint8 [B, S, S, C], {"labels": [B]} or {"files": [B]} or nothing).
    """

    origin: str
    total: int
    batches: Iterator[Tuple[np.ndarray, Dict[str, np.ndarray]]]


def of_split(model: ImageModel, source: Source, split: str) -> Images:
    """A split of a data set, as the model sees it.

    Raises:
      VQError: its images have other channels than the model's.
    """
    m, channels = model.config.model, source.spec.shape[-1]
    if channels != m.channels:
        raise VQError(
            f"input: got {source.spec.name} with {channels} channels, expected {m.channels}, as the model has"
        )

    def batches():
        with tf.Graph().as_default(), tf.Session() as session:
            dataset = pipeline.evaluation_dataset(source, split, m.size, BATCH, m.binarize)
            step = session.make_callable(tf.data.make_one_shot_iterator(dataset).get_next())
            for _ in range(-(-total // BATCH)):
                features = step()
                yield features["image"], {"labels": features["label"]}

    total = pipeline.split_size(source, split)
    return Images(f"{source.spec.name}:{split}", total, batches())


def of_array(model: ImageModel, path: str) -> Images:
    """A `.npy` or `.npz` of images, uint8 or uint16 [N, H, W, C], of any size (see `ImageModel.prepare`).

    Raises:
      VQError: it can't be read, or is no such array.
    """
    try:
        images = image_arrays.load(path, model.config.data.array, model.config.model.channels)
    except (OSError, ValueError) as e:
        raise VQError(f"input: {path!r} can't be read as a NumPy array ({_reason(e)})") from None
    try:
        preparation.check_array(images, model.config.model.channels)
    except VQError as e:
        raise VQError(f"input: {path!r}: {e}") from None
    starts = range(0, len(images), BATCH)
    return Images(path, len(images), ((model.prepare(images[i : i + BATCH]), {}) for i in starts))


def of_folder(model: ImageModel, folder: str, max_bad_files: int = 100) -> Images:
    """All PNG and JPEG files below a folder, in the order of their paths; see `of_files`."""
    return of_files(model, folder, folder_lib.paths(folder), max_bad_files)


def of_files(model: ImageModel, folder: str, names: Sequence[str], max_bad_files: int = 0) -> Images:
    """PNG and JPEG files as the model sees them; `names` are their paths below `folder`.

    Unreadable ones are named and left out.

    Raises:
      VQError: more than `max_bad_files` can't be read.
    """
    view = View.of(model.config)
    paths = [folder_lib.encoded(os.path.join(folder, *name.split("/"))) for name in names]

    def batches():
        images, files, bad = [], [], 0
        for name, found in zip(names, decode_files(paths, view)):
            if isinstance(found, str):
                bad += 1
                if bad > max_bad_files:
                    many = f"; expected at most {max_bad_files} such files, --max_bad_files changes that"
                    raise VQError(f"input: {name}: can't be read: {found}" + (many if bad > 1 else ""))
                log.warning("%s can't be read and is left out: %s", one_line(name), found)
                continue
            images.append(found.image)
            files.append(name)
            if len(images) == BATCH:
                yield np.stack(images), {"files": np.array(files)}
                images, files = [], []
        if images:
            yield np.stack(images), {"files": np.array(files)}

    return Images(folder, len(names), batches())


def encode(model: ImageModel, images: Images, out: str) -> int:
    """Writes the codes of all images to the file `out`, whole or not at all; returns how many.

    Raises:
      VQError: none of the images could be read.
    """
    parts = []
    with tqdm(total=images.total, unit="image", desc="encode") as bar:
        for batch, rest in images.batches:
            parts.append(dict(rest, codes=model.encode(batch)))
            bar.update(len(batch))
    if not parts:
        raise VQError(f"input: got no readable image in {images.origin!r}, expected one or more")
    arrays = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    save(model, images.origin, out, arrays)
    return len(arrays["codes"])


def save(model: TrainedModel, origin: str, out: str, arrays: Dict[str, np.ndarray]) -> None:
    """Writes a file of codes; `arrays` are `codes` and what is known of them, `origin` what they were made of."""
    K = model.config.model.quantizer.K
    about = {"input": origin, "K": K, "fingerprint": fingerprint(model.checkpoint.path)}
    arrays = dict(arrays, codes=arrays["codes"].astype(np.uint16 if K <= 2**16 else np.int32))
    with atomic_path(out) as temporary, open(temporary, "wb") as f:
        np.savez_compressed(f, origin=np.array(json.dumps(about)), **arrays)


class CodesFile(NamedTuple):
    """What a file of codes holds: codes [N, h, w, L], and the names of the images to make where they were files."""

    codes: np.ndarray
    names: Optional[List[str]]


def load(model: ImageModel, path: str) -> CodesFile:
    """Reads a file of `encode`, or a `.npy` or `.npz` of codes that others made.

    Raises:
      VQError: it can't be read, holds no codes, or was made by other weights than the model's.
    """

    def unpack(found):
        if "codes" not in found:
            raise ValueError("no codes in it")
        codes = found["codes"]
        suffix = drawing.image_suffix(model.config.model.channels)
        return CodesFile(codes, file_names(found["files"], len(codes), suffix) if "files" in found else None)

    with refusing_unreadable(path):
        with open_regular(path) as f:
            zipped = f.read(2) == b"PK"
        codes = None if zipped else CodesFile(load_npy(path), None)
    if codes is None:
        codes = load_archive(model, path, ("codes", "files"), unpack)
    if codes.codes.ndim != 4:  # codes that do not fit the model `decode` refuses
        raise VQError(f"codes: got {codes.codes.dtype} {list(codes.codes.shape)}, expected integers [N, h, w, L]")
    return codes


@contextlib.contextmanager
def refusing_unreadable(path: str) -> Iterator[None]:
    """Errors of reading a file of codes as VQError."""
    try:
        yield
    except (OSError, ValueError, TypeError) as e:
        raise VQError(f"codes: {path!r} can't be read ({_reason(e)}); expected what vq-encode wrote") from None


def load_archive(
    model: TrainedModel, path: str, names: Sequence[str], unpack: Callable[[Dict[str, np.ndarray]], Codes]
) -> Codes:
    """What `unpack` makes of the arrays `names` of an `.npz` that `save` wrote; it raises ValueError where it can't.

    Raises:
      VQError: the file can't be read, or was made by other weights than the model's.
    """
    with refusing_unreadable(path):
        found = load_npz(path, (*names, "origin"), MAX_CODES)
        codes = unpack(found)
        origin = parse_json(str(found["origin"])) if "origin" in found else {}
        if not isinstance(origin, dict):
            raise ValueError("its origin is no object")
    made_by, ours = origin.get("fingerprint"), fingerprint(model.checkpoint.path)
    if made_by not in (None, ours):
        got = f"codes by the weights {str(made_by)[:12]}"
        raise VQError(f"codes: got {got} in {path!r}, expected {ours[:12]}, the model's: name the run that made them")
    return codes


def file_names(files: np.ndarray, n: int, suffix: str = ".png") -> List[str]:
    """`renamed` of an array; a ValueError too where there is not one for each of `n`."""
    if files.shape != (n,) or files.dtype.kind != "U":
        raise ValueError(f"its files are {files.dtype} {list(files.shape)}, expected a path for each of {n}")
    return renamed([str(path) for path in files], suffix)


def renamed(paths: Sequence[str], suffix: str = ".png") -> List[str]:
    """The names of the files that are made of others: theirs, with another suffix.

    Raises:
      ValueError: one leads out of the folder, or occurs twice.
    """
    stems = [os.path.splitext(path)[0] for path in paths]
    once = {stem for stem, count in collections.Counter(stems).items() if count == 1}
    names = [(stem if stem in once else path) + suffix for stem, path in zip(stems, paths)]
    for path in paths:
        if any(part in ("", ".", "..") for part in path.split("/")) or "\\" in path or "\0" in path:
            raise ValueError(f"it has a file {path!r}, expected paths below a folder")
        folder_lib.encoded(path)  # a ValueError where no file system has such a name
    if len(set(names)) < len(paths):
        raise ValueError("it has a file twice")
    return names


def decode(model: ImageModel, codes: CodesFile, out: str, seed: int = 0) -> int:
    """Writes the images of codes to `out`, whole or not at all; returns how many.

    `out` ending in `.npy` is an array uint8 [N, H, W, C], in `.png` one picture; otherwise it is a folder, which must
    not exist, of a PNG each (a .npy where a PNG can't have so many channels): named as the file that the codes are of,
    or by number.

    Raises:
      VQError: the codes are none of the model's, or the folder exists, or the suffix is of another kind of file.
    """
    n, kind = len(codes.codes), output_kind("out", out, (PICTURE, ARRAY, FOLDER), FOLDER)
    if kind == PICTURE and n > MAX_IN_PICTURE:
        raise VQError(f"out: got a picture for {n:,} images, expected at most {MAX_IN_PICTURE:,}; name a folder")
    if kind == FOLDER and os.path.exists(out):
        raise VQError(f"out: {out!r} exists; give the name of a folder to make")

    def images():
        with tqdm(total=n, unit="image", desc="decode") as bar:
            for start in range(0, n, BATCH):
                batch = model.decode(codes.codes[start : start + BATCH], seed, first=start)
                yield batch
                bar.update(len(batch))

    if kind != FOLDER:
        whole = np.concatenate(list(images()) or [model.decode(codes.codes)])  # which refuses what is empty
        if kind == PICTURE:
            drawing.save_png(out, drawing.grid(whole, min(COLUMNS, n)))
            return n
        with atomic_path(out) as temporary, open(temporary, "wb") as f:
            np.save(f, whole)
        return n
    suffix = drawing.image_suffix(model.config.model.channels)
    model.decode(codes.codes[:1], seed)  # refuses codes that are none before anything is made
    with atomic_folder(out) as folder:
        numbers = iter(range(n))
        for batch in images():
            for image in batch:
                i = next(numbers)
                name = f"{i:06d}{suffix}" if codes.names is None else codes.names[i]
                drawing.save_image(os.path.join(folder, *name.split("/")), image)
    return n


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)[:160]
