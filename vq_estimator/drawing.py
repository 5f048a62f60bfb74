"""Pictures from arrays; knows nothing of models or runs. No window is ever opened."""

import contextlib
import functools
import itertools
import logging
import math
import shutil
import subprocess
import tempfile
from typing import Dict, FrozenSet, Iterator, NamedTuple, Sequence, Tuple, Union

import numpy as np
from PIL import Image

from vq_estimator.data.files import atomic_path
from vq_estimator.errors import one_line

log = logging.getLogger("vq_estimator")

FRAMES_PER_SECOND = 20
MAX_PIXELS = 5000
DPI = 120
PICTURE_CHANNELS = (1, 3)  # of grey and colour
MAX_NAME = 60  # letters of a name in a picture
FRAME = 512  # pixels of a side to which the frames of an animation are enlarged at most
GAP = 2  # pixels between the images of a table, before it is enlarged


def panels(images: np.ndarray) -> np.ndarray:
    """Images uint8 [..., H, W, C] as a picture can show them: uint8 [..., H, W', 1 or 3].

    Grey and colour ones are as they are. Of any other the channels stand side by side in grey, white lines between.
    """
    height, width, channels = images.shape[-3:]
    if channels in PICTURE_CHANNELS:
        return images
    apart = np.full((*images.shape[:-3], height, channels, width + 1), 255, np.uint8)
    apart[..., :width] = np.moveaxis(images, -1, -2)
    return apart.reshape((*images.shape[:-3], height, -1, 1))[..., :-1, :]


def grid(images: np.ndarray, columns: int, gap: int = 1) -> np.ndarray:
    """Images uint8 [N, H, W, C] in rows of `columns`, white gaps between.

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
    """Images uint8 [N, H, W, C] in one, as many in a row as in a column and without gaps, at most `most` pixels a side.

    Where they would not fit, each is made smaller (the mean of the pixels that it covers). Returns the picture, and the
    width and height of one image in it.
    """
    images = panels(images)
    columns = math.ceil(math.sqrt(len(images)))
    longest = max(images.shape[1:3])
    side = max(min(longest, most // columns), 1)
    height, width = (max(n * side // longest, 1) for n in images.shape[1:3])
    if side < longest:
        images = np.stack([_shrunk(image, height, width) for image in images])
    return grid(images, columns, gap=0), (width, height)


def _shrunk(image: np.ndarray, height: int, width: int) -> np.ndarray:
    small = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).resize((width, height), Image.BOX)
    return np.asarray(small).reshape(height, width, -1)


def side_by_side(left: np.ndarray, right: np.ndarray, gap: int = 8) -> np.ndarray:
    """Two pictures of the same height, a white band between.

    >>> import numpy as np
    >>> import vq_estimator as vq
    >>> vq.explore.side_by_side(*np.zeros([2, 24, 24, 1], np.uint8)).shape
    (24, 56, 1)
    """
    return np.concatenate([left, np.full((left.shape[0], gap, left.shape[2]), 255, np.uint8), right], 1)


def image_suffix(channels: int) -> str:
    """Of the file that holds an image: a PNG, or an array where a PNG can't have so many channels."""
    return ".png" if channels in PICTURE_CHANNELS else ".npy"


def save_image(path: str, image: np.ndarray) -> None:
    """Writes uint8 [H, W, C] without loss, whole or not at all, to a file of `image_suffix`."""
    if image.shape[-1] in PICTURE_CHANNELS:
        save_png(path, image)
        return
    with atomic_path(path) as temporary, open(temporary, "wb") as f:
        np.save(f, image)


