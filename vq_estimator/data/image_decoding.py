"""Image files as a model sees them, decoded on all processors; what can't be decoded is a reason of its own."""

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

FILES_AT_ONCE = 64  # which are decoded before the first of the next ones is begun


class Decoded(NamedTuple):
    """A file.

    Attributes:
      image: uint8 [H, W, C], as the model sees it.
      enlarged: whether it was smaller.
      sha256: of the file's bytes.
      shifted: whether rules 1 cut out another square than the current rules, one pixel beside it.
    """

    image: np.ndarray
    enlarged: bool
    sha256: bytes
    shifted: bool = False


def decode_files(
    paths: Sequence[bytes], view: View, rules: int = RULES, hint: str = ""
) -> Iterator[Union[Decoded, str]]:
    """Each file in turn: a Decoded, or in one line why it can't be.

    Logs a warning at the end where 16-bit files became few levels.

    Args:
      paths: of the files.
      view: what the model sees.
      rules: `DataConfig.rules`, which say what formats are read; under rules 1 the square was cut out before the image
        was turned upright.
      hint: the end of that warning, see `DepthUse.warn`.
    """
    viewer, depth = Viewer(view), DepthUse(view.value_range)

    def decode(path: bytes) -> Union[Decoded, str]:
        try:
            file = image_files.load(os.fsdecode(path), view.value_range, rules)
        except ValueError as e:
            return str(e)
        depth.add(file.pixels)
        sha256 = hashlib.sha256(file.content).digest()
        if rules == 1:  # whose images are square
            image = image_files.upright(viewer(file.pixels[np.newaxis])[0], file.orientation)
            return Decoded(image, view.enlarges(file.pixels.shape[:2]), sha256, _shifted(file))
        pixels = image_files.upright(file.pixels, file.orientation)
        return Decoded(viewer(pixels[np.newaxis])[0], view.enlarges(pixels.shape[:2]), sha256)

    # Threads are enough: Pillow and TensorFlow release Python's lock.
    with contextlib.closing(viewer), ThreadPool(os.cpu_count() or 1) as pool:
        for start in range(0, len(paths), FILES_AT_ONCE):
            for number, decoded in enumerate(pool.imap(decode, paths[start : start + FILES_AT_ONCE]), start + 1):
                if number == len(paths):  # before the last one: who has it does not come back for the end
                    depth.warn(hint)
                yield decoded


def _shifted(file: ImageFile) -> bool:
    """Whether the middle of an image is another one before it is turned than after: an odd rest, on a mirrored axis."""
    height, width = file.pixels.shape[:2]
    mirrored = (3, 4, 6, 7) if height > width else (2, 3, 7, 8)
    return (height - width) % 2 == 1 and file.orientation in mirrored
