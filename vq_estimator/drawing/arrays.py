"""Images put together to one picture: grids, panels of channels, sprites."""

import math
from typing import Tuple

import numpy as np
from PIL import Image

PICTURE_CHANNELS = (1, 3)  # grey and colour


def panels(images: np.ndarray) -> np.ndarray:
    """Makes images that a picture can show, uint8 [..., H, W', 1 or 3], of images uint8 [..., H, W, C].

    Grey and colour images stay as they are. Other channels stand side by side in grey, with white lines between.
    """
    height, width, channels = images.shape[-3:]
    if channels in PICTURE_CHANNELS:
        return images
    apart = np.full((*images.shape[:-3], height, channels, width + 1), 255, np.uint8)
    apart[..., :width] = np.moveaxis(images, -1, -2)
    return apart.reshape((*images.shape[:-3], height, -1, 1))[..., :-1, :]


def grid(images: np.ndarray, columns: int, gap: int = 1) -> np.ndarray:
    """Arranges images uint8 [N, H, W, C] in rows of `columns` images, with white gaps of `gap` pixels.

        >>> import numpy as np
        >>> import vq_estimator as vq
        >>> vq.explore.grid(np.zeros([12, 24, 24, 1], np.uint8), columns=6).shape
        (49, 149, 1)

    Returns uint8 [rows * H + ..., ..., 1 or 3]; see `panels`.
    """
    images = panels(images)
    n, height, width, channels = images.shape
    rows = -(-n // columns)
    canvas = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, channels), 255, np.uint8)
    for i, image in enumerate(images):
        top, left = i // columns * (height + gap), i % columns * (width + gap)
        canvas[top : top + height, left : left + width] = image
    return canvas


def sprite(images: np.ndarray, most: int) -> Tuple[np.ndarray, Tuple[int, int]]:
    """Arranges images uint8 [N, H, W, C] in a square without gaps, at most `most` pixels on a side.

    Images that would not fit are made smaller; each pixel is then the mean of the pixels that it covers. Returns the
    picture, and the width and height of one image in it.
    """
    images = panels(images)
    columns = math.ceil(math.sqrt(len(images)))
    longest = max(images.shape[1:3])
    side = max(min(longest, most // columns), 1)
    height, width = (max(n * side // longest, 1) for n in images.shape[1:3])
    if side < longest:
        small = [np.asarray(to_pillow(image).resize((width, height), Image.BOX)) for image in images]
        images = np.stack(small).reshape(len(images), height, width, -1)
    return grid(images, columns, gap=0), (width, height)


def side_by_side(left: np.ndarray, right: np.ndarray, gap: int = 8) -> np.ndarray:
    """Joins two pictures of the same height, with a white band of `gap` pixels between.

    >>> import numpy as np
    >>> import vq_estimator as vq
    >>> vq.explore.side_by_side(*np.zeros([2, 24, 24, 1], np.uint8)).shape
    (24, 56, 1)
    """
    return np.concatenate([left, np.full((left.shape[0], gap, left.shape[2]), 255, np.uint8), right], 1)


def to_pillow(picture: np.ndarray) -> Image.Image:
    """Converts uint8 [H, W, 1 or 3] to a Pillow image."""
    return Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture)
