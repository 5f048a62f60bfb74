"""A folder of small pictures in split folders."""

import numpy as np
from PIL import Image


def write_images(folder, counts, side):
    """Writes `counts[split]` grey PNGs of `side` pixels to each folder/<split>/."""
    for split, count in counts.items():
        (folder / split).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            wave = 128 + 100 * np.sin(np.arange(side) / (3.0 + i))
            Image.fromarray(np.broadcast_to(wave, (side, side)).astype(np.uint8)).save(str(folder / split / f"{i}.png"))
