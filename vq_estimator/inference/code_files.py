"""Encodes images or recordings from any source to a file of codes, and decodes those of images.

A file of codes is an `.npz` with `codes` [N, h, w, L] and `origin` (JSON: the source of the codes, and the fingerprint
of the weights). Codes of a data set come with `labels` [N], those of a folder with `files` [N], the paths below it.
`speech_code_files` has the arrays of recordings.
"""

import collections
import contextlib
import json
import os
from typing import Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, TypeVar

import numpy as np

from vq_estimator import drawing
from vq_estimator.config import part
from vq_estimator.data import folder as folder_lib
from vq_estimator.data.files import atomic_folder, atomic_path, open_regular, parse_json
from vq_estimator.data.numpy_files import load_npy, load_npz
from vq_estimator.data.outputs import ARRAY, FOLDER, PICTURE, output_kind
from vq_estimator.errors import VQError
from vq_estimator.inference.examples import Examples
from vq_estimator.inference.image_model import ImageModel
from vq_estimator.inference.trained_model import TrainedModel
from vq_estimator.progress import ProgressBar

DECODED_AT_ONCE = 500  # images
COLUMNS = 10  # columns of a `.png` picture
MAX_IN_PICTURE = 10000  # images
MAX_CODES = 1 << 31  # largest size of an unpacked file of codes in bytes

Advance = Callable[[int], object]  # of a progress bar
Codes = TypeVar("Codes")  # the content of a file of codes


def encode(model: TrainedModel, examples: Examples, out: str) -> int:
    """Writes the codes of all images or recordings to the file `out`, atomically; returns their number.

    Raises:
      VQError: no image or recording could be read.
    """
    of_kind, example = part(model.config.model, "code_files"), model.config.model.example
    with ProgressBar(total=examples.total, unit=example, desc="encode") as bar:
        arrays = of_kind.compute_codes(model, examples, bar.update)
    number = len(of_kind.each_code_map(arrays))
    if not number:
        raise VQError(f"input: got no readable {example} in {examples.origin!r}, expected one or more")
    save(model, examples.origin, out, arrays)
    return number


def compute_codes(model: ImageModel, examples: Examples, advance: Advance = lambda n: None) -> Dict[str, np.ndarray]:
    """Encodes all images, in the batches of the examples.

    Args:
      model: the model.
      examples: the images.
      advance: called with the number of images of each batch that is encoded.

    Returns:
      `codes` int32 [N, h, w, L], and `labels` [N] and `files` [N] if they are known.
    """
    parts = []
    for batch in examples.batches():
        known = {"labels": batch.labels, "files": batch.files}
        known = {name: values for name, values in known.items() if values is not None}
        parts.append(dict(known, codes=model.encode(batch.images)))
        advance(len(batch.images))
    if not parts:
        return {"codes": np.zeros((0, *model.config.model.grid), np.int32)}
    return {key: np.concatenate([found[key] for found in parts]) for key in parts[0]}


def each_code_map(arrays: Dict[str, np.ndarray]) -> Sequence[np.ndarray]:
    """The codes [h, w, L] of each image in the result of `compute_codes`."""
    return arrays["codes"]


def save(model: TrainedModel, origin: str, out: str, arrays: Dict[str, np.ndarray]) -> None:
    """Writes a file of codes. `arrays` are `codes` and what is known about them; `origin` is their source."""
    K = model.config.model.quantizer.K
    about = {"input": origin, "K": K, "fingerprint": model.fingerprint}
    arrays = dict(arrays, codes=arrays["codes"].astype(np.uint16 if K <= 2**16 else np.int32))
    with atomic_path(out) as temporary, open(temporary, "wb") as f:
        np.savez_compressed(f, origin=np.array(json.dumps(about)), **arrays)


class CodesFile(NamedTuple):
    """The content of a file of codes: codes [N, h, w, L], and the names of the images to write if they have any."""

    codes: np.ndarray
    names: Optional[List[str]]


