"""Reads images from any source as a model's input: splits of data sets, folders, files and arrays."""

import contextlib
import os
from typing import Optional, Sequence, Union

import numpy as np

from vq_estimator.config import arguments
from vq_estimator.data import batching, image_arrays
from vq_estimator.data import folder as folder_lib
from vq_estimator.data.bad_files import BadFiles, Limit
from vq_estimator.data.image_decoding import decode_files
from vq_estimator.data.model_view import View, Viewer
from vq_estimator.data.sources import Source
from vq_estimator.errors import VQError
from vq_estimator.inference import preparation
from vq_estimator.inference.examples import Batch, Examples
from vq_estimator.inference.preparation import AnyImage
from vq_estimator.inference.session import OpenRun
from vq_estimator.training import run_folder

KIND = folder_lib.IMAGES


def of_split(run: OpenRun, source: Source, split: str) -> Examples:
    """A split of a data set.

    Raises:
      VQError: its images have a different number of channels.
    """
    m, channels = run.config.model, source.spec.shape[-1]
    if channels != m.channels:
        raise VQError(
            f"input: got {source.spec.name} with {channels} channels, expected {m.channels}, as the model has"
        )
    return run.examples(source, split)


def of_array(run: OpenRun, path: str) -> Examples:
    """A `.npy` or `.npz` of images, uint8 or uint16 [N, H, W, C], of any size (see `ImageModel.prepare`).

    Raises:
      VQError: the file cannot be read, or has no such array.
    """
    try:
        images = image_arrays.load(path, run.config.data.array, run.config.model.channels)
    except (OSError, ValueError) as e:
        if os.path.isfile(path) and not path.lower().endswith((".npy", ".npz")):
            want = f"a {folder_lib.IMAGES.formats.names()} file, or a .npy or .npz file"
            raise VQError(f"input: got {path!r}, expected {want}") from None
        reason = str(getattr(e, "strerror", None) or e)[:160]
        raise VQError(f"input: {path!r} can't be read as a NumPy array ({reason})") from None
    try:
        return of_images(run, images, path)
    except VQError as e:
        raise VQError(f"input: {path!r}: {e}") from None


def of_images(run: OpenRun, images: Union[np.ndarray, Sequence[AnyImage]], origin: str = "images") -> Examples:
    """Images in any form that `ImageModel.prepare` accepts.

    Raises:
      VQError: the value is neither an array of images nor a list.
    """
    if isinstance(images, np.ndarray):
        preparation.check_array(images, run.config.model.channels)
    else:
        images = arguments.listed("images", images, "an array or a list of images")
    view, size = View.of(run.config), batching.evaluation_batch(run.config.model.dims)

    def batches():
        with contextlib.closing(Viewer(view)) as viewer:
            for i in range(0, len(images), size):
                yield Batch(preparation.prepare(images[i : i + size], viewer))

    return Examples(_base_name(origin), len(images), batches, origin)


from_arrays = of_images  # the name that `vq_estimator.beam` calls for every kind of model


def of_folder(run: OpenRun, folder: str, max_bad_files: Limit = 100) -> Examples:
    """All image files below a folder, in the order of their paths; see `of_files`."""
    return of_files(run, folder, folder_lib.paths(folder), max_bad_files)._replace(name=_base_name(folder))


def of_files(run: OpenRun, folder: str, names: Sequence[str], max_bad_files: Limit = 0) -> Examples:
    """Image files, named by their paths below `folder`. Unreadable files are skipped with a warning.

    A file's batch depends on its position among all files only, whether or not earlier ones can be read.

    Raises:
      VQError: more than `max_bad_files` cannot be read.
    """
    view, size = View.of(run.config), batching.evaluation_batch(run.config.model.dims)
    paths = [folder_lib.encoded(os.path.join(folder, *name.split("/"))) for name in names]

    def batches():
        images, files, bad = [], [], BadFiles.of(max_bad_files)
        for number, (name, found) in enumerate(zip(names, decode_files(paths, view)), 1):
            if isinstance(found, str):
                bad.add(name, found)
            else:
                images.append(found.image)
                files.append(name)
            if images and (number % size == 0 or number == len(names)):
                yield Batch(np.stack(images), files=np.array(files))
                images, files = [], []

    return Examples(_base_name(names[0]) if len(names) == 1 else _base_name(folder), len(names), batches, folder)


def of_path(run: OpenRun, path: str, max_bad_files: int = 100) -> Examples:
    """A folder of image files, one such file, or a `.npy`.

    Raises:
      VQError: there is no such file or folder.
    """
    if os.path.isdir(path):
        return of_folder(run, path, max_bad_files)
    if not os.path.isfile(path):
        raise VQError(f"images: got {path!r}, expected a folder, an image file, or a .npy or .npz file")
    if path.lower().endswith(folder_lib.IMAGES.formats.suffixes()):
        return of_files(run, os.path.dirname(path), [os.path.basename(path)])
    return of_array(run, path)


def with_labels(run: OpenRun, examples: Examples, labels: Optional[np.ndarray] = None) -> Examples:
    """Adds labels to examples if they belong to the run's classes.

    Args:
      run: the run, whose class names, or indices without names, are names of folders.
      examples: a split has its own labels; for a file, the nearest folder that is named like a class decides.
      labels: int32 [N] to use instead.
    """
    if labels is not None:
        if len(labels) != examples.total:
            raise VQError(f"labels: got {len(labels)}, expected {examples.total}, one for each image")
        return examples.changed(lambda batch, i: batch._replace(labels=labels[i : i + len(batch.images)]))
    if examples.source is not None:
        known = run.config.shares_classes(examples.source)
        return examples if known else examples.changed(lambda batch, _: batch._replace(labels=None))
    names = _class_names(run)

    def of_folders(batch, _):
        found = [folder_lib.named_by(name, names) for name in batch.files] if batch.files is not None else [None]
        return batch._replace(labels=None if None in found else np.array(found, np.int32))

    return examples.changed(of_folders)


with_conditions = with_labels  # the name that `vq_estimator.beam` calls for every kind of model


def _class_names(run: OpenRun) -> Sequence[str]:
    """The folder names that stand for classes: the run's class names, or indices if these are unknown."""
    classes = run.prior.config.codes.classes if run.prior is not None else 0
    return run_folder.class_names(run.model_dir, run.config) or [str(k) for k in range(classes)]


def _base_name(path: str) -> str:
    return os.path.splitext(os.path.basename(os.path.abspath(path)))[0] if path else ""
