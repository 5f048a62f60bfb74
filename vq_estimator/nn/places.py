"""Random pixels of images, at which a training step evaluates a likelihood instead of at all pixels."""

from typing import NamedTuple, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from vq_estimator.nn import replicas
from vq_estimator.nn.likelihoods.pixels import uniform
from vq_estimator.nn.module import static_shape


class Places(NamedTuple):
    """Random pixels of each image.

    Attributes:
      rows, columns: int32 [B, h, w].
      weights: float32 [B, h, w]. The sum over the places of weight times f(pixel) is an unbiased estimate of the sum of
        f over all pixels.
    """

    rows: tf.Tensor
    columns: tf.Tensor
    weights: tf.Tensor

    @classmethod
    def draw(cls, batch: tf.Tensor, size: Tuple[int, int], stride: int, seed: tf.Tensor) -> "Places":
        """Draws one pixel in each cell of `stride` x `stride` pixels for a batch, or this replica's part of it.

        Args:
          batch: int32 [], B.
          size: height and width of the images, multiples of `stride`.
          stride: the side of a cell.
          seed: int [2].
        """
        height, width = (n // stride for n in size)
        noise = replicas.own(uniform(tf.stack([batch * replicas.count(), height, width, 2]), seed))
        within = tf.cast(noise * stride, tf.int32)
        within.set_shape([None, height, width, 2])
        rows = np.arange(0, size[0], stride, dtype=np.int32)[:, np.newaxis] + within[..., 0]
        columns = np.arange(0, size[1], stride, dtype=np.int32) + within[..., 1]
        return cls(rows, columns, tf.fill(tf.shape(rows), float(stride * stride)))

    @classmethod
    def draw_focused(cls, images: tf.Tensor, stride: int, focus: float, seed: tf.Tensor) -> "Places":
        """Draws as many pixels as `draw`, but others than those in areas of one level `focus` times more often.

        A pixel is in such an area if it equals its eight neighbours. The draw is stratified: pixels in raster order are
        intervals whose lengths are their probabilities, and each of n equal intervals has one place.

        Args:
          images: uint8 [B, H, W, C].
          stride: the square root of the number of pixels per place.
          focus: how much likelier a pixel is to be drawn if it differs from a neighbour.
          seed: int [2].

        Returns:
          Places [B, 1, H W / stride^2].
        """
        _, height, width, _ = static_shape(images)
        n, x = height * width // stride**2, tf.cast(images, tf.float32)
        largest, negated = (tf.nn.max_pool2d(t, 3, 1, "SAME") for t in (x, -x))
        differs = tf.cast(tf.reduce_any(largest > -negated, -1), tf.float32)
        relative = tf.reshape(1.0 + (focus - 1.0) * differs, [-1, height * width])
        ends = tf.cumsum(relative, 1)
        noise = replicas.own(uniform(tf.stack([tf.shape(x)[0] * replicas.count(), n]), seed))
        at = (tf.range(float(n)) + noise) * (ends[:, -1:] / n)
        place = tf.minimum(tf.searchsorted(ends, at), height * width - 1)
        weights = ends[:, -1:] / (n * tf.gather(relative, place, batch_dims=1, axis=1))
        found = (place // width, place % width, weights)
        return cls(*(tf.ensure_shape(t[:, tf.newaxis], [None, 1, n]) for t in found))

    def of(self, x: tf.Tensor, down: int = 0, right: int = 0) -> tf.Tensor:
        """Returns the pixels of x [B, H, W, C] that are (down, right) from these places, [B, h, w, C]."""
        _, height, width, channels = static_shape(x)
        flat = tf.reshape(x, tf.stack([tf.shape(x)[0], height * width, channels]))
        chosen = tf.gather(flat, (self.rows + down) * width + self.columns + right, batch_dims=1, axis=1)
        chosen.set_shape([None, *static_shape(self.rows)[1:], channels])
        return chosen
