"""WaveNet: dilated causal layers over a sequence, for full passes and for incremental sampling.

A layer with dilation d depends on its input at t and at t - d. The full pass shifts the input; `scan` keeps the last d
inputs of each layer in a queue, so a step takes a few products per layer whatever the receptive field (Paine et al.
2016). Sequences are [B, 1, T, C], images with one row, so a WaveNet can replace a `PixelCNN`.

#### References
van den Oord et al. (2016), WaveNet, arXiv 1609.03499, sections 2.1 to 2.5.
Paine et al. (2016), Fast Wavenet Generation Algorithm, arXiv 1611.09482.
"""

from typing import Callable, Dict, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from vq_estimator.nn.module import Module, loops, static_shape
from vq_estimator.nn.pixelcnn_layers import gate
from vq_estimator.nn.stepwise import Traced


def _product(x: tf.Tensor, w: tf.Tensor) -> tf.Tensor:
    """Multiplies [..., C] by [C, M]."""
    if len(static_shape(x)) == 2:
        return tf.matmul(x, w)
    shape = tf.concat([tf.shape(x)[:-1], [static_shape(w)[1]]], 0)
    y = tf.reshape(tf.matmul(tf.reshape(x, [-1, static_shape(w)[0]]), w), shape)
    y.set_shape(static_shape(x)[:-1] + [static_shape(w)[1]])
    return y


