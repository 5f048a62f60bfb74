"""Pictures from arrays; knows nothing of models or runs."""

from typing import Dict, Sequence

import numpy as np
from PIL import Image

from vq_estimator.data.files import atomic_path


def grid(images: np.ndarray, columns: int, gap: int = 1) -> np.ndarray:
    """Images uint8 [N, H, W, C] in rows of `columns`, white gaps between; returns uint8 [rows * H + ..., ..., C]."""
    n, height, width, channels = images.shape
    rows = -(-n // columns)
    canvas = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, channels), 255, np.uint8)
    for i, image in enumerate(images):
        top, left = i // columns * (height + gap), i % columns * (width + gap)
        canvas[top : top + height, left : left + width] = image
    return canvas


def side_by_side(left: np.ndarray, right: np.ndarray, gap: int = 8) -> np.ndarray:
    """Two pictures of the same height, a white band between."""
    return np.concatenate([left, np.full((left.shape[0], gap, left.shape[2]), 255, np.uint8), right], 1)


def save_png(path: str, picture: np.ndarray, zoom: int = 1) -> None:
    """Writes uint8 [H, W, 1 or 3], every pixel `zoom` times as wide and high; whole or not at all."""
    picture = picture.repeat(zoom, 0).repeat(zoom, 1)
    with atomic_path(path) as temporary:
        Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture).save(temporary, format="PNG")


def stacked_bars(path: str, names: Sequence[str], parts: Dict[str, Sequence[float]], unit: str) -> None:
    """Writes a chart, one horizontal bar a name, of its parts one after the other, with their sum at its end."""
    from matplotlib.figure import Figure  # not pyplot: no window, no global state

    figure = Figure(figsize=(9, 1.2 + 0.45 * len(names)), tight_layout=True)
    axes = figure.add_subplot()
    rows, left = np.arange(len(names))[::-1], np.zeros(len(names))
    for (part, values), color in zip(parts.items(), ("#4477aa", "#ee8866", "#228833")):
        axes.barh(rows, values, left=left, label=part, color=color, height=0.7)
        left = left + np.asarray(values)
    for row, total in zip(rows, left):
        axes.text(total, row, f" {total:.2f}", va="center")
    axes.set_yticks(rows)
    axes.set_yticklabels(names)
    axes.set_xlabel(unit)
    axes.set_xlim(0, 1.1 * left.max())
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncol=len(parts), frameon=False)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
