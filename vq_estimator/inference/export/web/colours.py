"""Colours of codes: entries that are alike have colours that are alike."""

from typing import List

import numpy as np


def code_colours(entries: np.ndarray) -> List[str]:
    """A CSS colour for each entry [K, D] of a codebook, alike for entries that are alike.

    The angle in the plane of the first two principal axes gives the hue and the third axis the lightness, both by rank,
    so that the colours are spread evenly.
    """
    centred = entries - entries.mean(0)
    axes = np.linalg.svd(centred, full_matrices=False)[2][:3]
    place = np.pad(centred @ axes.T, [(0, 0), (0, 3 - len(axes))])

    def ranks(values):
        return np.argsort(np.argsort(values, kind="stable")) / len(entries)

    hues, lightness = 360 * ranks(np.arctan2(place[:, 1], place[:, 0])), 62 + 20 * ranks(place[:, 2])
    return [f"oklch({light:.0f}% 0.15 {hue:.0f})" for hue, light in zip(hues, lightness)]
