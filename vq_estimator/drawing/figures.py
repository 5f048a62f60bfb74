"""Figures by matplotlib: their text, and charts of numbers.

Matplotlib is imported when a figure is drawn, and never `pyplot`, which has windows and global state.
"""

import functools
from typing import Any, Dict, FrozenSet, Sequence, Tuple, Union

import numpy as np

from vq_estimator.data.files import atomic_path
from vq_estimator.errors import one_line

DPI = 120
MAX_NAME = 60  # characters of a name in a figure
COLORS = ("#4477aa", "#ee8866", "#228833")


@functools.lru_cache(maxsize=None)
def _font_characters() -> FrozenSet[int]:
    """Returns the characters of matplotlib's font."""
    from matplotlib import font_manager

    font = font_manager.get_font(font_manager.findfont(font_manager.FontProperties()))
    return frozenset(font.get_charmap())


def plain_text(name: str, most: int = MAX_NAME) -> str:
    """Escapes a name for matplotlib, which then draws it in one line, without markup and without missing glyphs.

    Names come from folders and files, so a `$` in them would begin a formula. Control characters, line breaks and
    characters that the font lacks are written as Python's escapes (`\\n`, `\\u65e5`), so that names stay distinct.
    """
    known = _font_characters()
    text = "".join(c if ord(c) in known else c.encode("ascii", "backslashreplace").decode() for c in one_line(name))
    text = text if len(text) <= most else text[: most - 3] + "..."
    return text.replace("$", r"\$")  # matplotlib draws an escaped dollar as a dollar


def new_figure(width: float, height: float, tight: bool = True) -> Any:
    """Returns an empty figure; `width` and `height` are in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), tight_layout=True if tight else None)


def save_figure(figure: Any, path: str) -> None:
    """Writes a figure as a PNG."""
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=DPI)


def hide_spines(axes: Any, *sides: str) -> None:
    """Hides the frame of a plot on the sides "left", "right", "top" or "bottom"."""
    for side in sides:
        axes.spines[side].set_visible(False)


def stacked_bars(
    path: str, names: Sequence[Union[str, Sequence[str]]], parts: Dict[str, Sequence[float]], unit: str
) -> None:
    """Writes a chart with a horizontal bar per name, which is divided into parts and has their sum at its end.

    Args:
      path: the PNG.
      names: the bars' names, each one line of text or several.
      parts: for each part its name and its value in every bar.
      unit: the unit of the values.
    """
    names = ["\n".join(plain_text(line) for line in ([name] if isinstance(name, str) else name)) for name in names]
    figure = new_figure(9.0, 1.2 + 0.45 * len(names))
    axes = figure.add_subplot()
    rows, left = np.arange(len(names))[::-1], np.zeros(len(names))
    for (part, values), color in zip(parts.items(), COLORS):
        axes.barh(rows, values, left=left, label=plain_text(part), color=color, height=0.7)
        left = left + np.asarray(values)
    for row, total in zip(rows, left):
        axes.text(total, row, f" {total:.2f}", va="center")
    axes.set_yticks(rows)
    axes.set_yticklabels(names)
    axes.set_xlabel(plain_text(unit, 2 * MAX_NAME))
    axes.set_xlim(0, 1.1 * left.max())
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncol=len(parts), frameon=False)
    hide_spines(axes, "top", "right")
    save_figure(figure, path)


def log_lines(path: str, panels: Sequence[Sequence[Tuple[str, str, Dict[str, Tuple]]]]) -> None:
    """Writes rows of panels, each with lines on two logarithmic axes.

    Args:
      path: the PNG.
      panels: rows of (name of the x axis, title, {name of a line: (its x values, its y values)}).
    """
    columns = max(len(row) for row in panels)
    figure = new_figure(3.6 * columns, 2.9 * len(panels))
    for i, row in enumerate(panels):
        for j, (name, title, lines) in enumerate(row):
            axes = figure.add_subplot(len(panels), columns, i * columns + j + 1)
            for (label, (x, y)), color in zip(lines.items(), COLORS):
                axes.loglog(x, y, marker="o", markersize=4, label=plain_text(label), color=color)
            axes.set_title(plain_text(title), fontsize=9)
            axes.set_xlabel(plain_text(name), fontsize=9)
            axes.grid(True, which="major", linewidth=0.4, alpha=0.5)
            axes.legend(fontsize=7, frameon=False)
            hide_spines(axes, "top", "right")
    save_figure(figure, path)
