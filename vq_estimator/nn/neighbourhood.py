"""The pixels that each pixel of a local network depends on, and the order that follows from it; see `local`."""

from typing import Any, List, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from vq_estimator.nn.module import static_shape

CONTRAST = 64.0  # differences below two levels, of 255 in -1..1, are linear


def neighbours(reach: int) -> List[Tuple[int, int]]:
    """Returns (rows up, columns to the right) of the pixels that a pixel depends on, in the order of their weights."""
    above = [(a, b) for a in range(reach, 0, -1) for b in range(-reach, reach + 1)]
    return above + [(0, b) for b in range(-reach, 0)]


class Wavefronts:
    """The steps of `LocalPixels.scan`: step t has the pixels with column + slope row = t.

    Attributes:
      slope: `reach` + 1.
      steps: number of steps.
      size: number of pixels per step, including those outside the image.
      rows, columns: int32 [steps, size], the pixels of each step, in consecutive rows.
      inside: bool [steps, size], whether a pixel is inside the image.
    """

    def __init__(self, height: int, width: int, reach: int):
        self.slope = reach + 1
        self.steps = width + self.slope * (height - 1)
        self.size = min(height, -(-width // self.slope))
        t = np.arange(self.steps, dtype=np.int32)[:, np.newaxis]
        first = np.maximum(0, -(-(t - width + 1) // self.slope))
        self.rows = first + np.arange(self.size, dtype=np.int32)
        self.columns = t - self.slope * self.rows
        self.inside = (self.rows < height) & (self.columns >= 0) & (self.columns < width)

    def raster(self) -> np.ndarray:
        """Returns the number of each pixel among all pixels of all steps, in raster order, int [H W]."""
        number = np.flatnonzero(self.inside)
        return number[np.lexsort((self.columns.ravel()[number], self.rows.ravel()[number]))]


def contrasts(near: tf.Tensor, reach: int) -> tf.Tensor:
    """Computes `contrast_of` the `differences_from_mean`; arguments and result as there."""
    return contrast_of(differences_from_mean(near, reach), tf)


def differences_from_mean(near: tf.Tensor, reach: int) -> tf.Tensor:
    """Computes the differences of the neighbours of n pixels from the mean of the ones above and to the left.

    Args:
      near: float32 [n, N C], the `neighbours` in -1..1.
      reach: their reach.

    Returns:
      float32 [n, N C].
    """
    places = neighbours(reach)
    pixels = tf.reshape(near, [-1, len(places), static_shape(near)[1] // len(places)])
    mean = 0.5 * (pixels[:, places.index((1, 0))] + pixels[:, places.index((0, -1))])
    return tf.reshape(pixels - mean[:, tf.newaxis], tf.shape(near))


def contrast_of(differences: Any, xp: Any) -> Any:
    """Computes differences on a logarithmic scale, which is linear for less than two levels; `xp` is `np` or `tf`.

    The difference of two levels is small compared with their range, so a network learns slowly to tell adjacent levels
    apart.
    """
    scaled = CONTRAST * differences
    return 0.5 * xp.sign(scaled) * xp.log1p(xp.abs(scaled))
