"""Images of noise, and files of them."""

import numpy as np
from PIL import Image


def pixels(number, height=16, width=16):
    return np.random.RandomState(number).randint(0, 256, [height, width, 3]).astype(np.uint8)


def save(path, array, **given):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = array if isinstance(array, Image.Image) else Image.fromarray(array)
    image.save(str(path), **given)
