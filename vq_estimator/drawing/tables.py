"""Tables of images with named rows and columns."""

from typing import Sequence, Tuple

import numpy as np

from vq_estimator.drawing.arrays import grid, panels
from vq_estimator.drawing.figures import DPI, hide_spines, new_figure, plain_text, save_figure
from vq_estimator.drawing.image_files import MAX_PIXELS

GAP = 2  # pixels between the images, before they are enlarged


def table(
    path: str,
    images: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    row_title: str = "",
    column_title: str = "",
    marked: Sequence[Tuple[int, int]] = (),
    zoom: int = 2,
) -> None:
    """Writes images uint8 [R, V, H, W, C] as a table with the names of its rows and columns.

    Args:
      path: the PNG.
      images: the image of each row and column.
      rows, columns: the names of the R rows and V columns.
      row_title, column_title: what the rows and the columns are.
      marked: row and column of each image that gets a frame.
      zoom: see `save_png`.
    """
    from matplotlib.patches import Rectangle

    rows, columns = [plain_text(name) for name in rows], [plain_text(name) for name in columns]
    images = panels(images)
    height, width = images.shape[2:4]
    canvas = grid(images.reshape((-1,) + images.shape[2:]), images.shape[1], GAP)
    zoom = max(1, min(zoom, MAX_PIXELS // max(canvas.shape[:2])))
    tall, wide = zoom * canvas.shape[0], zoom * canvas.shape[1]
    longest_name = max(len(name.replace(r"\$", "$")) for name in rows)  # characters, as they are drawn
    left = (24 if row_title else 8) + 8 * longest_name  # pixels, as all of these
    top, rim = 44 if column_title else 26, 8
    all_wide, all_tall = left + wide + rim, top + tall + rim
    figure = new_figure(all_wide / DPI, all_tall / DPI, tight=False)
    axes = figure.add_axes((left / all_wide, rim / all_tall, wide / all_wide, tall / all_tall))
    axes.imshow(np.broadcast_to(canvas, canvas.shape[:2] + (3,)), interpolation="nearest", aspect="auto")
    step_y, step_x = height + GAP, width + GAP
    axes.set_yticks(np.arange(len(rows)) * step_y + (height - 1) / 2)
    axes.set_yticklabels(rows, fontsize=7)
    axes.set_xticks(np.arange(len(columns)) * step_x + (width - 1) / 2)
    axes.set_xticklabels(columns, fontsize=7)
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.tick_params(length=0, pad=3)
    axes.set_xlabel(plain_text(column_title), fontsize=8)
    axes.set_ylabel(plain_text(row_title), fontsize=8, loc="top")  # the middle of a tall table is out of sight
    hide_spines(axes, *axes.spines)
    frame = {"fill": False, "color": "#ee6677", "linewidth": 1.6, "clip_on": False}
    for row, column in marked:
        axes.add_patch(Rectangle((column * step_x - 1, row * step_y - 1), width + 1, height + 1, **frame))
    save_figure(figure, path)
