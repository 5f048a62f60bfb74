"""Figures of recordings: waves, spectrograms and codes over time."""

from typing import Any, NamedTuple, Sequence

import numpy as np

from vq_estimator.drawing.figures import hide_spines, new_figure, plain_text, save_figure


class Sound(NamedTuple):
    """A recording as `recordings` draws it.

    Attributes:
      title: the title above all its versions.
      names: the names of the V versions.
      waves: V arrays float [T] in [-1, 1].
      spectrograms: V arrays [F, frames] in decibels, low frequencies first.
      codes: int [n, L], the codes of all versions.
    """

    title: str
    names: Sequence[str]
    waves: Sequence[np.ndarray]
    spectrograms: Sequence[np.ndarray]
    codes: np.ndarray


def recordings(path: str, sounds: Sequence[Sound], K: int, sample_rate: int, samples_per_code: int) -> None:
    """Writes a column per recording: the wave and spectrogram of each version, and the codes below them, over time.

    Args:
      path: the PNG.
      sounds: the recordings, which all have the same number of versions.
      K: number of values of a code, which colours tell apart.
      sample_rate: samples per second.
      samples_per_code: the downsampling factor.
    """
    versions, L = len(sounds[0].names), sounds[0].codes.shape[1]
    heights = [0.55, 1.25] * versions + [0.18 + 0.12 * L]
    figure = new_figure(0.9 + 3.6 * len(sounds), 0.9 + 1.06 * sum(heights), tight=False)
    wide, tall = figure.get_size_inches()
    margins = {"left": 0.62 / wide, "right": 1 - 0.12 / wide, "top": 1 - 0.32 / tall, "bottom": 0.45 / tall}
    spaces = {"wspace": 0.08, "hspace": 0.1}
    places = figure.add_gridspec(len(heights), len(sounds), height_ratios=heights, **margins, **spaces)
    for column, sound in enumerate(sounds):
        seconds = len(sound.waves[0]) / sample_rate
        loudest = max(max(np.abs(wave).max() for wave in sound.waves), 1e-3)

        def axes_at(row: int, column: int = column, seconds: float = seconds) -> Any:
            axes = figure.add_subplot(places[row, column])
            axes.set_xlim(0, seconds)
            axes.tick_params(labelsize=7, length=2, labelbottom=False)
            return axes

        for i, (name, wave, decibels) in enumerate(zip(sound.names, sound.waves, sound.spectrograms)):
            axes = axes_at(2 * i)
            axes.plot(np.arange(len(wave)) / sample_rate, wave, linewidth=0.4, color="#4477aa")
            axes.set_ylim(-1.1 * loudest, 1.1 * loudest)
            axes.set_yticks([])
            corner = {"transform": axes.transAxes, "fontsize": 8, "ha": "right", "va": "top"}
            corner["bbox"] = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.5}
            axes.text(0.99, 0.95, plain_text(name), **corner)
            hide_spines(axes, "top", "right", "left")
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
        colours = {"vmin": 0, "vmax": max(K - 1, 1), "cmap": "turbo", "interpolation": "nearest"}
        axes.imshow(sound.codes.T, extent=extent, aspect="auto", **colours)
        axes.set_xlim(0, seconds)
        axes.set_yticks([])
        axes.tick_params(labelbottom=True)
        axes.set_xlabel("seconds", fontsize=8)
        if column == 0:
            axes.set_ylabel("codes", fontsize=8, rotation=0, ha="right", va="center")
    save_figure(figure, path)
