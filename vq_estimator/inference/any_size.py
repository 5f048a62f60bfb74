"""Images of any size under a model with a local decoder, without tiles.

The encoder and the layers that compute the condition are convolutions, so they take images of any size. A pixel depends
on the condition and on its near neighbours, so the decoder computes the pixels of a step from arrays of these.
"""

from typing import Iterator, NamedTuple, Tuple

import numpy as np
import tensorflow.compat.v1 as tf
from tqdm import tqdm

from vq_estimator.config import type_name
from vq_estimator.errors import VQError
from vq_estimator.inference.examples import Batch, Examples
from vq_estimator.inference.measurement import Measured
from vq_estimator.inference.session import OpenRun
from vq_estimator.models.vqvae import VQVAE
from vq_estimator.nn.local import neighbours


BLOCK = 4096  # pixels whose likelihoods are computed at once


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
    has_wavefronts = getattr(model.decoder, "has_wavefronts", False)
    return has_wavefronts and getattr(model, "custom_encoder", None) is None


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


def measure(run: OpenRun, examples: Examples) -> Iterator[Tuple[Batch, Measured]]:
    """Yields images uint8 [1, H, W, C] of any size and what each costs; its codes are [1, 1, h w, L].

    Raises:
      VQError: the run's model does not support images of any size.
    """
    m = run.config.model
    if not supports(m):
        want = "a model with decoder=local (leave out original_size to evaluate images at the model's size)"
        raise VQError(f"original_size: got a model with decoder={type_name(m.decoder)}, expected {want}")
    ops = run.op("any_size", lambda: build(run.vqvae))
    with tqdm(total=examples.total, unit=m.example, desc=f"evaluate {examples.name}") as bar:
        for batch in examples.batches():
            (image,) = batch.images
            size, feed = image.shape[:2], {ops.images: padded(image, m.network.stride)[np.newaxis]}
            codes = run.session.run(ops.encoded, feed)
            condition = run.session.run(ops.condition, {ops.codes: codes})[0, : size[0], : size[1]]
            condition, canvas, nats = condition.reshape(-1, condition.shape[-1]), Canvas(size, m.channels, m.decoder.reach), 0.0
            rows, columns = (n.ravel() for n in np.mgrid[: size[0], : size[1]])
            canvas.set(rows, columns, image.reshape(-1, m.channels))
            for start in range(0, len(rows), BLOCK):
                part = slice(start, start + BLOCK)
                near = canvas.near(rows[part], columns[part])
                feed = {ops.near: near, ops.here: condition[part], ops.levels: image.reshape(-1, m.channels)[part]}
                nats -= float(run.session.run(ops.log_p, feed))
            yield batch, Measured(None, np.array([nats]), None, codes.reshape(1, 1, -1, m.quantizer.L))
            bar.update(1)
