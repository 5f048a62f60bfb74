"""Layers whose float32 results are the same bits on every processor, thread count and version of TensorFlow.

A float32 sum depends on the order of its terms only if a partial sum is rounded. An exact layer rounds its inputs and
weights to integers that are so small that no partial sum exceeds 2^24 in any order. All other operations of a decoder
act on single elements (scaling by powers of two, floor, clipping, ReLU, adding two tensors), and IEEE 754 defines their
results.

#### References
Balle, Johnston, Minnen (2019), Integer Networks for Data Compression with Latent-Variable Models, ICLR.
"""

from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from vq_estimator.errors import VQError
from vq_estimator.nn.convolution import transpose_padding
from vq_estimator.nn.module import static_shape

MAX_SUM = 1 << 24  # all integers up to here are float32 numbers
INPUT_BITS = 10  # part of the format of portable files
INPUT_LIMIT = 1 << INPUT_BITS  # largest magnitude of an input, unless a layer has another limit
SUM_BITS = 20  # of the sum of values that are only added; part of the format too
MAX_EXPONENT = 30  # of powers of two: no product is subnormal, which TensorFlow may flush to zero


class Layer(NamedTuple):
    """A convolution with integer weights; with a kernel of 1 x 1 also a dense layer.

    Its inputs are rounded to multiples of 2^-exponent, n 2^-exponent with |n| <= limit.

    Attributes:
      kernel: float32 [k, k, C, M], integers.
      bias: float32 [M], integers.
      exponent: the exponent of the inputs.
      scale: float32 [M], powers of two by which the integer sums are multiplied.
      upsampling: the stride of a transposed convolution: its M channels are the pixels of a block, as in
        `tf.nn.depth_to_space`; 1 for other layers.
      limit: the largest magnitude of an input.
    """

    kernel: np.ndarray
    bias: np.ndarray
    exponent: int
    scale: np.ndarray
    upsampling: int
    limit: int = INPUT_LIMIT


def make_layer(
    name: str,
    weights: np.ndarray,
    bias: np.ndarray,
    exponent: int,
    upsampling: int,
    signed: bool,
    limit: int = INPUT_LIMIT,
) -> Layer:
    """Rounds the weights of a layer, as finely as its sums allow.

    The weights of each output channel are multiples of a power of two: the smallest one for which no sum exceeds 2^24.

    Args:
      name: the name of the layer, for an error message.
      weights: float32 [k, k, C, M], or [k, k, M, C] of a transposed convolution.
      bias: float32 [M].
      exponent: the exponent of the inputs, see `Layer`.
      upsampling: the stride of a transposed convolution; 0 for a convolution.
      signed: whether inputs may be negative.
      limit: the largest magnitude of an input.

    Raises:
      VQError: a weight is not finite or too large.
    """
    kernel, bias = weights.astype(np.float64), bias.astype(np.float64)
    if upsampling:
        kernel, bias = to_convolution(kernel, upsampling), np.tile(bias, upsampling**2)
    finest = np.full(len(bias), -MAX_EXPONENT - 1)
    for e in range(-MAX_EXPONENT, MAX_EXPONENT + 1):
        largest = limit * _sums(np.rint(kernel * 2.0**e), signed) + np.abs(np.rint(bias * 2.0 ** (e + exponent)))
        finest[largest <= MAX_SUM] = e
    if finest.min(initial=0) < -MAX_EXPONENT:  # NaN exceeds every limit
        raise VQError(f"checkpoint: got weights of {name} that are infinite, NaN or huge, expected finite numbers")
    kernel, bias = np.rint(kernel * 2.0**finest), np.rint(bias * 2.0 ** (finest + exponent))
    scale = 2.0 ** -(finest + exponent)
    kernel, bias, scale = (a.astype(np.float32) for a in (kernel, bias, scale))
    return Layer(kernel, bias, exponent, scale, upsampling or 1, limit)


def _sums(kernel: np.ndarray, signed: bool) -> np.ndarray:
    """Returns the largest magnitude of a partial sum, in any order, of each output channel for inputs up to 1, [M]."""
    positive, negative = (np.maximum(sign * kernel, 0.0).sum((0, 1, 2)) for sign in (1, -1))
    return positive + negative if signed else np.maximum(positive, negative)


