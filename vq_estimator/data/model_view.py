"""What a model sees of an image of any size: the one way from pixels to the model's input.

An image of the model's size is taken as it is. One of the size of the published data set that the model is for is
resized as that data set is in training (bilinear, as tf-vqvae). Of any other the middle square is cut out and brought
to the model's size by a triangle filter, which averages when it shrinks and is bilinear when it enlarges. Nothing is
stretched.
"""

from typing import Any, NamedTuple, Optional, Tuple, cast

import numpy as np
import tensorflow.compat.v1 as tf

from vq_estimator.config import Config, ModelConfig, catalogue
from vq_estimator.data import pipeline
from vq_estimator.data.image_files import to_levels

GREY = (0.299, 0.587, 0.114)  # weights of red, green and blue (ITU-R BT.601)


class View(NamedTuple):
    """What the model's input is.

    Attributes:
      size, channels: of the model's images.
      published_size: (height, width) of the images of the model's published data set, or None.
      binarize: levels from 128 on become 255 and the others 0.
      value_range: samples of 16-bit images that become 0 and 255; None: the upper 8 bits are taken.
    """

    size: int
    channels: int
    published_size: Optional[Tuple[int, int]] = None
    binarize: bool = False
    value_range: Optional[Tuple[int, ...]] = None

    @classmethod
    def of(cls, config: Config) -> "View":
        """The view of a run's model."""
        m, spec = cast(ModelConfig, config.model), catalogue.DATASETS.get(config.dataset)
        return cls(m.image_size, m.channels, spec and spec.shape[:2], m.binarize, config.data.value_range)


class Viewer:
    """Makes images what a model sees; several threads may call it. `close()` frees its session."""

    def __init__(self, view: View):
        self._view, size, channels = view, view.size, view.channels
        with tf.Graph().as_default() as graph:
            self._squares = {dtype: tf.placeholder(dtype, [None, None, None, 3]) for dtype in (tf.uint8, tf.float32)}
            self._fitted = {dtype: _shrink(square, size, channels) for dtype, square in self._squares.items()}
            if view.published_size:
                self._published = tf.placeholder(tf.uint8, [None, *view.published_size, channels])
                self._resized = pipeline.fit(self._published, size)
        settings = tf.ConfigProto(device_count={"GPU": 0}, intra_op_parallelism_threads=1)
        self._session = tf.Session(graph=graph, config=settings)

    def close(self) -> None:
        self._session.close()

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Upright images of one size as the model sees them.

        Args:
          images: uint8 or uint16 [N, H, W, c], c 1 (grey) or 3 (colour).

        Returns:
          uint8 [N, size, size, channels].
        """
        view = self._view
        levels = to_levels(images, view.value_range)
        if levels.shape[1:3] == view.published_size != (view.size, view.size):
            seen = self._session.run(self._resized, {self._published: _as_channels(levels, view.channels)})
        else:
            seen = self._run_fit(_middle_square(levels))
        return np.where(seen >= 128, np.uint8(255), np.uint8(0)) if view.binarize else seen

    def _run_fit(self, squares: np.ndarray) -> np.ndarray:
        dtype: Any = tf.as_dtype(squares.dtype)
        colour = np.broadcast_to(squares, (*squares.shape[:3], 3))
        return self._session.run(self._fitted[dtype], {self._squares[dtype]: colour})


def _middle_square(images: np.ndarray) -> np.ndarray:
    height, width = images.shape[1:3]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return images[:, top : top + side, left : left + side]


def _as_channels(levels: np.ndarray, channels: int) -> np.ndarray:
    """Levels as uint8 of as many channels."""
    if levels.shape[-1] == 3 and channels == 1:
        levels = (levels @ np.array(GREY, np.float32))[..., np.newaxis]
    levels = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    return np.broadcast_to(levels, (*levels.shape[:3], channels))


def _shrink(squares: tf.Tensor, size: int, channels: int) -> tf.Tensor:
    """Square images [N, side, side, 3] at the model's size, uint8 [N, size, size, channels]."""
    scale = tf.cast(size, tf.float32) / tf.cast(tf.shape(squares)[1], tf.float32)
    fitted = tf.raw_ops.ScaleAndTranslate(
        images=squares,
        size=[size, size],
        scale=tf.stack([scale, scale]),
        translation=[0.0, 0.0],
        kernel_type="triangle",
        antialias=True,
    )
    if channels == 1:
        fitted = tf.tensordot(fitted, tf.constant(GREY), [[3], [0]])[..., tf.newaxis]
    fitted = tf.cast(tf.round(tf.clip_by_value(fitted, 0.0, 255.0)), tf.uint8)
    return tf.reshape(fitted, [-1, size, size, channels])
