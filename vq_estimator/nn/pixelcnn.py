"""PixelCNN with a vertical and a horizontal stack and without a blind spot, for full passes and incremental sampling.

At (i, j) the vertical stack depends on the rows above i, and the horizontal stack on these and on the pixels left of j
in row i. So the output at (i, j) depends on every earlier pixel in raster order within the receptive field, and not on
(i, j) or later pixels.

Each layer is defined once, with VALID convolutions. The full pass pads the whole image; `scan` provides the few cached
rows and columns that the next pixel needs.

#### References
van den Oord et al. (2016), Conditional Image Generation with PixelCNN Decoders, arXiv 1606.05328, sections 2.1 to 2.3.
"""

from typing import Callable, List, Tuple

import tensorflow.compat.v1 as tf

from vq_estimator.nn.module import Module, classic_loops, static_shape
from vq_estimator.nn.pixelcnn_layers import LAYERS, Convolution, convolutions_as_products
from vq_estimator.nn.stepwise import Traced

ABOVE = 3  # rows above and columns to the left in the first layer's receptive field


def _one(x: tf.Tensor, index: tf.Tensor, axis: int) -> tf.Tensor:
    """Returns the slice of size 1 at `index`, with its static shape."""
    shape = static_shape(x)
    shape[axis] = 1
    begin = [0] * len(shape)
    begin[axis] = index
    one = tf.slice(x, tf.stack(begin), [-1 if i != axis else 1 for i in range(len(shape))])
    one.set_shape(shape)
    return one


