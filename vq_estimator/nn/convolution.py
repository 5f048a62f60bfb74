"""SAME convolutions in float32 and bfloat16, with a faster filter gradient in bfloat16.

In bfloat16 on the CPU, oneDNN computes the gradient with respect to the filter at about half the speed of the forward
convolution. That gradient is itself a convolution: of the input with the output's gradient as the filter, with batch
and channels exchanged. Computed as a forward convolution it is faster, including the transposes.
"""

from typing import Tuple, Union

import tensorflow.compat.v1 as tf

from vq_estimator.nn.module import static_shape

MIN_MAPS = 32  # with fewer channels oneDNN's own filter gradient is faster


def _padding(size: int, kernel: int, stride: int) -> Tuple[int, int]:
    """Returns the SAME padding before and after `size`."""
    out = -(-size // stride)
    total = max((out - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def transpose_padding(kernel: int, stride: int) -> int:
    """Returns how many rows of a transposed SAME convolution are cut off before the first one of its output."""
    return _padding(stride, kernel, stride)[0]


def _filter_gradient(x: tf.Tensor, dy: tf.Tensor, shape, stride: int) -> tf.Tensor:
    """Computes the gradient of `conv2d(x, w)` with respect to w, [k, k, C, M], from x [B, H, W, C], dy [B, h, w, M]."""
    kernel, _, inputs, outputs = shape
    _, height, width, _ = static_shape(x)
    if kernel == 1 or min(inputs, outputs) < MIN_MAPS:
        return tf.nn.conv2d_backprop_filter(x, shape, dy, [1, stride, stride, 1], "SAME")
    pads = [[0, 0], list(_padding(height, kernel, stride)), list(_padding(width, kernel, stride)), [0, 0]]
    images = tf.pad(tf.transpose(x, [3, 1, 2, 0]), pads)  # [C, H + pad, W + pad, B]
    filters = tf.transpose(dy, [1, 2, 0, 3])  # [h, w, B, M]
    dw = tf.nn.conv2d(images, filters, strides=1, padding="VALID", dilations=stride)  # [C, >= k, >= k, M]
    return tf.transpose(dw[:, :kernel, :kernel, :], [1, 2, 0, 3])


def _conv2d_bfloat16(x: tf.Tensor, w: tf.Tensor, stride: int) -> tf.Tensor:
    strides, shape = [1, stride, stride, 1], static_shape(w)

    @tf.custom_gradient
    def conv(x, w):
        def grad(dy):
            dx = tf.nn.conv2d_backprop_input(tf.shape(x), w, dy, strides, "SAME")
            return dx, _filter_gradient(x, dy, shape, stride)

        return tf.nn.conv2d(x, w, strides=stride, padding="SAME"), grad

    return conv(x, w)


def _conv2d_transpose_bfloat16(x: tf.Tensor, w: tf.Tensor, output_shape, stride: int) -> tf.Tensor:
    strides, shape = [1, stride, stride, 1], static_shape(w)

    @tf.custom_gradient
    def conv(x, w, output_shape):
        def grad(dy):
            dy.set_shape([None] + up + [shape[2]])
            return tf.nn.conv2d(dy, w, strides=stride, padding="SAME"), _filter_gradient(dy, x, shape, stride), None

        return tf.nn.conv2d_backprop_input(output_shape, w, x, strides, "SAME"), grad

    up = [stride * side for side in static_shape(x)[1:3]]
    return conv(x, w, output_shape)


def conv2d(x: tf.Tensor, w: tf.Tensor, stride: Union[int, Tuple[int, int]]) -> tf.Tensor:
    """SAME convolution.

    Args:
      x: [B, H, W, C] float32 or bfloat16, with static C.
      w: [k, k, C, M] of the same type, or [1, k, C, M] for a sequence, which is an image with one row.
      stride: 1 or more, or a pair for the two directions.

    Returns:
      [B, H / stride, W / stride, M] of the same type.
    """
    if x.dtype == tf.bfloat16 and isinstance(stride, int) and None not in static_shape(x)[1:]:
        return _conv2d_bfloat16(x, w, stride)
    return tf.nn.conv2d(x, w, strides=stride, padding="SAME")


def conv2d_transpose(x: tf.Tensor, w: tf.Tensor, stride: int) -> tf.Tensor:
    """Transposed SAME convolution: the gradient of `conv2d` with respect to its input.

    Args:
      x: [B, h, w, C] float32 or bfloat16, with static h, w and C.
      w: [k, k, M, C] of the same type (output channels first, as in TensorFlow).
      stride: 1 or more.

    Returns:
      [B, h * stride, w * stride, M] of the same type.
    """
    _, height, width, _ = static_shape(x)
    maps = static_shape(w)[2]
    output_shape = tf.stack([tf.shape(x)[0], height * stride, width * stride, maps])
    if x.dtype == tf.bfloat16:
        y = _conv2d_transpose_bfloat16(x, w, output_shape, stride)
    else:
        y = tf.nn.conv2d_transpose(x, w, output_shape, stride, "SAME")
    y.set_shape([None, height * stride, width * stride, maps])
    return y
