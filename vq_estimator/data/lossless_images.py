"""PNG and JPEG files at their own size, every pixel as it is: uint8 [H, W, C]. What would lose something is refused."""

import numpy as np
from PIL import Image

from vq_estimator.data import image_files

GREY, COLOUR = ("1", "L"), ("1", "L", "P", "RGB")  # Pillow's modes that are without loss 1 or 3 channels


def read(path: str, channels: int) -> np.ndarray:
    """An image uint8 [H, W, channels], turned as its EXIF says. Grey ones have 3 equal channels if 3 are asked for.

    Raises:
      ValueError: it can't be read, or not without loss.
    """
    content = image_files.read_content(path)
    if image_files.sample_bits(content) == 16:
        raise ValueError("it has 16 bits per channel, expected 8")
    with image_files.opened(content, path) as (image, orientation):
        frames = image_files.number_of_frames(image)
        if frames > 1:
            raise ValueError(f"it has {frames} frames, expected 1")
        return image_files.upright(_levels(image, channels), orientation)


def _levels(image: Image.Image, channels: int) -> np.ndarray:
    if image.mode in ("LA", "RGBA"):
        if image.getchannel("A").getextrema() != (255, 255):
            raise ValueError("it has transparency, expected none")
        image = image.convert(image.mode[:-1])
    if image.info.get("transparency") is not None:
        raise ValueError("it has transparency, expected none")
    if image.mode not in (GREY if channels == 1 else COLOUR):
        got = "in colour" if image.mode in COLOUR else f"of the kind {image.mode}"
        raise ValueError(f"it is {got}, expected {'grey' if channels == 1 else 'grey or colour'}")
    return np.asarray(image.convert("L" if channels == 1 else "RGB")).reshape(image.height, image.width, channels)
