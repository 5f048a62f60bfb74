"""Converts images of any size to a model's input. This is the only code for it.

An image of the model's size is not changed. An image of the size of the model's published data set is resized as in
training (bilinear, as in tf-vqvae). From any other image the largest centred rectangle with the model's ratio of height
and width is cropped and resized with a triangle filter, which averages when it shrinks and is bilinear when it
enlarges. Nothing is stretched by more than a pixel of the crop.
"""

from typing import Any, NamedTuple, Optional, Sequence, Tuple, cast

import numpy as np
import tensorflow.compat.v1 as tf
from PIL import Image

from vq_estimator.config import Config, ModelConfig, catalogue
from vq_estimator.data import pipeline
from vq_estimator.data.image_files import to_array, to_levels
from vq_estimator.errors import VQError

GREY_OR_COLOUR = (1, 3)  # numbers of channels that are converted into each other
GREY = (0.299, 0.587, 0.114)  # weights of red, green and blue (ITU-R BT.601)


class View(NamedTuple):
    """A model's input.

    Attributes:
      size: height and width of the model's images.
      channels: channels of the model's images.
      published_size: (height, width) of the images of the model's published data set, or None.
      binarize: whether levels from 128 on become 255 and the others 0.
      value_range: samples of 16-bit images that become 0 and 255; None uses the upper 8 bits.
    """

    size: Tuple[int, int]
    channels: int
    published_size: Optional[Tuple[int, int]] = None
    binarize: bool = False
    value_range: Optional[Tuple[int, ...]] = None

    @classmethod
    def of(cls, config: Config) -> "View":
        """The input of a run's model."""
        m, spec = cast(ModelConfig, config.model), catalogue.DATASETS.get(config.dataset)
        return cls(m.size, m.channels, spec and spec.shape[:2], m.binarize, config.data.value_range)

    def cut(self, height: int, width: int) -> Tuple[int, int]:
        """Height and width of the crop of an image; for a square model twice the shorter side."""
        own_height, own_width = self.size
        nearest = (max(1, round(width * own_height / own_width)), max(1, round(height * own_width / own_height)))
        return min(height, nearest[0]), min(width, nearest[1])

    def enlarges(self, size: Sequence[int]) -> bool:
        """Whether an image of [height, width] is smaller than the model's images."""
        cut = self.cut(size[0], size[1])
        return cut[0] < self.size[0] or cut[1] < self.size[1]


class Viewer:
    """Converts images to a model's input, following its `view`. Thread-safe. `close()` frees its session."""

    def __init__(self, view: View):
        self.view, size, channels = view, view.size, view.channels
        self._given = 3 if channels in GREY_OR_COLOUR else channels  # a grey image is resized as three channels
        with tf.Graph().as_default() as graph:
            kinds = (tf.uint8, tf.float32)
            self._cuts = {dtype: tf.placeholder(dtype, [None, None, None, self._given]) for dtype in kinds}
            self._fitted = {dtype: _resize(cut, size, channels) for dtype, cut in self._cuts.items()}
            if view.published_size:
                self._published = tf.placeholder(tf.uint8, [None, *view.published_size, channels])
                self._resized = pipeline.fit(self._published, size)
        settings = tf.ConfigProto(device_count={"GPU": 0}, intra_op_parallelism_threads=1)
        self._session = tf.Session(graph=graph, config=settings)

    def close(self) -> None:
        self._session.close()

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Converts upright images of one size to the model's input.

        Args:
          images: uint8 or uint16 [N, H, W, c]. c is 1 (grey) or 3 (colour) if the model's images are either; otherwise
            the model's number of channels.

        Returns:
          uint8 [N, *size, channels].

        Raises:
          VQError: another number of channels.
        """
        view = self.view
        self.check_channels(images.shape[-1])
        levels = to_levels(images, view.value_range)
        if levels.shape[1:3] == view.published_size != view.size:
            seen = self._session.run(self._resized, {self._published: _as_channels(levels, view.channels)})
        else:
            seen = self._run_fit(_middle(levels, view.cut(*levels.shape[1:3])))
        return np.where(seen >= 128, np.uint8(255), np.uint8(0)) if view.binarize else seen

    def check_channels(self, channels: int) -> None:
        """Raises a VQError if images with `channels` channels cannot be converted to the model's."""
        own = self.view.channels
        good = GREY_OR_COLOUR if own in GREY_OR_COLOUR else (own,)
        if channels not in good:
            want = "1 (grey) or 3 (colour)" if own in GREY_OR_COLOUR else f"{own}, as the model has"
            raise VQError(f"images: got {channels} channels, expected {want}")

    def _run_fit(self, cuts: np.ndarray) -> np.ndarray:
        dtype: Any = tf.as_dtype(cuts.dtype)
        given = np.broadcast_to(cuts, (*cuts.shape[:3], self._given))
        return self._session.run(self._fitted[dtype], {self._cuts[dtype]: given})


def _middle(images: np.ndarray, size: Tuple[int, int]) -> np.ndarray:
    height, width = size
    top, left = (images.shape[1] - height) // 2, (images.shape[2] - width) // 2
    return images[:, top : top + height, left : left + width]


def _as_channels(levels: np.ndarray, channels: int) -> np.ndarray:
    """Converts uint8 levels to the model's number of channels."""
    if levels.shape[-1] == 3 and channels == 1:
        levels = (levels @ np.array(GREY, np.float32))[..., np.newaxis]
    levels = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    return np.broadcast_to(levels, (*levels.shape[:3], channels))


def _resize(images: tf.Tensor, size: Tuple[int, int], channels: int) -> tf.Tensor:
    """Resizes images [N, h, w, c] of about the model's ratio of sides to uint8 [N, *size, channels]."""
    fitted = tf.raw_ops.ScaleAndTranslate(
        images=images,
        size=list(size),
        scale=tf.cast(list(size), tf.float32) / tf.cast(tf.shape(images)[1:3], tf.float32),
        translation=[0.0, 0.0],
        kernel_type="triangle",
        antialias=True,
    )
    if channels == 1:
        fitted = tf.tensordot(fitted, tf.constant(GREY), [[3], [0]])[..., tf.newaxis]
    fitted = tf.cast(tf.round(tf.clip_by_value(fitted, 0.0, 255.0)), tf.uint8)
    return tf.reshape(fitted, [-1, *size, channels])


def known_channels(channels: int) -> Tuple[int, ...]:
    """The numbers of channels of arrays that a model of `channels` accepts; 4 are colour and opacity."""
    return (*GREY_OR_COLOUR, 4) if channels in GREY_OR_COLOUR else (channels,)


def on_white(array: np.ndarray, channels: int) -> np.ndarray:
    """Puts images [N, H, W, 4] for a grey or colour model on white, by their opacity; returns other arrays unchanged.

    Raises:
      VQError: the images are uint16.
    """
    if array.shape[-1] != 4 or channels not in GREY_OR_COLOUR:
        return array
    if array.dtype == np.uint16:
        raise VQError("images: got uint16 with 4 channels, expected 1 or 3 of them, or uint8")
    return np.stack([to_array(Image.fromarray(image)) for image in array])