def load(model: ImageModel, path: str) -> CodesFile:
    """Reads a file of `encode`, or another `.npy` or `.npz` of codes.

    Raises:
      VQError: the file cannot be read, has no codes, or its codes are from other weights than the model's.
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
    if codes.codes.ndim != 4:  # `decode` rejects codes that do not fit the model
        raise VQError(f"codes: got {codes.codes.dtype} {list(codes.codes.shape)}, expected integers [N, h, w, L]")
    return codes


@contextlib.contextmanager
def refusing_unreadable(path: str) -> Iterator[None]:
    """Turns errors from reading a file of codes into a VQError."""
    try:
        yield
    except (OSError, ValueError, TypeError) as e:
        raise VQError(f"codes: {path!r} can't be read ({_reason(e)}); expected what vq-encode wrote") from None


def load_archive(
    model: TrainedModel, path: str, names: Sequence[str], unpack: Callable[[Dict[str, np.ndarray]], Codes]
) -> Codes:
    """Applies `unpack` to the arrays `names` of an `.npz` that `save` wrote; `unpack` may raise a ValueError.

    Raises:
      VQError: the file cannot be read, or is from other weights than the model's.
    """
    with refusing_unreadable(path):
        found = load_npz(path, (*names, "origin"), MAX_CODES)
        codes = unpack(found)
        origin = parse_json(str(found["origin"])) if "origin" in found else {}
        if not isinstance(origin, dict):
            raise ValueError("its origin is no object")
    made_by, ours = origin.get("fingerprint"), model.fingerprint
    if made_by not in (None, ours):
        got = f"codes by the weights {str(made_by)[:12]}"
        raise VQError(f"codes: got {got} in {path!r}, expected {ours[:12]}, the model's: name the run that made them")
    return codes


def file_names(files: np.ndarray, n: int, suffix: str = ".png") -> List[str]:
    """The result of `renamed` for an array of file names; a ValueError unless there is one for each of `n`."""
    if files.shape != (n,) or files.dtype.kind != "U":
        raise ValueError(f"its files are {files.dtype} {list(files.shape)}, expected a path for each of {n}")
    return renamed([str(path) for path in files], suffix)


def renamed(paths: Sequence[str], suffix: str = ".png") -> List[str]:
    """The names of the output files: those of the input files with another suffix.

    Raises:
      ValueError: a name leads out of the folder or occurs twice.
    """
    stems = [os.path.splitext(path)[0] for path in paths]
    once = {stem for stem, count in collections.Counter(stems).items() if count == 1}
    names = [(stem if stem in once else path) + suffix for stem, path in zip(stems, paths)]
    for path in paths:
        if any(name in ("", ".", "..") for name in path.split("/")) or "\\" in path or "\0" in path:
            raise ValueError(f"it has a file {path!r}, expected paths below a folder")
        folder_lib.encoded(path)  # a ValueError if no file system allows such a name
    if len(set(names)) < len(paths):
        raise ValueError("it has a file twice")
    return names


def decode(model: ImageModel, codes: CodesFile, out: str, seed: int = 0) -> int:
    """Writes the images of codes to `out`, atomically; returns the number of images.

    If `out` ends in `.npy`, it is an array uint8 [N, H, W, C]; in `.png`, one picture. Otherwise it is a new folder
    with a PNG for each image (or a .npy if a PNG cannot have that number of channels), named like the encoded file, or
    by index.

    Raises:
      VQError: the codes are not valid for the model, the folder exists, or the suffix is that of another kind of file.
    """
    n, kind = len(codes.codes), output_kind("out", out, (PICTURE, ARRAY, FOLDER), FOLDER)
    if kind == PICTURE and n > MAX_IN_PICTURE:
        raise VQError(f"out: got a picture for {n:,} images, expected at most {MAX_IN_PICTURE:,}; name a folder")
    if kind == FOLDER and os.path.exists(out):
        raise VQError(f"out: {out!r} exists; give the name of a folder to make")

    def images():
        with ProgressBar(total=n, unit="image", desc="decode") as bar:
            for image in decode_each(model, codes.codes, seed):
                yield image
                bar.update()

    if kind != FOLDER:
        whole = np.stack(list(images()) or model.decode(codes.codes))  # an empty array is an error in `decode`
        if kind == PICTURE:
            drawing.save_png(out, drawing.grid(whole, min(COLUMNS, n)))
            return n
        with atomic_path(out) as temporary, open(temporary, "wb") as f:
            np.save(f, whole)
        return n
    suffix = drawing.image_suffix(model.config.model.channels)
    model.decode(codes.codes[:1], seed)  # rejects invalid codes before the first image is decoded
    with atomic_folder(out) as folder:
        for i, image in enumerate(images()):
            name = f"{i:06d}{suffix}" if codes.names is None else codes.names[i]
            drawing.save_image(os.path.join(folder, *name.split("/")), image)
    return n


def decode_each(model: ImageModel, codes: np.ndarray, seed: int = 0, first: int = 0) -> Iterator[np.ndarray]:
    """Yields the image uint8 [H, W, C] of each of the codes [N, h, w, L]; `first`: see `ImageModel.decode`."""
    for start in range(0, len(codes), DECODED_AT_ONCE):
        yield from model.decode(codes[start : start + DECODED_AT_ONCE], seed, first=first + start)


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)[:160]