def to_convolution(kernel: np.ndarray, stride: int) -> np.ndarray:
    """Converts a transposed SAME convolution to a SAME convolution at its input's resolution.

    Args:
      kernel: [k, k, M, C], with k >= stride.
      stride: the upsampling factor.

    Returns:
      [2 r + 1, 2 r + 1, C, stride^2 M], whose result `tf.nn.depth_to_space` rearranges.
    """
    k, _, M, C = kernel.shape
    before = transpose_padding(k, stride)
    # The output at i stride + p has the input at i + d times the weight p + before - d stride.
    reach = max((stride - 1 + before) // stride, (k - 1 - before) // stride)
    found = np.zeros([2 * reach + 1, 2 * reach + 1, C, stride, stride, M], kernel.dtype)

    def places(p):
        return ((d, p + before - d * stride) for d in range(-reach, reach + 1) if 0 <= p + before - d * stride < k)

    for row in range(stride):
        for column in range(stride):
            for di, i in places(row):
                for dj, j in places(column):
                    found[di + reach, dj + reach, :, row, column] = kernel[i, j].T
    return found.reshape(2 * reach + 1, 2 * reach + 1, C, -1)


def find_exponent(largest: float, bits: int) -> int:
    """Returns the largest exponent e, within limits, for which values up to `largest` are less than 2^bits 2^-e."""
    exponent = bits - int(np.frexp(np.float32(largest))[1])
    return int(np.clip(exponent, -MAX_EXPONENT, MAX_EXPONENT))


def on_grid_of_sums(x: np.ndarray, terms: int) -> np.ndarray:
    """Rounds x to a grid on which sums of `terms` of its values are exact."""
    return round_to_grid(x, find_exponent(terms * np.abs(x).max(), SUM_BITS))


def round_to_grid(x: np.ndarray, exponent: int) -> np.ndarray:
    """Rounds x to multiples of 2^-exponent, float32."""
    return (np.floor(x.astype(np.float64) * 2.0**exponent + 0.5) * 2.0**-exponent).astype(np.float32)


def nearest(x: tf.Tensor, scale: float) -> tf.Tensor:
    """Rounds x scale to integers."""
    return tf.floor(x * np.float32(scale) + np.float32(0.5))


def to_grid(x: tf.Tensor, exponent: int, limit: int) -> tf.Tensor:
    """Rounds x to integers n, for x close to n 2^-exponent, and clips them to -limit..limit."""
    n = nearest(x, 2.0**exponent)
    return tf.minimum(tf.maximum(n, np.float32(-limit)), np.float32(limit))


def dense(layer: Layer, x: tf.Tensor) -> tf.Tensor:
    """Computes a layer with a kernel of 1 x 1 on x float32 [n, C]; returns [n, M]."""
    n = to_grid(x, layer.exponent, layer.limit)
    total = tf.matmul(n, tf.constant(layer.kernel[0, 0])) + tf.constant(layer.bias)
    return total * tf.constant(layer.scale)


def convolve(layer: Layer, x: tf.Tensor) -> tf.Tensor:
    """Computes a layer on x float32 [B, H, W, C]; returns [B, H u, W u, M / u^2] with the upsampling factor u."""
    k, _, C, M = layer.kernel.shape
    height, width = tf.shape(x)[1], tf.shape(x)[2]
    reach = k // 2
    n = tf.pad(to_grid(x, layer.exponent, layer.limit), [[0, 0], [reach, reach], [reach, reach], [0, 0]])
    # A matrix product per weight: an optimized convolution may transform its inputs (Winograd), which rounds.
    total = tf.constant(layer.bias)
    for i in range(k):
        for j in range(k):
            rows = tf.reshape(n[:, i : i + height, j : j + width], [-1, C])
            total = tf.matmul(rows, tf.constant(layer.kernel[i, j])) + total
    y = tf.reshape(total * tf.constant(layer.scale), tf.stack([-1, height, width, M]))
    y.set_shape([None, *static_shape(x)[1:3], M])
    return tf.nn.depth_to_space(y, layer.upsampling) if layer.upsampling > 1 else y
