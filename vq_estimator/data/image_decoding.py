"""Decodes image files to a model's input, in parallel. A file that cannot be decoded gives a reason instead."""

import contextlib
import hashlib
import os
from multiprocessing.pool import ThreadPool
from typing import Iterator, NamedTuple, Sequence, Union

import numpy as np

from vq_estimator.config.data import RULES
from vq_estimator.data import image_files
from vq_estimator.data.image_files import DepthUse, ImageFile
from vq_estimator.data.model_view import View, Viewer

FILES_AT_ONCE = 64  # files that are decoded before the next ones are started


class Decoded(NamedTuple):
    """A decoded file.

    Attributes:
      image: uint8 [H, W, C], the model's input.
      enlarged: whether the file's image was smaller.
      sha256: SHA-256 of the file's bytes.
      shifted: whether rules 1 crop another square than the current rules, one pixel off.
    """

    image: np.ndarray
    enlarged: bool
    sha256: bytes
    shifted: bool = False


def decode_files(
    paths: Sequence[bytes], view: View, rules: int = RULES, hint: str = ""
) -> Iterator[Union[Decoded, str]]:
    """Yields a Decoded for each file, or one line with the reason why it cannot be decoded.

    Logs a warning at the end if 16-bit files use few levels.

    Args:
      paths: the files.
      view: the model's input.
      rules: `DataConfig.rules`, which decide the supported formats. Rules 1 crop the square before the image is
        rotated.
      hint: end of that warning, see `DepthUse.warn`.
    """
    viewer, depth = Viewer(view), DepthUse(view.value_range)

    def decode(path: bytes) -> Union[Decoded, str]:
        try:
            file = image_files.load(os.fsdecode(path), view.value_range, rules)
        except ValueError as e:
            return str(e)
        depth.add(file.pixels)
        sha256 = hashlib.sha256(file.content).digest()
        if rules == 1:  # rules 1 had square images only
            image = image_files.upright(viewer(file.pixels[np.newaxis])[0], file.orientation)
            return Decoded(image, view.enlarges(file.pixels.shape[:2]), sha256, _shifted(file))
        pixels = image_files.upright(file.pixels, file.orientation)
        return Decoded(viewer(pixels[np.newaxis])[0], view.enlarges(pixels.shape[:2]), sha256)

    # Threads are enough: Pillow and TensorFlow release Python's lock.
    with contextlib.closing(viewer), ThreadPool(os.cpu_count() or 1) as pool:
        for start in range(0, len(paths), FILES_AT_ONCE):
            for number, decoded in enumerate(pool.imap(decode, paths[start : start + FILES_AT_ONCE]), start + 1):
                if number == len(paths):  # before the last yield, because the caller need not resume after it
                    depth.warn(hint)
                yield decoded


def _shifted(file: ImageFile) -> bool:
    """Whether cropping before and after rotation differ: an odd remainder on a mirrored axis."""
    height, width = file.pixels.shape[:2]
    mirrored = (3, 4, 6, 7) if height > width else (2, 3, 7, 8)
    return (height - width) % 2 == 1 and file.orientation in mirrored
