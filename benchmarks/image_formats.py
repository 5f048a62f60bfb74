"""Images as files of the formats of Pillow, each by itself or all as one sheet, for the comparisons with our files.

JPEG XL needs `pip install ".[bench_codec]"`.
"""

import io
import math
from typing import Any, Dict, List, Sequence, Tuple

import numpy as np


def encode_images(images: Sequence[np.ndarray], settings: Dict[str, Any], as_sheet: bool) -> Tuple[int, List]:
    """Encodes images to one file each, or all to one file, and decodes these.

    Args:
      images: uint8 [H, W, C] each; for a sheet they have one size.
      settings: arguments of `PIL.Image.Image.save`, with `format`.
      as_sheet: encode one image with all images in rows.

    Returns:
      The bytes of all files, and the decoded images.
    """
    if not as_sheet:
        sizes, decoded = zip(*(_encode(x, settings) for x in images))
        return sum(sizes), list(decoded)
    from vq_estimator import drawing

    size, sheet = _encode(drawing.grid(images, math.ceil(len(images) ** 0.5), gap=0), settings)
    return size, list(_cut(sheet, len(images), images[0].shape))


def _encode(x: np.ndarray, settings: Dict[str, Any]) -> Tuple[int, np.ndarray]:
    """Returns the bytes of the file of an image uint8 [H, W, C], and the decoded image."""
    from PIL import Image

    if settings["format"] == "JXL":
        import pillow_jxl  # noqa: F401 - gives Pillow the format

    out, grey = io.BytesIO(), x.shape[-1] == 1
    Image.fromarray(x[..., 0] if grey else x).save(out, **settings)
    with Image.open(io.BytesIO(out.getvalue())) as back:  # WebP has no grey
        return len(out.getvalue()), np.asarray(back.convert("L" if grey else "RGB")).reshape(x.shape)


def _cut(sheet: np.ndarray, number: int, shape: Sequence[int]) -> np.ndarray:
    """Returns the images of a sheet, uint8 [number, H, W, C]."""
    height, width, channels = shape
    rows, columns = sheet.shape[0] // height, sheet.shape[1] // width
    cells = sheet.reshape(rows, height, columns, width, channels).swapaxes(1, 2)
    return cells.reshape(-1, height, width, channels)[:number]
