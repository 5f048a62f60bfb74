"""Figures of codes: their maps over images, their codebooks, and what they occur with."""

from typing import NamedTuple, Sequence

import numpy as np

from vq_estimator.drawing.arrays import PICTURE_CHANNELS
from vq_estimator.drawing.figures import MAX_NAME, new_figure, plain_text, save_figure


def code_maps(path: str, images: np.ndarray, codes: np.ndarray, K: int, most: int = 4) -> None:
    """Writes images and their code maps, a column per image and a row per codebook.

    Args:
      path: the PNG.
      images: uint8 [N, H, W, C]; only the first channel is shown if C is neither 1 nor 3.
      codes: int32 [N, h, w, L].
      K: number of values of a code; colours tell few values apart, so maps up to 8 x 8 have the numbers too.
      most: number of codebooks that are shown, below the row of images.
    """
    from matplotlib.patheffects import withStroke

    n, height, width, L = codes.shape
    images = images if images.shape[-1] in PICTURE_CHANNELS else images[..., :1]
    rows = 1 + min(L, most)
    figure = new_figure(2.6 * n, 2.6 * rows + 0.2)
    image_height, image_width = images.shape[1:3]
    small = {"fontsize": 9 if max(height, width) <= 4 else 6, "color": "white", "ha": "center", "va": "center"}
    small["path_effects"] = [withStroke(linewidth=1.5, foreground="black")]
    for row in range(rows):
        for column in range(n):
            axes = figure.add_subplot(rows, n, row * n + column + 1)
            axes.imshow(np.broadcast_to(images[column], images[column].shape[:2] + (3,)), interpolation="nearest")
            axes.set_xticks([])
            axes.set_yticks([])
            if column == 0:
                name = "image" if row == 0 else "codes" if L == 1 else f"codebook {row} of {L}"
                axes.set_ylabel(name, fontsize=9)
            if row == 0:
                continue
            level = codes[column, :, :, row - 1]
            extent = (-0.5, image_width - 0.5, image_height - 0.5, -0.5)
            axes.imshow(level, cmap="turbo", vmin=0, vmax=max(K - 1, 1), alpha=0.55, extent=extent)
            if max(height, width) <= 8:
                step_y, step_x = image_height / height, image_width / width
                for i, j in np.ndindex(height, width):
                    axes.text((j + 0.5) * step_x - 0.5, (i + 0.5) * step_y - 0.5, str(level[i, j]), **small)
    save_figure(figure, path)


def codebooks(path: str, usage: np.ndarray, distances: np.ndarray, plane: np.ndarray, most: int = 4) -> None:
    """Writes a row per codebook: the usage of its entries, their distances, and a projection to a plane.

    Args:
      path: the PNG.
      usage: [L, K], the share of the codes that each entry has.
      distances: [L, K, K].
      plane: [L, K, 2].
      most: number of codebooks that are shown.
    """
    rows = min(len(usage), most)
    figure = new_figure(11.0, 3.2 * rows)
    for row in range(rows):
        K = usage.shape[1]
        title = "" if len(usage) == 1 else f"codebook {row + 1} of {len(usage)}: "
        axes = figure.add_subplot(rows, 3, 3 * row + 1)
        axes.bar(np.arange(K), usage[row], width=1.0 if K > 40 else 0.8, color="#4477aa")
        axes.axhline(1.0 / K, color="#888888", linewidth=0.8, linestyle="--")
        axes.set_title(title + "share of each entry (dashed: even)", fontsize=9)
        axes.set_xlabel("entry", fontsize=9)
        axes = figure.add_subplot(rows, 3, 3 * row + 2)
        picture = axes.imshow(distances[row], cmap="viridis", interpolation="nearest")
        axes.set_title("distance between entries", fontsize=9)
        for axis in (axes.xaxis, axes.yaxis):
            axis.get_major_locator().set_params(integer=True)
        axes.set_xlabel("entry", fontsize=9)
        figure.colorbar(picture, ax=axes, fraction=0.046)
        axes = figure.add_subplot(rows, 3, 3 * row + 3)
        sizes = 8.0 + 60.0 * usage[row] / max(usage[row].max(), 1e-9)
        axes.scatter(plane[row, :, 0], plane[row, :, 1], s=sizes, alpha=0.7, color="#ee8866")
        if K <= 40:
            for entry in range(K):
                axes.annotate(str(entry), plane[row, entry], fontsize=7)
        axes.set_title("first two principal axes, size: use", fontsize=9)
    save_figure(figure, path)


class Shares(NamedTuple):
    """A panel of `code_shares`.

    Attributes:
      title: the panel's title.
      kinds: the names of the C kinds, such as speakers.
      shares: [N, C], the share of each kind in the occurrences of each of N codes.
      widths: [N], how often each code occurs.
    """

    title: str
    kinds: Sequence[str]
    shares: np.ndarray
    widths: np.ndarray


def code_shares(path: str, panels: Sequence[Shares]) -> None:
    """Writes panels with a row per kind and a column per code; a column is as wide as its code is frequent.

    A darker field is a larger share of the kind in the code's occurrences. White is 0; black is the largest share in
    the panel, rare codes left out.
    """
    heights = [0.5 + 0.17 * max(len(panel.kinds), 4) for panel in panels]
    figure = new_figure(9.0, 0.5 + sum(heights) + 0.55 * len(panels))
    places = figure.add_gridspec(len(panels), 1, height_ratios=heights)
    for row, panel in enumerate(panels):
        axes = figure.add_subplot(places[row, 0])
        widths = panel.widths / max(np.sum(panel.widths), 1)
        edges, kinds = np.append(0.0, np.cumsum(widths)), len(panel.kinds)
        common = widths >= 0.2 / max(len(widths), 1)
        top = panel.shares[common].max() if common.any() else 1.0
        picture = axes.pcolormesh(edges, np.arange(kinds + 1), panel.shares.T, cmap="magma_r", vmin=0, vmax=top)
        axes.invert_yaxis()
        every = max(1, kinds // 40)
        axes.set_yticks(np.arange(0, kinds, every) + 0.5)
        axes.set_yticklabels([plain_text(name) for name in panel.kinds[::every]], fontsize=8)
        axes.tick_params(length=0, labelsize=8)
        axes.set_title(plain_text(panel.title, 2 * MAX_NAME), fontsize=9, loc="left")
        if row == len(panels) - 1:
            axes.set_xlabel("share of all codes; each code is as wide as it is used", fontsize=8)
        bar = figure.colorbar(picture, ax=axes, fraction=0.03, pad=0.015)
        bar.set_label("share", fontsize=8)
        bar.ax.tick_params(labelsize=7)
    save_figure(figure, path)
