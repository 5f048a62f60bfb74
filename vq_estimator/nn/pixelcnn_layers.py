"""The layers of a PixelCNN: a vertical and a horizontal stack, gated or residual, with VALID convolutions.

Each layer is defined once, for whole images and for the few cached rows and columns that the next pixel needs.

#### References
van den Oord et al. (2016), Conditional Image Generation with PixelCNN Decoders, arXiv 1606.05328, sections 2.1 to 2.3.
"""

import contextlib
from typing import Iterator, Tuple

import tensorflow.compat.v1 as tf

from vq_estimator.nn.module import Module, static_shape

RELU = 2.0**0.5  # gain of a convolution after a ReLU


class Convolution(Module):
    """VALID convolution with a kernel [height, width] and an optional bias."""

    _as_products = False  # see `convolutions_as_products`

    def __init__(self, maps: int, height: int, width: int, name: str, gain: float = 1.0, bias: bool = True):
        super().__init__(name)
        self._maps, self._height, self._width, self._gain, self._bias = maps, height, width, gain, bias

    def _connect(self, x):
        _, height, width, inputs = static_shape(x)
        shape = [self._height, self._width, inputs, self._maps]
        fan_in = self._height * self._width * inputs
        w = self.variable("w", shape, tf.truncated_normal_initializer(stddev=self._gain / fan_in**0.5))
        w = tf.cast(w, x.dtype)
        if (height, width) == (self._height, self._width):  # one output position: a matrix product has less overhead
            y = tf.matmul(tf.reshape(x, [-1, fan_in]), tf.reshape(w, [fan_in, self._maps]))
            y = tf.reshape(y, [-1, 1, 1, self._maps])
        elif self._as_products:
            y = tf.matmul(self._patches(x), tf.reshape(w, [fan_in, self._maps]))
        else:
            y = tf.nn.conv2d(x, w, strides=1, padding="VALID")
        if not self._bias:
            return y
        b = self.variable("b", [self._maps], tf.zeros_initializer())
        return tf.nn.bias_add(y, tf.cast(b, x.dtype))

    def _patches(self, x):
        """Returns what the kernel covers at each output position, [B, h, w, height * width * C]."""
        below, right = 1 - self._height, 1 - self._width  # negative, or 0 for the whole extent
        return tf.concat(
            [
                x[:, i : below + i or None, j : right + j or None]
                for i in range(self._height)
                for j in range(self._width)
            ],
            -1,
        )


@contextlib.contextmanager
def convolutions_as_products() -> Iterator[None]:
    """Builds every `Convolution` as one matrix product over the patches of all images.

    Other runtimes compute a convolution image by image, which takes several times as long if the images are small. The
    sums are the same but for their order. The output can have no rows.
    """
    before, Convolution._as_products = Convolution._as_products, True
    try:
        yield
    finally:
        Convolution._as_products = before


@tf.custom_gradient
def gate(x: tf.Tensor):
    """Computes tanh(a) * sigmoid(b) for the two halves a and b of the channels, [..., 2 n] -> [..., n].

    The gradient is written by hand: in bfloat16 on the CPU TensorFlow's own takes longer than the convolution before.
    """
    a, b = tf.split(x, 2, -1)
    t, s = tf.tanh(a), 0.5 + 0.5 * tf.tanh(0.5 * b)  # tanh is faster than sigmoid in bfloat16

    def grad(dy):
        u = dy * s
        return tf.concat([u - u * tf.square(t), u * t * (1.0 - s)], -1)

    return t * s, grad


class _Layer:
    """One layer of both stacks; the condition enters both. `top`: the last layer, whose vertical output is not used."""

    def __init__(self, maps: int, number: int, top: bool):
        self._maps, self._name, self._top = maps, f"layer_{number}_", top

    def _convolution(self, maps: int, height: int, width: int, name: str, **given) -> Convolution:
        return Convolution(maps, height, width, self._name + name, **given)

    def vertical(self, rows, here, condition) -> Tuple[tf.Tensor, tf.Tensor]:
        """Computes the vertical stack.

        Args:
          rows: [B, n + 1, W, maps], the row above first.
          here: [B, n, W, maps], the rows without the row above.
          condition: [B, n, W, D].

        Returns:
          The next layer's rows [B, n, W, maps], and the input of the horizontal stack [B, n, W, m], which includes the
          condition.
        """
        raise TypeError(f"{type(self).__name__}: define vertical")

    def horizontal(self, columns, here, across) -> tf.Tensor:
        """Computes the horizontal stack.

        Args:
          columns: [B, n, m + 1, maps], the column to the left first.
          here: [B, n, m, maps], the columns without the column to the left.
          across: the input from the vertical stack.

        Returns:
          The next layer's columns [B, n, m, maps].
        """
        raise TypeError(f"{type(self).__name__}: define horizontal")


class _GatedLayer(_Layer):
    """A gated layer, van den Oord et al. (2016), equation 2 and figure 2."""

    def __init__(self, maps: int, number: int, top: bool):
        super().__init__(maps, number, top)
        self._vertical = self._convolution(2 * maps, 2, 3, "vertical")
        self._across = self._convolution(2 * maps, 1, 1, "across", bias=False)
        self._horizontal = self._convolution(2 * maps, 1, 2, "horizontal")
        self._condition_v = self._convolution(2 * maps, 1, 1, "condition_v", bias=False)
        self._condition_h = self._convolution(2 * maps, 1, 1, "condition_h", bias=False)
        self._residual = self._convolution(maps, 1, 1, "residual", gain=0.5)

    def vertical(self, rows, here, condition):
        seen = self._vertical(tf.pad(rows, [[0, 0], [0, 0], [1, 1], [0, 0]]))
        across = self._across(seen) + self._condition_h(condition)
        return here if self._top else gate(seen + self._condition_v(condition)), across

    def horizontal(self, columns, here, across):
        return here + self._residual(gate(self._horizontal(columns) + across))


class _ResidualLayer(_Layer):
    """A layer with residual blocks in both stacks, with half the arithmetic of a gated layer."""

    def __init__(self, maps: int, number: int, top: bool):
        super().__init__(maps, number, top)
        self._vertical = self._convolution(maps, 2, 3, "vertical", gain=RELU)
        self._vertical_residual = self._convolution(maps, 1, 1, "vertical_residual", gain=0.5)
        self._across = self._convolution(maps, 1, 1, "across", bias=False)
        self._horizontal = self._convolution(maps, 1, 2, "horizontal", gain=RELU)
        self._condition = self._convolution(maps, 1, 1, "condition", bias=False)
        self._residual = self._convolution(maps, 1, 1, "residual", gain=0.5)

    def vertical(self, rows, here, condition):
        seen = self._vertical(tf.pad(tf.nn.relu(rows), [[0, 0], [0, 0], [1, 1], [0, 0]]))
        seen = tf.nn.relu(seen + self._condition(condition))
        return here if self._top else here + self._vertical_residual(seen), self._across(seen)

    def horizontal(self, columns, here, across):
        return here + self._residual(tf.nn.relu(self._horizontal(tf.nn.relu(columns)) + across))


LAYERS = {"gated": _GatedLayer, "residual": _ResidualLayer}