class PixelCNN(Module):
    """A network whose output at each pixel depends on the pixels before it and on a condition.

    Args:
      layers: layers after the first convolutions.
      maps: channels of each stack.
      outputs: output channels.
      kind: kind of the layers, one of LAYERS.
      dtype: the dtype in which the layers compute; the outputs are float32.
    """

    def __init__(
        self, layers: int, maps: int, outputs: int, kind: str = "gated", dtype=tf.float32, name: str = "pixelcnn"
    ):
        super().__init__(name)
        self._layers, self._maps, self._outputs, self._kind, self._dtype = layers, maps, outputs, kind, dtype

    def _connect(self, function: Callable, *args):
        return function(self._parts(), *args)

    def _parts(self):
        maps = self._maps
        return (
            Convolution(maps, ABOVE, 2 * ABOVE + 1, "first_vertical"),
            Convolution(maps, 1, ABOVE, "first_horizontal"),
            [LAYERS[self._kind](maps, i + 1, i == self._layers - 1) for i in range(self._layers)],
            [Convolution(maps, 1, 1, "head_1"), Convolution(self._outputs, 1, 1, "head_2", gain=0.1)],
        )

    def __call__(self, x: tf.Tensor, condition: tf.Tensor) -> tf.Tensor:
        """Computes a teacher-forced pass: x float32 [B, H, W, C], condition [B, H, W, D] -> [B, H, W, outputs]."""
        return self._template(self._full, x, condition)

    def tail(self, x: tf.Tensor, condition: tf.Tensor, first: tf.Tensor) -> tf.Tensor:
        """Computes the rows from `first` on of a teacher-forced pass over images that agree in the rows before.

        The rows before are computed once, for the first image.

        Args:
          x: float32 [B, H, W, C]; the images differ in the rows from `first` on only.
          condition: [1, H, W, D], of all images.
          first: int32 [], the row.

        Returns:
          The outputs of these rows, [B, H - first, W, outputs].
        """
        with convolutions_as_products():
            return self._template(self._tail, x, condition, first)

    def scan(self, condition: tf.Tensor, channels: int, kept: Tuple[int, tf.DType], choose: Callable) -> tf.Tensor:
        """Generates pixels incrementally in raster order, inside the graph.

        Args:
          condition: [B, H, W, D].
          channels: C, the channels of a pixel.
          kept: n and dtype of the values to collect for each pixel.
          choose: a function (outputs [B, outputs], i, j) -> (the pixel at row i and column j, float32 [B, C], scaled as
            in the full pass; the values to collect, [B, n]).

        Returns:
          The collected values, [B, H, W, n].
        """
        with classic_loops():
            return self._template(self._scan, condition, channels, kept, choose)

    @staticmethod
    def _head(head, h):
        for layer in head:
            h = layer(tf.nn.relu(h))
        return tf.cast(h, tf.float32)

    def _full(self, parts, x, condition):
        first_v, first_h, layers, head = parts
        x, condition = tf.cast(x, self._dtype), tf.cast(condition, self._dtype)
        v = first_v(tf.pad(x, [[0, 0], [ABOVE, 0], [ABOVE, ABOVE], [0, 0]])[:, :-1])
        h = v + first_h(tf.pad(x, [[0, 0], [0, 0], [ABOVE, 0], [0, 0]])[:, :, :-1])
        for layer in layers:
            v, across = layer.vertical(tf.pad(v, [[0, 0], [1, 0], [0, 0], [0, 0]]), v, condition)
            h = layer.horizontal(tf.pad(h, [[0, 0], [0, 0], [1, 0], [0, 0]]), h, across)
        return self._head(head, h)

    def _tail(self, parts, x, condition, first):
        first_v, first_h, layers, head = parts
        x, condition = tf.cast(x, self._dtype), tf.cast(condition, self._dtype)
        above = tf.pad(x, [[0, 0], [ABOVE, 0], [ABOVE, ABOVE], [0, 0]])[:, :-1]
        # The vertical stack reads the rows above only, so it differs only below `first`, where no row may be left.
        same, v = first_v(above[:1, : first + ABOVE]), first_v(above[:, first + 1 :])

        def with_first(common, others):
            return tf.concat([tf.tile(common[:, first:], [tf.shape(x)[0], 1, 1, 1]), others], 1)

        rows = tf.pad(x[:, first:], [[0, 0], [0, 0], [ABOVE, 0], [0, 0]])[:, :, :-1]
        h = with_first(same, v) + first_h(rows)
        for layer in layers:
            seen = with_first(same, v)
            same, same_across = layer.vertical(
                tf.pad(same, [[0, 0], [1, 0], [0, 0], [0, 0]]), same, condition[:, : first + 1]
            )
            v, across = layer.vertical(seen, v, condition[:, first + 1 :])
            h = layer.horizontal(tf.pad(h, [[0, 0], [0, 0], [1, 0], [0, 0]]), h, with_first(same_across, across))
        return self._head(head, h)

    @staticmethod
    def _row(parts, above, before, condition):
        """Computes the vertical stack of one row.

        Args:
          above: [B, ABOVE, W, C], the rows above.
          before: each layer's input in the row above, [B, 1, W, maps].
          condition: [B, 1, W, D].

        Returns:
          Each layer's input in this row and the last layer's output, and the inputs of the horizontal stack
          [B, 1, W, m].
        """
        first_v, _, layers, _ = parts
        v = first_v(tf.pad(above, [[0, 0], [0, 0], [ABOVE, ABOVE], [0, 0]]))
        outputs, across = [v], []
        for layer, one in zip(layers, before):
            v, a = layer.vertical(tf.concat([one, v], 1), v, condition)
            outputs.append(v)
            across.append(a)
        return outputs, across

    def _pixel(self, parts, left, before, vertical, across):
        """Computes the horizontal stack and the head of one pixel.

        Args:
          left: [B, 1, ABOVE, C], the pixels to the left.
          before: each layer's input to the left, [B, 1, 1, maps].
          vertical: the vertical stack's first input here, [B, 1, 1, maps].
          across: the vertical stack's outputs here, [B, 1, 1, m].

        Returns:
          The outputs [B, outputs], and each layer's input here.
        """
        _, first_h, layers, head = parts
        h, inputs = vertical + first_h(left), []
        for layer, one, a in zip(layers, before, across):
            inputs.append(h)
            h = layer.horizontal(tf.concat([one, h], 2), h, a)
        return self._head(head, h)[:, 0, 0], inputs

    def step_functions(self, prefix: str, condition: tf.Tensor, channels: int, choose: Callable) -> List[Traced]:
        """Makes the functions that a loop like `scan` calls (see `nn.stepwise`).

        Args:
          prefix: of their names.
          condition: [B, H, W, D].
          channels: C, the channels of a pixel.
          choose: a function (outputs [B, outputs]) -> (further inputs by name, the pixel [B, C] scaled as in the full
            pass, what is drawn).

        Returns:
          `row` (above [B, 3, W, C], before [B, layers, W, maps], condition [B, W, D] -> vertical [B, layers, W, maps],
          which is `before` of the next row, and across [B, layers, W, m]), and `step` (left [B, 3, C], before
          [B, layers, maps], vertical [B, maps] of the first layer, across [B, layers, m] -> pixel [B, C], inputs, which
          is `before` of the next pixel, parameters [B, outputs], and drawn).
        """
        return self._template(self._step_functions, prefix, condition, channels, choose)

    def _step_functions(self, parts, prefix, condition, channels, choose):
        _, _, width, depth = static_shape(condition)
        layers = len(parts[2])

        def given(*shape):
            return tf.placeholder(tf.float32, (None, *shape))

        row = {
            "above": given(ABOVE, width, channels),
            "before": given(layers, width, self._maps),
            "condition": given(width, depth),
        }
        before = [one[:, tf.newaxis] for one in tf.unstack(row["before"], axis=1)]
        vertical, across = self._row(parts, row["above"], before, row["condition"][:, tf.newaxis])
        rows = {"vertical": tf.concat(vertical[:layers], 1), "across": tf.concat(across, 1)}
        step = {
            "left": given(ABOVE, channels),
            "before": given(layers, self._maps),
            "vertical": given(self._maps),
            "across": given(layers, static_shape(across[0])[-1]),
        }
        each = [[one[:, tf.newaxis, tf.newaxis] for one in tf.unstack(step[k], axis=1)] for k in ("before", "across")]
        here = step["vertical"][:, tf.newaxis, tf.newaxis]
        outputs, inputs = self._pixel(parts, step["left"][:, tf.newaxis], each[0], here, each[1])
        further, pixel, drawn = choose(outputs)
        found = {"pixel": pixel, "inputs": tf.concat([one[:, :, 0] for one in inputs], 1), "parameters": outputs}
        return [
            Traced(prefix + "_row", row, rows),
            Traced(prefix + "_step", {**step, **further}, {**found, "drawn": drawn}, {"loop": "raster"}),
        ]

    def _scan(self, parts, condition, channels, kept, choose):
        layers = parts[2]
        _, height, width, _ = static_shape(condition)
        batch = tf.shape(condition)[0]
        condition = tf.cast(condition, self._dtype)
        n, kept_type = kept

        def blank(rows, columns, maps):
            return tf.zeros(tf.stack([batch, rows, columns, maps]), self._dtype)

        def row_step(i, above, v_before, rows):
            """`above` [B, ABOVE, W, C] are the rows above; `v_before` is each layer's input in the row above."""
            here = _one(condition, i, 1)
            v_here, across = self._row(parts, above, v_before, here)

            def column_step(j, left, h_before, pixels, row):
                """`left` [B, 1, ABOVE, C] are the pixels to the left; `h_before` is each layer's input to the left."""
                here = _one(v_here[0], j, 2), [_one(a, j, 2) for a in across]
                outputs, h_here = self._pixel(parts, left, h_before, *here)
                pixel, keep = choose(outputs, i, j)
                pixel = tf.ensure_shape(pixel, [None, channels])
                left = tf.concat([left[:, :, 1:], tf.cast(pixel[:, tf.newaxis, tf.newaxis], self._dtype)], 2)
                return j + 1, left, h_here, pixels.write(j, pixel), row.write(j, keep)

            start = [blank(1, 1, self._maps) for _ in layers]
            arrays = [
                tf.TensorArray(tf.float32, width, element_shape=[None, channels]),
                tf.TensorArray(kept_type, width, element_shape=[None, n]),
            ]
            _, _, _, pixels, row = tf.while_loop(
                lambda j, *_: j < width, column_step, [0, blank(1, ABOVE, channels), start] + arrays, back_prop=False
            )
            last = tf.transpose(pixels.stack(), [1, 0, 2])[:, tf.newaxis]  # [B, 1, W, C]
            last.set_shape([None, 1, width, channels])
            above = tf.concat([above[:, 1:], tf.cast(last, self._dtype)], 1)
            row = row.stack()  # [W, B, n]
            row.set_shape([width, None, n])
            return i + 1, above, v_here[: len(layers)], rows.write(i, row)

        start = [blank(1, width, self._maps) for _ in layers]
        array = tf.TensorArray(kept_type, height, element_shape=[width, None, n])
        _, _, _, rows = tf.while_loop(
            lambda i, *_: i < height, row_step, [0, blank(ABOVE, width, channels), start, array], back_prop=False
        )
        found = tf.transpose(rows.stack(), [2, 0, 1, 3])
        found.set_shape([None, height, width, n])
        return found