class WaveNet(Module):
    """A network whose output at each step depends on the steps before it and on a condition.

    Args:
      cycles: stacks of layers.
      layers: layers per stack, with dilations 1, 2, 4 .. 2^(layers - 1).
      maps: channels of the layers.
      outputs: output channels.
      skip: skip channels.
      repeat: number of steps with the same condition; the condition has 1 / repeat of the sequence's length.
      dtype: the dtype in which the layers of the full pass compute; the outputs are float32.
    """

    def __init__(
        self,
        cycles: int,
        layers: int,
        maps: int,
        outputs: int,
        skip: int,
        repeat: int = 1,
        dtype=tf.float32,
        name: str = "wavenet",
    ):
        super().__init__(name)
        self._maps, self._outputs, self._skip, self._repeat, self._dtype = maps, outputs, skip, repeat, dtype
        self._dilations = [2**i for i in range(layers)] * cycles

    @property
    def receptive_field(self) -> int:
        """Number of earlier steps that an output depends on."""
        return 1 + sum(self._dilations)

    def _connect(self, function: Callable, *args):
        return function(*args)

    def __call__(self, x: tf.Tensor, condition: tf.Tensor) -> tf.Tensor:
        """Computes a teacher-forced pass. The output at t depends on x before t and on the condition at t.

        Args:
          x: float32 [B, 1, T, C].
          condition: [B, 1, n, D] with n * repeat >= T.

        Returns:
          float32 [B, 1, T, outputs].
        """
        return self._template(self._full, x, condition)

    def scan(
        self,
        condition: tf.Tensor,
        channels: int,
        kept: Tuple[int, tf.DType],
        choose: Callable,
        compiled: bool = False,
    ) -> tf.Tensor:
        """Generates a sequence incrementally, inside the graph.

        Args:
          condition: [B, 1, n, D].
          channels: C, the channels of a step.
          kept: k and dtype of the values to collect for each step.
          choose: a function (outputs [B, outputs], 0, t) -> (the step at t, float32 [B, C]; the values to collect,
            [B, k]).
          compiled: compile with XLA, in TensorFlow 2 only. Compilation takes seconds once per shape, and the loop is
            faster afterwards. `choose` must then use only ops that XLA supports.

        Returns:
          The collected values, [B, 1, T, k], T = n * repeat.
        """
        with loops(compiled) as compiled:
            return self._template(self._scan, condition, channels, kept, choose, compiled)

    def _weights(self, channels: int, features: int) -> Dict[str, tf.Tensor]:
        """Reads all variables once, before any loop."""
        m, s, layers = self._maps, self._skip, len(self._dilations)
        shapes = {
            "first": [channels, m],
            "condition": [features, 2 * m * layers],
            "head_1": [s, s],
            "head_2": [s, self._outputs],
        }
        gains = {"head_1": 2.0**0.5, "head_2": 0.1}
        for i in range(layers):
            shapes[f"layer_{i}_taps"] = [2 * m, 2 * m]
            shapes[f"layer_{i}_out"] = [m, m + s]
            gains[f"layer_{i}_out"] = 0.5
        values = {}
        for name, (fan_in, maps) in shapes.items():
            start = tf.truncated_normal_initializer(stddev=gains.get(name, 1.0) / fan_in**0.5)
            values[name] = self.variable(name + "_w", [fan_in, maps], start).read_value()
            if not name.endswith("taps"):
                values[name + "_b"] = self.variable(name + "_b", [maps], tf.zeros_initializer()).read_value()
        return values

    def _layer(self, weights, i: int, past: tf.Tensor, here: tf.Tensor, condition) -> Tuple[tf.Tensor, tf.Tensor]:
        """Computes layer i.

        Args:
          past, here: the layer's input at t - dilation and at t, [..., maps].
          condition: a function that adds the condition to [..., 2 maps].

        Returns:
          The next layer's input at t, and the skip output.
        """
        seen = condition(_product(tf.concat([past, here], -1), weights[f"layer_{i}_taps"]))
        out = tf.nn.bias_add(_product(gate(seen), weights[f"layer_{i}_out"]), weights[f"layer_{i}_out_b"])
        on, skip = tf.split(out, [self._maps, self._skip], -1)
        return here + on, skip

    @staticmethod
    def _dense(weights, name: str, x: tf.Tensor) -> tf.Tensor:
        return tf.nn.bias_add(_product(x, weights[name]), weights[name + "_b"])

    def _head(self, weights, skip: tf.Tensor) -> tf.Tensor:
        h = tf.nn.relu(self._dense(weights, "head_1", tf.nn.relu(skip)))
        return tf.cast(self._dense(weights, "head_2", h), tf.float32)

    def _full(self, x, condition):
        weights = self._weights(static_shape(x)[-1], static_shape(condition)[-1])
        weights = {name: tf.cast(w, self._dtype) for name, w in weights.items()}
        x, condition = tf.cast(x[:, 0], self._dtype), tf.cast(condition[:, 0], self._dtype)
        batch, steps, n = tf.shape(x)[0], tf.shape(x)[1], tf.shape(condition)[1]
        total = n * self._repeat
        x = tf.pad(x, [[0, 0], [1, tf.maximum(total - steps, 0)], [0, 0]])[:, :total]  # shifted by one step
        h, skips = self._dense(weights, "first", x), []
        given = tf.split(self._dense(weights, "condition", condition), len(self._dilations), -1)
        for i, (dilation, c) in enumerate(zip(self._dilations, given)):

            def add(seen, c=c):
                apart = tf.reshape(seen, tf.stack([batch, n, self._repeat, 2 * self._maps]))
                return tf.reshape(apart + c[:, :, tf.newaxis], tf.shape(seen))

            past = tf.pad(h, [[0, 0], [dilation, 0], [0, 0]])[:, :total]
            past.set_shape(h.shape)
            h, skip = self._layer(weights, i, past, h, add)
            skips.append(skip)
        found = self._head(weights, tf.add_n(skips))[:, tf.newaxis, :steps]
        found.set_shape([None, 1, None, self._outputs])
        return found

    def _step(self, weights, x, pasts, conditions):
        """Computes one step: x [B, C] before it, each layer's input a dilation ago and condition, both [B, ...].

        Returns:
          The outputs [B, outputs], and each layer's input now, [B, maps].
        """
        h, inputs, skips = self._dense(weights, "first", x), [], []
        for number, (past, c) in enumerate(zip(pasts, conditions)):
            inputs.append(h)
            h, skip = self._layer(weights, number, past, h, lambda seen, c=c: seen + c)
            skips.append(skip)
        return self._head(weights, tf.add_n(skips)), inputs

    def step_functions(self, prefix: str, condition, given: Dict[str, tf.Tensor], channels: int, choose: Callable):
        """Makes the functions that a loop like `scan` calls (see `nn.stepwise`).

        Args:
          prefix: of their names.
          condition: [B, 1, n, D].
          given: the inputs that `condition` was computed from.
          channels: C, the channels of a step.
          choose: a function (outputs [B, outputs]) -> (further inputs by name, the step [B, C], what is drawn).

        Returns:
          `condition` (given -> condition [B, n, layers * 2 maps], one vector per `repeat` steps), and `step` (x [B, C],
          0 at first, pasts [B, layers, maps], each layer's input a dilation ago, condition [B, layers * 2 maps] -> next
          [B, C], inputs [B, layers, maps], parameters [B, outputs], and drawn).
        """
        return self._template(self._step_functions, prefix, condition, given, channels, choose)

    def _step_functions(self, prefix, condition, given, channels, choose):
        weights, layers = self._weights(channels, static_shape(condition)[-1]), len(self._dilations)
        conditions = self._dense(weights, "condition", condition[:, 0])
        inputs = {
            "x": tf.placeholder(tf.float32, (None, channels)),
            "pasts": tf.placeholder(tf.float32, (None, layers, self._maps)),
            "condition": tf.placeholder(tf.float32, (None, 2 * self._maps * layers)),
        }
        each = tf.unstack(inputs["pasts"], axis=1), tf.split(inputs["condition"], layers, -1)
        outputs, now = self._step(weights, inputs["x"], *each)
        further, x, drawn = choose(outputs)
        found = {"next": x, "inputs": tf.stack(now, 1), "parameters": outputs, "drawn": drawn}
        loop = {"loop": "sequence", "dilations": self._dilations, "repeat": self._repeat}
        return [
            Traced(prefix + "_condition", given, {"conditions": conditions}),
            Traced(prefix + "_step", {**inputs, **further}, found, loop),
        ]

    def _scan(self, condition, channels, kept, choose, compiled):
        weights = self._weights(channels, static_shape(condition)[-1])
        given = tf.transpose(condition[:, 0], [1, 0, 2])  # [n, B, D]

        def loop():
            return self._loop(weights, given, channels, kept, choose)

        found = tf.function(loop, jit_compile=True, autograph=False)() if compiled else loop()
        found.set_shape([None, None, kept[0]])
        return tf.transpose(found, [1, 0, 2])[:, tf.newaxis]

    def _loop(self, weights: Dict[str, tf.Tensor], given, channels: int, kept, choose: Callable) -> tf.Tensor:
        """Loops over the conditions and over the steps of each; returns [T, B, k]."""
        dilations = np.array(self._dilations, np.int32)
        offsets = (np.cumsum(dilations) - dilations).astype(np.int32)
        n, batch, (k, kept_type) = tf.shape(given)[0], tf.shape(given)[1], kept

        def stretch(i, x, queue, rows):
            here = self._dense(weights, "condition", given[i])  # [B, layers * 2 maps]
            here = tf.split(here, len(dilations), -1)

            def step(j, x, queue, rows):
                t = i * self._repeat + j
                places = offsets + t % dilations
                pasts = tf.unstack(tf.gather(queue, places))
                outputs, inputs = self._step(weights, x, pasts, here)
                queue = tf.tensor_scatter_nd_update(queue, places[:, tf.newaxis], tf.stack(inputs))
                x, keep = choose(outputs, 0, t)
                return j + 1, tf.ensure_shape(x, [None, channels]), queue, rows.write(t, keep)

            if self._repeat == 1:
                _, x, queue, rows = step(0, x, queue, rows)
            else:
                start = [tf.constant(0), x, queue, rows]
                _, x, queue, rows = tf.while_loop(lambda j, *_: j < self._repeat, step, start, back_prop=False)
            return i + 1, x, queue, rows

        queue = tf.zeros(tf.stack([int(dilations.sum()), batch, self._maps]))
        queue.set_shape([int(dilations.sum()), None, self._maps])
        x = tf.zeros(tf.stack([batch, channels]))
        x.set_shape([None, channels])
        rows = tf.TensorArray(kept_type, n * self._repeat, element_shape=[None, k])
        start = [tf.constant(0), x, queue, rows]
        _, _, _, rows = tf.while_loop(lambda i, *_: i < n, stretch, start, back_prop=False)
        return rows.stack()
