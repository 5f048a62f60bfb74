"""Reads arrays of images in NumPy files: their size, and their pixels a few at a time. Needs no TensorFlow."""

import os
from typing import Any, Dict, Tuple

import numpy as np

from vq_estimator.config import DataConfig
from vq_estimator.data.image_files import WANT_LEVELS
from vq_estimator.data.image_headers import MAX_PIXELS
from vq_estimator.data.numpy_files import ArrayReader, load_array
from vq_estimator.errors import VQError

MAX_BYTES = 1 << 34  # largest array in a .npz
WANT = "uint8 or uint16 [N, H, W, C], or [N, H, W] of one channel"


class ImageReader:
    """The images of a `.npy` or `.npz`, in order. Use it as a context manager, which closes the file.

    Args:
      path: the file.
      array: the name of the images in a `.npz`.
      field: the flag or argument that names the file, for messages.

    Attributes:
      dtype: uint8 or uint16.
      shape: [N, H, W, C].
      names: names of all arrays in a `.npz`; () for a `.npy`.

    Raises:
      VQError: the file cannot be read, or has no such array of images.
    """

    def __init__(self, path: str, array: str = DataConfig.array, field: str = "data_dir"):
        self._path, self._field = path, field
        if os.path.isdir(path):
            raise VQError(f"{field}: got {path!r}, which is a folder, expected a .npy or .npz file")
        try:
            self._reader = ArrayReader(path, array)
        except (OSError, ValueError) as e:
            raise self._unreadable(e) from None
        try:
            if not self._reader.names and array != DataConfig.array:
                raise VQError(f"array: got {array!r}, expected no value: {path!r} is a .npy, whose array has no name")
            self.dtype, self.names, self.shape = self._reader.dtype, self._reader.names, self._image_shape()
        except VQError:
            self.close()
            raise

    def _unreadable(self, error: Exception) -> VQError:
        reason = getattr(error, "strerror", None) or error
        return VQError(f"{self._field}: {self._path!r} can't be read as an array of images ({reason})")

    def _image_shape(self) -> Tuple[int, ...]:
        dtype, shape = self._reader.dtype, self._reader.shape
        got = f"{self._field}: got {dtype} {list(shape)} in {self._path!r}"
        good = len(shape) in (3, 4) and 0 not in shape
        if good and dtype.kind == "f":
            raise VQError(f"{got}, expected {WANT_LEVELS}")
        if not good or dtype not in (np.uint8, np.uint16):
            raise VQError(f"{got}, expected {WANT}")
        if len(shape) == 4 and shape[1] <= 4 < shape[3]:
            raise VQError(f"{got}, expected {WANT}: the channels are last, as in np.moveaxis(images, 1, -1)")
        if shape[1] * shape[2] > MAX_PIXELS:
            raise VQError(f"{got}, expected at most {MAX_PIXELS:,} pixels per image")
        return shape if len(shape) == 4 else (*shape, 1)

    def __enter__(self) -> "ImageReader":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        self._reader.close()

    def read(self, number: int) -> np.ndarray:
        """The next `number` images [n, H, W, C], or those that remain.

        Raises:
          VQError: the file cannot be read.
        """
        try:
            return self._reader.read(number).reshape(-1, *self.shape[1:])
        except (OSError, ValueError) as e:
            raise self._unreadable(e) from None


def load(path: str, array: str, channels: int) -> np.ndarray:
    """Loads the images of a `.npy` or `.npz` for a model with `channels` channels.

    Args:
      path: the file.
      array: the name of the images in a `.npz`.
      channels: channels of the model; if 1, an array [N, H, W] becomes [N, H, W, 1].

    Raises:
      OSError, ValueError: the file cannot be read, see `numpy_files.load_array`.
    """
    images = load_array(path, array, MAX_BYTES)
    return images[..., np.newaxis] if images.ndim == 3 and channels == 1 else images


def own_size(path: str, array: str = DataConfig.array) -> Dict[str, Any]:
    """The settings `image_size` and `channels` of the images in a file.

    Raises:
      VQError: the file has no images.
    """
    with ImageReader(path, array) as reader:
        height, width, channels = reader.shape[1:]
    return {"image_size": height if height == width else (height, width), "channels": channels}