def save_png(path: str, picture: np.ndarray, zoom: int = 1) -> None:
    """Writes uint8 [H, W, 1 or 3], whole or not at all.

    Every pixel is `zoom` times as wide and high, or less often where the picture would be wider than MAX_PIXELS.
    """
    zoom = max(1, min(zoom, MAX_PIXELS // max(picture.shape[:2])))
    (picture,) = _enlarged(picture[np.newaxis], zoom)
    with atomic_path(path) as temporary:
        Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture).save(temporary, format="PNG")


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
    """Writes images uint8 [R, V, H, W, C] as a table that says what its rows and columns are.

    Args:
      path: the PNG.
      images: of each row and column.
      rows, columns: their names, R and V.
      row_title, column_title: what is named there.
      marked: row and column of the images that get a frame.
      zoom: see `save_png`.
    """
    from matplotlib.patches import Rectangle

    rows, columns = [plain_text(name) for name in rows], [plain_text(name) for name in columns]
    images = panels(images)
    height, width = images.shape[2:4]
    canvas = grid(images.reshape((-1,) + images.shape[2:]), images.shape[1], GAP)
    zoom = max(1, min(zoom, MAX_PIXELS // max(canvas.shape[:2])))
    tall, wide = zoom * canvas.shape[0], zoom * canvas.shape[1]
    left = (24 if row_title else 8) + 8 * max(_width(name) for name in rows)  # pixels
    top, rim = 44 if column_title else 26, 8
    all_wide, all_tall = left + wide + rim, top + tall + rim
    figure = _figure(all_wide / DPI, all_tall / DPI, tight=False)
    axes = figure.add_axes((left / all_wide, rim / all_tall, wide / all_wide, tall / all_tall))
    shown = np.broadcast_to(canvas, canvas.shape[:2] + (3,))
    axes.imshow(shown, interpolation="nearest", aspect="auto")
    step_y, step_x = height + GAP, width + GAP
    axes.set_yticks(np.arange(len(rows)) * step_y + (height - 1) / 2)
    axes.set_yticklabels(rows, fontsize=7)
    axes.set_xticks(np.arange(len(columns)) * step_x + (width - 1) / 2)
    axes.set_xticklabels(columns, fontsize=7)
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.tick_params(length=0, pad=3)
    axes.set_xlabel(plain_text(column_title), fontsize=8)
    axes.set_ylabel(plain_text(row_title), fontsize=8, loc="top")  # a tall table is not looked at as a whole
    for side in axes.spines.values():
        side.set_visible(False)
    for row, column in marked:
        corner = (column * step_x - 1, row * step_y - 1)
        axes.add_patch(
            Rectangle(corner, width + 1, height + 1, fill=False, color="#ee6677", linewidth=1.6, clip_on=False)
        )
    _save_figure(figure, path)


def stacked_bars(
    path: str, names: Sequence[Union[str, Sequence[str]]], parts: Dict[str, Sequence[float]], unit: str
) -> None:
    """Writes a chart, one horizontal bar a name, of its parts one after the other, with their sum at its end.

    Args:
      path: the PNG.
      names: of the bars, each one line of text or several.
      parts: the values of each bar, by what they are.
      unit: of the values.
    """
    names = ["\n".join(plain_text(line) for line in ([name] if isinstance(name, str) else name)) for name in names]
    figure = _figure(9.0, 1.2 + 0.45 * len(names))
    axes = figure.add_subplot()
    rows, left = np.arange(len(names))[::-1], np.zeros(len(names))
    for (part, values), color in zip(parts.items(), ("#4477aa", "#ee8866", "#228833")):
        axes.barh(rows, values, left=left, label=plain_text(part), color=color, height=0.7)
        left = left + np.asarray(values)
    for row, total in zip(rows, left):
        axes.text(total, row, f" {total:.2f}", va="center")
    axes.set_yticks(rows)
    axes.set_yticklabels(names)
    axes.set_xlabel(plain_text(unit, 2 * MAX_NAME))
    axes.set_xlim(0, 1.1 * left.max())
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncol=len(parts), frameon=False)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    _save_figure(figure, path)


def _enlarged(frames: np.ndarray, zoom: int) -> Iterator[np.ndarray]:
    """Of [N, H, W, C] one [zoom H, zoom W, C] after the other; large ones are not enlarged to more than FRAME."""
    frames = panels(frames)
    zoom = max(1, min(zoom, FRAME // max(frames.shape[1:3])))
    return (frame.repeat(zoom, 0).repeat(zoom, 1) for frame in frames)


def save_gif(path: str, frames: np.ndarray, zoom: int = 4) -> None:
    """Writes uint8 [N, H, W, C] as an endless animation; whole or not at all."""
    pictures = (Image.fromarray(f[..., 0] if f.shape[-1] == 1 else f) for f in _enlarged(frames, zoom))
    with atomic_path(path) as temporary:
        next(pictures).save(
            temporary,
            format="GIF",
            save_all=True,
            append_images=pictures,
            duration=1000 // FRAMES_PER_SECOND,
            loop=0,
        )


def save_mp4(path: str, frames: np.ndarray, zoom: int = 4) -> bool:
    """The same as MP4, where the program ffmpeg is found and can; returns whether it was written."""
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        return False
    frames = panels(frames)
    large = _enlarged(np.broadcast_to(frames, frames.shape[:3] + (3,)), zoom)
    even = (f[: len(f) // 2 * 2, : f.shape[1] // 2 * 2] for f in large)  # the codec wants even sides
    first = next(even)
    size = f"{first.shape[1]}x{first.shape[0]}"
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", str(FRAMES_PER_SECOND), "-i", "-"]
    try:
        with atomic_path(path) as temporary, tempfile.TemporaryFile() as said:
            command = [ffmpeg, "-y", "-loglevel", "error", *raw, "-pix_fmt", "yuv420p", "-f", "mp4", temporary]
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=said)
            with contextlib.suppress(BrokenPipeError), process.stdin as pipe:  # it may have ended: its status says why
                for frame in itertools.chain([first], even):
                    pipe.write(np.ascontiguousarray(frame).tobytes())
            if process.wait():
                said.seek(0)
                raise ValueError(said.read().decode(errors="replace").strip()[-200:])
    except ValueError as e:
        log.warning("no %s: ffmpeg: %s", path, e)
        return False
    return True


@functools.lru_cache(maxsize=None)
def _font_characters() -> FrozenSet[int]:
    """The characters that matplotlib's font has."""
    from matplotlib import font_manager

    font = font_manager.get_font(font_manager.findfont(font_manager.FontProperties()))
    return frozenset(font.get_charmap())


def plain_text(name: str, most: int = MAX_NAME) -> str:
    """A name of anything as matplotlib draws it letter by letter, in one line: no markup, and no missing glyph.

    Names come from folders and files, so that `$` in them would begin a formula. Control characters, line breaks and
    characters that the font lacks are written as Python's escapes (`\\n`, `\\u65e5`), so that names stay distinct.
    """
    known = _font_characters()
    text = "".join(c if ord(c) in known else c.encode("ascii", "backslashreplace").decode() for c in one_line(name))
    text = text if len(text) <= most else text[: most - 3] + "..."
    return text.replace("$", r"\$")  # of an escaped dollar matplotlib draws the dollar alone


def _width(text: str) -> int:
    """Letters that matplotlib draws of what `plain_text` made."""
    return len(text.replace(r"\$", "$"))


def _figure(width: float, height: float, tight: bool = True):
    from matplotlib.figure import Figure  # not pyplot: no window, no global state

    return Figure(figsize=(width, height), tight_layout=True if tight else None)


def _save_figure(figure, path: str) -> None:
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=DPI)


def code_maps(path: str, images: np.ndarray, codes: np.ndarray, K: int, most: int = 4) -> None:
    """Writes images with the maps of their codes over them: a column an image, a row a codebook (the first `most`).

    Args:
      path: the PNG.
      images: uint8 [N, H, W, C]; where C is neither 1 nor 3 their first channel is shown.
      codes: int32 [N, h, w, L].
      K: values of a code; few are told apart by colour, and maps up to 8 x 8 carry the numbers.
      most: rows, below that of the images.
    """
    from matplotlib.patheffects import withStroke

    n, height, width, L = codes.shape
    images = images if images.shape[-1] in PICTURE_CHANNELS else images[..., :1]
    rows = 1 + min(L, most)
    figure = _figure(2.6 * n, 2.6 * rows + 0.2)
    image_height, image_width = images.shape[1:3]
    outlined = [withStroke(linewidth=1.5, foreground="black")]
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
                small = {"fontsize": 9 if max(height, width) <= 4 else 6, "color": "white", "path_effects": outlined}
                for i in range(height):
                    for j in range(width):
                        at = ((j + 0.5) * step_x - 0.5, (i + 0.5) * step_y - 0.5)
                        axes.text(*at, str(level[i, j]), ha="center", va="center", **small)
    _save_figure(figure, path)


def codebooks(path: str, usage: np.ndarray, distances: np.ndarray, plane: np.ndarray, most: int = 4) -> None:
    """Writes a row a codebook (the first `most`): use of the entries, their distances, and where they lie.

    Args:
      path: the PNG.
      usage: [L, K] shares.
      distances: [L, K, K].
      plane: [L, K, 2].
      most: rows.
    """
    rows = min(len(usage), most)
    figure = _figure(11.0, 3.2 * rows)
    for row in range(rows):
        K = usage.shape[1]
        title = "" if len(usage) == 1 else f"codebook {row + 1} of {len(usage)}: "
        axes = figure.add_subplot(rows, 3, 3 * row + 1)
        axes.bar(np.arange(K), usage[row], width=1.0 if K > 40 else 0.8, color="#4477aa")
        axes.axhline(1.0 / K, color="#888888", linewidth=0.8, linestyle="--")
        axes.set_title(title + "share of each entry (dashed: even)", fontsize=9)
        axes.set_xlabel("entry", fontsize=9)
        axes = figure.add_subplot(rows, 3, 3 * row + 2)
        shown = axes.imshow(distances[row], cmap="viridis", interpolation="nearest")
        axes.set_title("distance between entries", fontsize=9)
        for axis in (axes.xaxis, axes.yaxis):
            axis.get_major_locator().set_params(integer=True)
        axes.set_xlabel("entry", fontsize=9)
        figure.colorbar(shown, ax=axes, fraction=0.046)
        axes = figure.add_subplot(rows, 3, 3 * row + 3)
        sizes = 8.0 + 60.0 * usage[row] / max(usage[row].max(), 1e-9)
        axes.scatter(plane[row, :, 0], plane[row, :, 1], s=sizes, alpha=0.7, color="#ee8866")
        if K <= 40:
            for entry in range(K):
                axes.annotate(str(entry), plane[row, entry], fontsize=7)
        axes.set_title("first two principal axes, size: use", fontsize=9)
    _save_figure(figure, path)


def log_lines(path: str, panels: Sequence[Sequence[Tuple[str, str, Dict[str, Tuple]]]]) -> None:
    """Writes rows of panels, each with lines on two logarithmic axes.

    Args:
      path: the PNG.
      panels: rows of (name of the x axis, title, {name of a line: (its x values, its y values)}).
    """
    columns = max(len(row) for row in panels)
    figure = _figure(3.6 * columns, 2.9 * len(panels))
    for i, row in enumerate(panels):
        for j, (name, title, lines) in enumerate(row):
            axes = figure.add_subplot(len(panels), columns, i * columns + j + 1)
            for (label, (x, y)), color in zip(lines.items(), ("#4477aa", "#ee8866", "#228833")):
                axes.loglog(x, y, marker="o", markersize=4, label=plain_text(label), color=color)
            axes.set_title(plain_text(title), fontsize=9)
            axes.set_xlabel(plain_text(name), fontsize=9)
            axes.grid(True, which="major", linewidth=0.4, alpha=0.5)
            axes.legend(fontsize=7, frameon=False)
            for side in ("top", "right"):
                axes.spines[side].set_visible(False)
    _save_figure(figure, path)


class Sound(NamedTuple):
    """A recording as `recordings` draws it.

    Attributes:
      title: of all its versions.
      names: of the V versions.
      waves: V arrays float [T] in [-1, 1].
      spectrograms: V arrays [F, frames] in decibels, low frequencies first.
      codes: int [n, L], which all versions share.
    """

    title: str
    names: Sequence[str]
    waves: Sequence[np.ndarray]
    spectrograms: Sequence[np.ndarray]
    codes: np.ndarray


def recordings(path: str, sounds: Sequence[Sound], K: int, sample_rate: int, samples_per_code: int) -> None:
    """Writes a column a recording: of each version the wave and the spectrogram, and the codes below them, over time.

    Args:
      path: the PNG.
      sounds: all with as many versions.
      K: values of a code, which are told apart by colour.
      sample_rate: samples a second.
      samples_per_code: for how many each code stands.
    """
    versions, L = len(sounds[0].names), sounds[0].codes.shape[1]
    heights = [0.55, 1.25] * versions + [0.18 + 0.12 * L]
    figure = _figure(0.9 + 3.6 * len(sounds), 0.9 + 1.06 * sum(heights), tight=False)
    places = figure.add_gridspec(
        *(len(heights), len(sounds)),
        height_ratios=heights,
        **dict(left=0.62 / figure.get_figwidth(), right=1 - 0.12 / figure.get_figwidth(), wspace=0.08, hspace=0.1),
        **dict(top=1 - 0.32 / figure.get_figheight(), bottom=0.45 / figure.get_figheight()),
    )
    for column, sound in enumerate(sounds):
        seconds = len(sound.waves[0]) / sample_rate
        loudest = max(max(np.abs(wave).max() for wave in sound.waves), 1e-3)

        def axes_at(row, column=column, seconds=seconds):
            axes = figure.add_subplot(places[row, column])
            axes.set_xlim(0, seconds)
            axes.tick_params(labelsize=7, length=2, labelbottom=False)
            return axes

        for i, (name, wave, decibels) in enumerate(zip(sound.names, sound.waves, sound.spectrograms)):
            axes = axes_at(2 * i)
            axes.plot(np.arange(len(wave)) / sample_rate, wave, linewidth=0.4, color="#4477aa")
            axes.set_ylim(-1.1 * loudest, 1.1 * loudest)
            axes.set_yticks([])
            behind = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.5}
            axes.text(
                0.99, 0.95, plain_text(name), transform=axes.transAxes, fontsize=8, ha="right", va="top", bbox=behind
            )
            for side in ("top", "right", "left"):
                axes.spines[side].set_visible(False)
            if i == 0:
                axes.set_title(plain_text(sound.title), fontsize=9)
            axes = axes_at(2 * i + 1)
            extent = (0, seconds, 0, sample_rate / 2000)
            axes.imshow(decibels, origin="lower", extent=extent, aspect="auto", cmap="magma", interpolation="nearest")
            if column == 0:
                axes.set_ylabel("kHz", fontsize=8)
            else:
                axes.set_yticklabels([])
        axes = axes_at(2 * versions)
        extent = (0, len(sound.codes) * samples_per_code / sample_rate, L, 0)
        given = {"vmin": 0, "vmax": max(K - 1, 1), "cmap": "turbo", "interpolation": "nearest"}
        axes.imshow(sound.codes.T, extent=extent, aspect="auto", **given)
        axes.set_xlim(0, seconds)
        axes.set_yticks([])
        axes.tick_params(labelbottom=True)
        axes.set_xlabel("seconds", fontsize=8)
        if column == 0:
            axes.set_ylabel("codes", fontsize=8, rotation=0, ha="right", va="center")
    _save_figure(figure, path)


class Shares(NamedTuple):
    """A panel of `code_shares`.

    Attributes:
      title: above it.
      kinds: the names of the C kinds.
      shares: [N, C], of each of N codes the share of each kind.
      widths: [N], how often each code occurs.
    """

    title: str
    kinds: Sequence[str]
    shares: np.ndarray
    widths: np.ndarray


def code_shares(path: str, panels: Sequence[Shares]) -> None:
    """Writes a panel below the other, a row a kind and a column a code, as wide as the code is used.

    The darker, the larger the kind's share in the code's occurrences; white is 0, and black the panel's largest share
    of a code that is not rare.
    """
    heights = [0.5 + 0.17 * max(len(panel.kinds), 4) for panel in panels]
    figure = _figure(9.0, 0.5 + sum(heights) + 0.55 * len(panels), tight=True)
    places = figure.add_gridspec(len(panels), 1, height_ratios=heights)
    for row, panel in enumerate(panels):
        axes = figure.add_subplot(places[row, 0])
        widths = panel.widths / max(np.sum(panel.widths), 1)
        edges, kinds = np.append(0.0, np.cumsum(widths)), len(panel.kinds)
        common = widths >= 0.2 / max(len(widths), 1)
        top = panel.shares[common].max() if common.any() else 1.0
        shown = axes.pcolormesh(edges, np.arange(kinds + 1), panel.shares.T, cmap="magma_r", vmin=0, vmax=top)
        axes.invert_yaxis()
        every = max(1, kinds // 40)
        axes.set_yticks(np.arange(0, kinds, every) + 0.5)
        axes.set_yticklabels([plain_text(name) for name in panel.kinds[::every]], fontsize=8)
        axes.tick_params(length=0, labelsize=8)
        axes.set_title(plain_text(panel.title, 2 * MAX_NAME), fontsize=9, loc="left")
        if row == len(panels) - 1:
            axes.set_xlabel("share of all codes; each code is as wide as it is used", fontsize=8)
        bar = figure.colorbar(shown, ax=axes, fraction=0.03, pad=0.015)
        bar.set_label("share", fontsize=8)
        bar.ax.tick_params(labelsize=7)
    _save_figure(figure, path)
