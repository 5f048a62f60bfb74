"""PNG and JPEG files at their own size, every pixel as it is: uint8 [H, W, C]. What would lose something is refused."""

import io
import os
import warnings

import numpy as np
from PIL import Image, ImageOps

from vq_estimator.data.decoding import MOST_PIXELS, PNG, look

GREY, COLOUR = ("1", "L"), ("1", "L", "P", "RGB")  # Pillow's modes that are without loss 1 or 3 channels


def read(path: str, channels: int) -> np.ndarray:
    """An image uint8 [H, W, channels], turned as its EXIF says. Grey ones have 3 equal channels if 3 are asked for.

    Raises:
      ValueError: it can't be read, or not without loss.
    """
    content, _, problem = look(os.fsencode(path))
    if problem:
        raise ValueError(problem)
    if content.startswith(PNG) and content[24:25] == b"\x10":
        raise ValueError("it has 16 bits a channel, expected 8")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=("PNG", "JPEG")) as image:
                if image.width * image.height > MOST_PIXELS:
                    raise ValueError(f"it has {image.width} x {image.height} pixels, expected at most {MOST_PIXELS:,}")
                return _levels(ImageOps.exif_transpose(image), channels)
    except ValueError:
        raise
    except Exception as e:  # whatever Pillow says of a damaged file: OSError, SyntaxError, struct.error, and more
        raise ValueError(f"it can't be decoded ({type(e).__name__})") from None


def _levels(image: Image.Image, channels: int) -> np.ndarray:
    if image.mode in ("LA", "RGBA"):
        if image.getchannel("A").getextrema() != (255, 255):
            raise ValueError("it has transparency, expected none")
        image = image.convert(image.mode[:-1])
    if image.info.get("transparency") is not None:
        raise ValueError("it has transparency, expected none")
    if image.mode not in (GREY if channels == 1 else COLOUR):
        raise ValueError(f"it is of the kind {image.mode}, expected {'grey' if channels == 1 else 'grey or colour'}")
    return np.asarray(image.convert("L" if channels == 1 else "RGB")).reshape(image.height, image.width, channels)
