"""Images of any size under a model with a local decoder, without tiles.

The encoder and the layers that compute the condition are convolutions, so they take images of any size. A pixel depends
on the condition and on its near neighbours, so the decoder computes the pixels of a step from arrays of these.
"""

from typing import NamedTuple, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from vq_estimator.models.vqvae import VQVAE
from vq_estimator.nn.neighbourhood import neighbours


class Ops(NamedTuple):
    """Placeholders, and the tensors that are computed from them.

    Attributes:
      images: placeholder uint8 [1, H, W, C]; H and W are multiples of the downsampling factor.
      encoded: their codes, int32 [1, h, w, L].
      codes: placeholder int32 [1, h, w, L].
      condition: the condition of every pixel given `codes`, float32 [1, H, W, D].
      near: placeholder float32 [n, N C], the neighbours of n pixels.
      here: placeholder float32 [n, D], their conditions.
      parameters: the likelihood parameters of these pixels, float32 [n, outputs].
      levels: placeholder uint8 [n, C], their levels.
      log_p: the log-likelihood of `levels`, the sum over the n pixels, float32 [].
    """

    images: tf.Tensor
    encoded: tf.Tensor
    codes: tf.Tensor
    condition: tf.Tensor
    near: tf.Tensor
    here: tf.Tensor
    parameters: tf.Tensor
    levels: tf.Tensor
    log_p: tf.Tensor


def supports(model) -> bool:
    """Returns whether a model's configuration allows images of any size."""
    return model.decoder.has_wavefronts and model.custom_encoder is None


def build(vqvae: VQVAE) -> Ops:
    """Adds the ops to the graph of a model."""
    m, decoder = vqvae.config, vqvae.decoder
    images = tf.placeholder(tf.uint8, (None, None, None, m.channels))
    codes = tf.placeholder(tf.int32, (None, None, None, m.quantizer.L))
    near = tf.placeholder(tf.float32, (None, len(neighbours(m.decoder.reach)) * m.channels))
    here = tf.placeholder(tf.float32, (None, m.decoder.condition_channels))
    levels = tf.placeholder(tf.uint8, (None, m.channels))
    parameters = decoder.parameters_at(near, here)
    log_p = tf.reduce_sum(decoder.likelihood_of(parameters).log_prob(levels[tf.newaxis, tf.newaxis]))
    encoded, condition = vqvae.encode(images), vqvae.pixel_condition(codes)
    return Ops(images, encoded, codes, condition, near, here, parameters, levels, log_p)


def code_size(size: Tuple[int, int], stride: int) -> Tuple[int, int]:
    """Returns the height and width of the code map of an image of `size`."""
    return -(-size[0] // stride), -(-size[1] // stride)


def padded(image: np.ndarray, stride: int) -> np.ndarray:
    """Repeats the last row and column of an image [H, W, C] until its size is a multiple of `stride`."""
    height, width = image.shape[:2]
    return np.pad(image, [(0, -height % stride), (0, -width % stride), (0, 0)], mode="edge")


class Canvas:
    """The pixels of an image of which each may be set once, with what the decoder reads of them.

    Args:
      size: height and width of the image.
      channels: C.
      reach: the reach of the decoder.
    """

    def __init__(self, size: Tuple[int, int], channels: int, reach: int):
        height, width = size
        self._reach, self._stride, self._channels = reach, width + 2 * reach, channels
        # Zeros surround the image, as in the teacher-forced pass.
        self._levels = np.zeros([(height + reach) * self._stride, channels], np.float32)
        self._offsets = np.array([right - up * self._stride for up, right in neighbours(reach)])

    def _place(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        return (rows + self._reach) * self._stride + columns + self._reach

    def near(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Returns the neighbours of n pixels, float32 [n, N C]."""
        places = self._place(rows, columns)[:, np.newaxis] + self._offsets
        return self._levels[places].reshape(len(rows), len(self._offsets) * self._channels)

    def set(self, rows: np.ndarray, columns: np.ndarray, pixels: np.ndarray) -> None:
        """Sets n pixels uint8 [n, C]."""
        self._levels[self._place(rows, columns)] = scaled(pixels)


def scaled(pixels: np.ndarray) -> np.ndarray:
    """Computes `nn.decoders.base.centred` with NumPy."""
    return np.float32(2.0 / 255.0) * pixels.astype(np.float32) - np.float32(1.0)
