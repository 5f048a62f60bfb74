"""Encoder and decoder: strided convolutions and residual blocks.

tf-vqvae's MNIST network has `hidden_channels=(D/4, D/2, D)` and no residual blocks, its CIFAR-10 network
`hidden_channels=(D, D)` and 2 blocks, its ImageNet network `hidden_channels=(D/2, D)`, 4 blocks and `residual_relu`.
A sequence is an image with one row, and its encoder has kernels with one row.
Variables are float32; the layers compute in `dtype`.
"""

import contextlib
from typing import Callable, Iterator, List, Sequence, Tuple, Union

import numpy as np
import tensorflow.compat.v1 as tf

from vq_estimator.config import NetworkConfig
from vq_estimator.errors import VQError
from vq_estimator.nn.convolution import conv2d, conv2d_transpose
from vq_estimator.nn.module import Module, static_shape

KERNEL = 4  # kernel size of the strided convolutions
Stride = Union[int, Tuple[int, int]]


def in_floating_point(x: tf.Tensor, w: tf.Tensor, b: tf.Tensor, stride: Stride, transposed: bool) -> tf.Tensor:
    """Computes a convolution with bias in the dtype of its input."""
    convolution = conv2d_transpose if transposed else conv2d
    return tf.nn.bias_add(convolution(x, tf.cast(w, x.dtype), stride), tf.cast(b, x.dtype))


_ARITHMETIC: List[Callable] = [in_floating_point]


@contextlib.contextmanager
def arithmetic(convolve: Callable) -> Iterator[None]:
    """Computes the layers that are connected within the context with `convolve` instead of float32 convolutions.

    Args:
      convolve: a function (input, variable of the weights, variable of the bias, stride, whether the convolution is
        transposed) -> output.
    """
    _ARITHMETIC.append(convolve)
    try:
        yield
    finally:
        _ARITHMETIC.pop()


def _initializer(kind, fan_in: float, truncated: bool):
    if not isinstance(kind, str):
        return kind
    if kind == "he":  # He et al. (2015), section 2.2
        return tf.truncated_normal_initializer(stddev=(2.0 / fan_in) ** 0.5)
    return tf.truncated_normal_initializer(stddev=0.02) if truncated else tf.random_normal_initializer(stddev=0.02)


