"""Converts images of any form in a Python program to a model's input."""

import os
from typing import Sequence, Union

import numpy as np
from PIL import Image

from vq_estimator.data import image_files
from vq_estimator.data.image_files import WANT_LEVELS, DepthUse
from vq_estimator.data.model_view import GREY_OR_COLOUR, View, Viewer, known_channels, on_white
from vq_estimator.errors import VQError

AnyImage = Union[np.ndarray, Image.Image, str, "os.PathLike[str]"]
AT_ONCE = 100  # images of an array
WANT = "uint8 or uint16 [N, H, W, C] with C = {}, or a list of arrays, Pillow images and file names"


def prepare(images: Union[np.ndarray, Sequence[AnyImage]], viewer: Viewer) -> np.ndarray:
    """See `ImageModel.prepare`."""
    view = viewer.view
    depth = DepthUse(view.value_range)
    if isinstance(images, (str, os.PathLike, Image.Image)):
        images = [images]
    if isinstance(images, np.ndarray):
        array = check_array(images, view.channels)
        depth.add(array)
        starts = range(0, len(array), AT_ONCE)
        parts = [viewer(on_white(array[i : i + AT_ONCE], view.channels)) for i in starts]
    else:
        try:
            images = list(images)
        except TypeError:
            raise VQError(f"images: got {type(images).__name__}, expected a list of images or an array") from None
        if not images:
            raise VQError("images: got an empty list, expected one image or more")
        parts = []
        for number, image in enumerate(images):
            array = _one(image, number, view)
            depth.add(array)
            parts.append(viewer(array[np.newaxis]))
    depth.warn()
    return np.concatenate(parts)


def check_array(array: np.ndarray, channels: int) -> np.ndarray:
    """Checks an array that `prepare` accepts for a model with `channels` channels; returns it in native byte order.

    Raises:
      VQError: the array is not valid.
    """
    fits = array.ndim == 4 and array.size and array.shape[-1] in known_channels(channels)
    if array.dtype.kind == "f" and fits:
        raise VQError(f"images: got {array.dtype} {list(array.shape)}, expected {WANT_LEVELS}")
    native = array.dtype.newbyteorder("=")
    if not fits or native not in (np.uint8, np.uint16):
        known = "1, 3 or 4" if channels in GREY_OR_COLOUR else str(channels)
        raise VQError(f"images: got {array.dtype} {list(array.shape)}, expected {WANT.format(known)}")
    return array.astype(native, copy=False)


def _one(image: AnyImage, number: int, view: View) -> np.ndarray:
    """An element of a list, upright, uint8 or uint16 [H, W, c]."""
    try:
        if isinstance(image, (str, os.PathLike)):
            file = image_files.load(os.fspath(image), view.value_range)
            return image_files.upright(file.pixels, file.orientation)
        if isinstance(image, Image.Image):
            return image_files.upright(image_files.to_array(image), image_files.orientation(image, f"images[{number}]"))
    except (ValueError, OSError) as e:
        name = image if isinstance(image, (str, os.PathLike)) else f"number {number}"
        raise VQError(f"images: {name}: {e}") from None
    array = np.asarray(image)
    array = check_array((array[..., np.newaxis] if array.ndim == 2 else array)[np.newaxis], view.channels)
    return on_white(array, view.channels)[0]
