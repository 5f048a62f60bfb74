"""Reads image files at their own size, uint8 [H, W, C]. A file that cannot be kept without loss is an error."""

import numpy as np
from PIL import Image

from vq_estimator.data import image_files
from vq_estimator.data.image_headers import Refused

GREY, COLOUR = ("1", "L"), ("1", "L", "P", "RGB")  # Pillow modes with 1 or 3 channels, without loss


def read(path: str, channels: int) -> np.ndarray:
    """Reads an image uint8 [H, W, channels], rotated as its EXIF says. A grey image gets 3 equal channels if 3 are
    requested.

    Raises:
      ValueError: the file cannot be read, or not without loss.
    """
    with image_files.open_file(path, previews=False) as file:
        if file.bits > 8:
            raise Refused(f"it has {file.bits} bits per channel, expected 8")
        return image_files.upright(_levels(file.image, channels), file.orientation)


def _levels(image: Image.Image, channels: int) -> np.ndarray:
    if image.mode in ("LA", "RGBA"):
        if image.getchannel("A").getextrema() != (255, 255):
            raise Refused("it has transparency, expected none")
        image = image.convert(image.mode[:-1])
    if image.info.get("transparency") is not None:
        raise Refused("it has transparency, expected none")
    if image.mode not in (GREY if channels == 1 else COLOUR):
        got = "in colour" if image.mode in COLOUR else f"of the kind {image.mode}"
        raise Refused(f"it is {got}, expected {'grey' if channels == 1 else 'grey or colour'}")
    return np.asarray(image.convert("L" if channels == 1 else "RGB")).reshape(image.height, image.width, channels)