def cosine_transform(stride: int, channels: int, features: int) -> np.ndarray:
    """Returns a kernel [2 stride, 2 stride, channels, features] whose convolution is the DCT of each block of pixels.

    It is the orthonormal DCT-II over a block's rows, columns and channels, low frequencies first, times 2, because
    pixels in 0..1 vary by less than one. It fills the centre of the kernel; features beyond its size are 0.
    """

    def basis(n):
        at, frequency = np.arange(n) + 0.5, np.arange(n)[:, np.newaxis]
        return np.cos(np.pi * frequency * at / n) * np.sqrt(np.where(frequency == 0, 1.0, 2.0) / n)  # [frequency, at]

    space, colour = basis(stride), basis(channels)
    # A channel index counts as two steps in frequency, because colour varies less than brightness.
    order = [(u + v + 2 * c, u, v, c) for u in range(stride) for v in range(stride) for c in range(channels)]
    kernel = np.zeros([2 * stride, 2 * stride, channels, features], np.float32)
    middle = slice(stride // 2, stride // 2 + stride)
    for k, (_, u, v, c) in enumerate(sorted(order)[:features]):
        kernel[middle, middle, :, k] = 2.0 * np.einsum("i,j,c->ijc", space[u], space[v], colour[c])
    return kernel


class Conv2D(Module):
    """Convolution with bias, in the dtype of its input.

    Args:
      maps: output channels.
      kernel: kernel size.
      stride: the stride.
      initializer: an initializer of a NetworkConfig, or a TensorFlow initializer for the weights.
      row: use a kernel with one row, for images with one row.
    """

    def __init__(
        self,
        maps: int,
        kernel: int,
        stride: int = 1,
        initializer: str = "normal",
        row: bool = False,
        name: str = "conv",
    ):
        super().__init__(name)
        self._maps, self._kind, self._row = maps, initializer, row
        self._kernel, self._stride = kernel, (1, stride) if row else stride

    def _connect(self, x):
        inputs, height = static_shape(x)[-1], 1 if self._row else self._kernel
        shape = [height, self._kernel, inputs, self._maps]
        w = self.variable("w", shape, _initializer(self._kind, inputs * height * self._kernel, truncated=True))
        b = self.variable("b", [self._maps], tf.zeros_initializer())
        return _ARITHMETIC[-1](x, w, b, self._stride, False)


class Conv2DTranspose(Module):
    """Transposed convolution with bias, in the dtype of its input; arguments as in Conv2D."""

    def __init__(self, maps: int, kernel: int, stride: int, initializer: str = "normal", name: str = "conv_transpose"):
        super().__init__(name)
        self._maps, self._kernel, self._stride, self._kind = maps, kernel, stride, initializer

    def _connect(self, x):
        inputs = static_shape(x)[-1]
        shape = [self._kernel, self._kernel, self._maps, inputs]
        fan_in = inputs * (self._kernel / self._stride) ** 2  # number of products in one output
        w = self.variable("w", shape, _initializer(self._kind, fan_in, truncated=False))
        b = self.variable("b", [self._maps], tf.zeros_initializer())
        return _ARITHMETIC[-1](x, w, b, self._stride, True)


class ResidualBlock(Module):
    """x + conv1x1(relu(conv3x3(relu(x)))) with `width` channels inside (0: those of x); `row` as in Conv2D."""

    def __init__(self, width: int = 0, initializer: str = "normal", row: bool = False, name: str = "residual"):
        super().__init__(name)
        self._width, self._kind, self._row = width, initializer, row

    def _connect(self, x):
        maps = static_shape(x)[-1]
        h = Conv2D(self._width or maps, 3, initializer=self._kind, row=self._row, name="conv_3x3")(tf.nn.relu(x))
        h = Conv2D(maps, 1, initializer=self._kind, name="conv_1x1")(tf.nn.relu(h))
        return x + h


class Encoder(Module):
    """The encoder from pixels [B, H, W, C] float32 in 0..1 to z_e [B, h, w, features] float32; `row` as in Conv2D."""

    def __init__(
        self, config: NetworkConfig, features: int, dtype=tf.float32, row: bool = False, name: str = "encoder"
    ):
        super().__init__(name)
        self._config, self._features, self._dtype, self._row = config, features, dtype, row

    def _connect(self, x):
        kind = self._config.initializer
        h = tf.cast(x, self._dtype)
        for i, width in enumerate(self._config.hidden_channels):
            h = tf.nn.relu(Conv2D(width, KERNEL, 2, kind, self._row, name=f"conv_{i + 1}")(h))
        for i in range(self._config.residual_blocks):
            h = ResidualBlock(self._config.residual_channels, kind, self._row, name=f"residual_{i + 1}")(h)
        linear = self._config.linear_path
        if self._config.hidden_channels[-1] != self._features or linear:
            last = tf.zeros_initializer() if linear else kind
            h = Conv2D(self._features, 1, initializer=last, name="to_codes")(h)
        h = tf.cast(h, tf.float32)
        if linear:
            stride = self._config.stride
            start = cosine_transform(stride, static_shape(x)[-1], self._features)
            # The linear path is float32 whatever the network's dtype.
            h += Conv2D(self._features, 2 * stride, stride, tf.constant_initializer(start), name="linear")(x - 0.5)
        return h


class Decoder(Module):
    """The decoder from z_q [B, h, w, features] float32 to the likelihood's parameters [B, H, W, outputs] float32."""

    def __init__(self, config: NetworkConfig, outputs: int, dtype=tf.float32, name: str = "decoder"):
        super().__init__(name)
        self._config, self._outputs, self._dtype = config, outputs, dtype

    def _connect(self, z_q):
        kind, widths = self._config.initializer, self._config.hidden_channels
        h = _at_code_resolution(z_q, self._config, self._dtype)
        linear = self._config.linear_path
        inside = tuple(reversed(widths[:-1])) + (
            (self._config.output_channels,) if self._config.output_channels else ()
        )
        for i, width in enumerate(inside):
            h = tf.nn.relu(Conv2DTranspose(width, KERNEL, 2, kind, name=f"conv_transpose_{i + 1}")(h))
        last = tf.zeros_initializer() if linear else kind
        if self._config.output_channels:
            h = Conv2D(self._outputs, 1, initializer=last, name="to_pixels")(h)
        else:
            h = Conv2DTranspose(self._outputs, KERNEL, 2, last, name=f"conv_transpose_{len(widths)}")(h)
        h = tf.cast(h, tf.float32)
        if linear:
            stride = self._config.stride
            h += Conv2DTranspose(self._outputs, 2 * stride, stride, kind, name="linear")(z_q)
        return h


class SubpixelDecoder(Decoder):
    """A decoder from z_q [B, h, w, features] float32 to [B, H, W, outputs], computed at the resolution of the codes.

    Its last layer outputs all pixels of a code's block at once. `dtype` is also that of its outputs.

    #### References
    Shi et al. (2016), arXiv 1609.05158, section 2.2 (sub-pixel convolution).
    """

    def _connect(self, z_q):
        stride = self._config.stride
        h = tf.nn.relu(_at_code_resolution(z_q, self._config, self._dtype))
        h = Conv2D(stride * stride * self._outputs, 1, initializer=self._config.initializer, name="to_pixels")(h)
        return tf.depth_to_space(h, stride)


def _at_code_resolution(z_q: tf.Tensor, config: NetworkConfig, dtype) -> tf.Tensor:
    """Applies a decoder's layers before the first upsampling."""
    kind, channels = config.initializer, config.hidden_channels[-1]
    h = tf.cast(z_q, dtype)
    if static_shape(h)[-1] != channels:
        h = Conv2D(channels, 1, initializer=kind, name="from_codes")(h)
    for i in range(config.residual_blocks):
        h = ResidualBlock(config.residual_channels, kind, name=f"residual_{i + 1}")(h)
    return tf.nn.relu(h) if config.residual_relu else h


class SuppliedNetwork(Module):
    """A caller's function instead of a network; its variables are shared by all calls.

    Args:
      function: (x float32 [B, h, w, c], channels, training) -> [B, *shape], where the last of `shape` is `channels`.
      shape: what it has to give for each example.
      argument: what a message calls the function.
    """

    def __init__(self, function: Callable, shape: Sequence[int], argument: str, name: str):
        super().__init__(name)
        self._function, self._shape, self._argument = function, list(shape), argument

    def _connect(self, x, training):
        y = tf.convert_to_tensor(self._function(x, self._shape[-1], training))
        if y.shape.ndims != 4 or static_shape(y)[1:] != self._shape:
            got, want = (str(shape).replace("None", "B") for shape in (y.shape, ["B", *self._shape]))
            raise VQError(f"{self._argument}: got a tensor of shape {got}, expected {want.replace(chr(39), '')}")
        return tf.cast(y, tf.float32)
