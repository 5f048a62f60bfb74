"""A local autoregressive network over pixels: one masked layer, then layers that read one pixel.

The masked layer reads `reach` rows above a pixel, with `reach` columns to each side, and `reach` columns to the left in
its own row. No later layer reads another pixel, so pixels (i, j) with equal j + (reach + 1) i do not depend on each
other. `scan` generates each such wavefront at once, in W + (reach + 1) (H - 1) steps instead of H W.

#### References
Zhang, Zhang, McDonagh (2021), Out-of-Distribution Generalization with Local Autoregressive Models, arXiv 2109.02639,
section 4 (NeLLoC).
"""

from typing import Callable, Dict, Optional, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from vq_estimator.nn import local_weights
from vq_estimator.nn.level_embeddings import LevelEmbeddings
from vq_estimator.nn.likelihoods.pixels import LEVELS
from vq_estimator.nn.local_weights import CONDITION, CONTRASTS, DIRECT, NEAR, OUTPUTS, LocalWeights
from vq_estimator.nn.module import Module, loops, static_shape
from vq_estimator.nn.neighbourhood import Wavefronts, neighbours
from vq_estimator.nn.places import Places
from vq_estimator.nn.stepwise import Traced

RELU = 2.0**0.5  # gain of a layer after a ReLU


class LocalPixels(Module):
    """A network whose output at each pixel depends on the pixels within reach before it and on a condition.

    Args:
      reach: rows and columns that the masked layer reads.
      layers: residual blocks of two 1x1 layers.
      channels: channels of every layer.
      outputs: output channels.
      embedded: number of nearest neighbours whose levels are also read as embeddings; see `LevelEmbeddings`.
      dtype: the dtype of the residual blocks. Whatever reads pixels is float32, because bfloat16 cannot tell adjacent
        levels apart.
      contrasts: whether it also reads the differences of the neighbours from the mean of the pixels above and to the
        left, on a scale that tells small differences apart.
      finish: a function of float32 [n, outputs] that is applied to the outputs, or None.
    """

    def __init__(
        self,
        reach: int,
        layers: int,
        channels: int,
        outputs: int,
        dtype=tf.float32,
        embedded: int = 0,
        contrasts: bool = False,
        finish: Optional[Callable[[tf.Tensor], tf.Tensor]] = None,
        name: str = "local",
    ):
        super().__init__(name)
        self._contrasts, self._finish = contrasts, finish
        self._reach, self._layers, self._channels, self._outputs, self._dtype = reach, layers, channels, outputs, dtype
        self._levels = LevelEmbeddings(neighbours(reach), embedded) if embedded else None

    def _connect(self, function: Callable, *args):
        return function(*args)

    def __call__(self, x: tf.Tensor, condition: tf.Tensor, places: Optional[Places] = None) -> tf.Tensor:
        """Computes a teacher-forced pass.

        Args:
          x: float32 [B, H, W, C].
          condition: [B, H, W, D].
          places: the pixels whose outputs are computed; None: all.

        Returns:
          float32 [B, h, w, outputs], at these pixels.
        """
        return self._template(self._full, x, condition, places)

    def scan(
        self,
        condition: tf.Tensor,
        channels: int,
        kept: Tuple[int, tf.DType],
        choose: Callable,
        compiled: bool = False,
    ) -> tf.Tensor:
        """Generates images wavefront by wavefront, inside the graph.

        Args:
          condition: [B, H, W, D].
          channels: C, the channels of a pixel.
          kept: k and dtype of the values to collect for each pixel.
          choose: a function (outputs float32 [B, n, outputs], t, place) -> (the n pixels of step t of `Wavefronts`,
            float32 [B, n, C], scaled as in the full pass; the values to collect, [B, n, k]). `place` int32 [n] is the
            number of each pixel in raster order. If compiled, there are pixels outside the image, whose place is 0;
            their results are ignored.
          compiled: compile with XLA, in TensorFlow 2 only; see `WaveNet.scan`.

        Returns:
          The collected values, [B, H, W, k].
        """
        with loops(compiled) as compiled:
            return self._template(self._scan, condition, channels, kept, choose, compiled)

    def at(self, near: tf.Tensor, condition: tf.Tensor) -> tf.Tensor:
        """Computes the outputs of n pixels of an image of any size.

        Args:
          near: float32 [n, N C], the N `neighbours` of each pixel, 0 outside the image.
          condition: [n, D].

        Returns:
          float32 [n, outputs].
        """
        return self._template(self._at, near, condition)

    def step_functions(self, prefix: str, codes: tf.Tensor, condition: tf.Tensor, channels: int, choose: Callable):
        """Makes the functions of `scan` for another runtime; see `nn.stepwise`.

        Args:
          prefix: what their names begin with.
          codes: the input that `condition` was made from.
          condition: [B, H, W, D].
          channels: C, the channels of a pixel.
          choose: a function (outputs float32 [B, n, outputs]) -> (further inputs by name, the pixels float32 [B, n, C],
            what is drawn).

        Returns:
          `condition` (codes -> condition [B, H, W, channels]), and `step` (near [B, n, N], the neighbours of n pixels,
          condition [B, n, channels] -> pixel [B, n, C], parameters [B, n, outputs], and drawn).
        """
        return self._template(self._step_functions, prefix, codes, condition, channels, choose)

    def _step_functions(self, prefix, codes, condition, channels, choose):
        _, height, width, depth = static_shape(condition)
        weights, near = self._weights(channels, depth), neighbours(self._reach)
        start = self._start(weights, tf.reshape(condition, [-1, depth]))
        first = {"condition": tf.reshape(start, [-1, height, width, self._channels])}
        step = {
            "near": tf.placeholder(tf.float32, (None, None, len(near) * channels)),
            "condition": tf.placeholder(tf.float32, (None, None, self._channels)),
        }
        flat = [tf.reshape(t, [-1, static_shape(t)[-1]]) for t in step.values()]
        size = tf.concat([tf.shape(step["near"])[:2], [self._outputs]], 0)
        outputs = tf.reshape(self._outputs_of(weights, *flat), size)
        further, pixel, drawn = choose(outputs)
        facts = {"loop": "wavefront", "neighbours": near, "slope": self._reach + 1}
        return [
            Traced(prefix + "_condition", {"codes": codes}, first),
            Traced(
                prefix + "_step",
                {**step, **further},
                {"pixel": pixel, "parameters": outputs, "drawn": drawn},
                facts,
            ),
        ]

    def _at(self, near, condition):
        inputs, depth = static_shape(near)[-1], static_shape(condition)[-1]
        weights = self._weights(inputs // len(neighbours(self._reach)), depth)
        return self._outputs_of(weights, near, self._start(weights, condition))

    def _weights(self, channels: int, depth: int) -> LocalWeights:
        """Reads all variables once, before any loop."""
        m, near = self._channels, channels * len(neighbours(self._reach))
        shapes = {NEAR: (near, m, 1.0), CONDITION: (depth, m, 1.0), DIRECT: (near, self._outputs, 0.1)}
        if self._contrasts:
            shapes[CONTRASTS] = (near, m, 1.0)
        for i in range(self._layers):
            shapes.update({f"layer_{i}_in": (m, m, RELU), f"layer_{i}_out": (m, m, 0.5)})
        shapes[OUTPUTS] = (m, self._outputs, 0.1)
        values: Dict[str, tf.Tensor] = {}
        if self._levels is not None:
            columns = channels * self._levels.columns
            start = tf.truncated_normal_initializer(stddev=0.1 / columns**0.5)
            values["levels_w"] = self.variable("levels_w", [LEVELS * columns, m], start).read_value()
        for name, (inputs, maps, gain) in shapes.items():
            start = tf.truncated_normal_initializer(stddev=gain / inputs**0.5)
            values[name + "_w"] = self.variable(name + "_w", [inputs, maps], start).read_value()
            if name not in (CONDITION, DIRECT, CONTRASTS):  # their sums have a bias already
                values[name + "_b"] = self.variable(name + "_b", [maps], tf.zeros_initializer()).read_value()
            if name.startswith("layer") or name in (CONDITION, OUTPUTS):
                values.update({k: tf.cast(v, self._dtype) for k, v in values.items() if k.startswith(name)})
        return local_weights.make(self.name, values)

    def _start(self, weights: LocalWeights, condition: tf.Tensor) -> tf.Tensor:
        """Computes what the condition adds to the first layer, float32 [n, channels], from [n, D]."""
        return tf.cast(weights.dense(CONDITION, tf.cast(condition, self._dtype)), tf.float32)

    def _outputs_of(self, weights: LocalWeights, near: tf.Tensor, start: tf.Tensor) -> tf.Tensor:
        """Computes outputs float32 [n, outputs] of n pixels from their neighbours [n, N] and `_start` [n, channels]."""
        first = weights.add(weights.of_pixels(NEAR, near), start)
        if self._contrasts:
            first = weights.add(first, weights.of_contrasts(near, self._reach))
        if self._levels is not None:
            first = weights.add(first, weights.of_levels(self._levels, near))
        h = tf.cast(first, self._dtype)
        for i in range(self._layers):
            inside = weights.dense(f"layer_{i}_in", tf.nn.relu(h))
            h += weights.dense(f"layer_{i}_out", tf.nn.relu(inside))
        # The direct path predicts a pixel from its neighbours linearly, so the layers need to learn only the rest.
        outputs = weights.of_pixels(DIRECT, near) + tf.cast(weights.dense(OUTPUTS, tf.nn.relu(h)), tf.float32)
        return outputs if self._finish is None else weights.finish(outputs, self._finish)

    def _full(self, x, condition, places):
        batch, (_, height, width, channels), depth = tf.shape(x)[0], static_shape(x), static_shape(condition)[-1]
        weights, reach = self._weights(channels, depth), self._reach
        padded = tf.pad(x, [[0, 0], [reach, 0], [reach, reach], [0, 0]])

        def shifted(up, right):
            if places is not None:
                return places.of(padded, reach - up, reach + right)
            return padded[:, reach - up : reach - up + height, reach + right : reach + right + width]

        near = [shifted(*offset) for offset in neighbours(reach)]
        size = static_shape(near[0])[1:3]
        near = tf.reshape(tf.concat(near, -1), [-1, channels * len(near)])
        chosen = condition if places is None else places.of(condition)
        start = self._start(weights, tf.reshape(chosen, [-1, depth]))
        found = tf.reshape(self._outputs_of(weights, near, start), tf.stack([batch, *size, self._outputs]))
        found.set_shape([None, *size, self._outputs])
        return found

    def _scan(self, condition, channels, kept, choose, compiled):
        _, height, width, depth = static_shape(condition)
        batch, k = tf.shape(condition)[0], kept[0]
        weights = self._weights(channels, depth)
        start = self._start(weights, tf.reshape(condition, [-1, depth]))
        start = tf.reshape(start, tf.stack([batch, height * width, self._channels]))
        start.set_shape([None, height * width, self._channels])
        fronts = Wavefronts(height, width, self._reach)

        def loop():
            return self._loop(weights, start, fronts, (height, width), channels, kept, choose, compiled)

        found = tf.function(loop, jit_compile=True, autograph=False)() if compiled else loop()
        found.set_shape([fronts.steps, None, fronts.size, k])
        found = tf.reshape(tf.transpose(found, [0, 2, 1, 3]), tf.stack([fronts.steps * fronts.size, batch, k]))
        found = tf.transpose(tf.gather(found, tf.constant(fronts.raster())), [1, 0, 2])
        found = tf.reshape(found, tf.stack([batch, height, width, k]))
        found.set_shape([None, height, width, k])
        return found

    def _loop(self, weights, start, fronts: Wavefronts, size, channels, kept, choose: Callable, compiled) -> tf.Tensor:
        """Loops over the wavefronts; `start` is [B, H W, channels]; returns the collected values [steps, B, n, k].

        Pixels outside the image are the last ones of a step. They are computed only by XLA, which needs fixed shapes.
        """
        (height, width), reach, n, (k, kept_type) = size, self._reach, fronts.size, kept
        # A pixel (i, j) belongs to step j + slope i, so its neighbours are a fixed number of steps and rows away.
        # `recent` holds the pixels of the last steps, by step and row, with `reach` rows above the image and n below.
        steps, rows = (fronts.slope + 1) * reach, reach + height + n
        near = [(steps - fronts.slope * a + b) * rows + reach - a for a, b in neighbours(reach)]
        near = tf.constant(np.int32(near) + np.arange(n, dtype=np.int32)[:, np.newaxis])  # those of rows 0 .. n - 1
        first = tf.constant(fronts.rows[:, 0])
        place = tf.constant(np.where(fronts.inside, fronts.rows * width + fronts.columns, 0))
        # The number of each row's pixel in a step, n where the step has none.
        at = np.full([fronts.steps, rows], n, np.int32)
        t, number = np.nonzero(fronts.inside)
        at[t, reach + fronts.rows[t, number]] = number
        at, counts = tf.constant(at), tf.constant(fronts.inside.sum(1).astype(np.int32))

        def step(t, recent, collected):
            count = n if compiled else counts[t]
            places = place[t, :count]
            x = tf.reshape(tf.gather(recent, near[:count] + first[t], axis=1), [-1, channels * static_shape(near)[1]])
            here = tf.reshape(tf.gather(start, places, axis=1), [-1, self._channels])
            outputs = self._outputs_of(weights, x, here)
            outputs = tf.reshape(outputs, tf.stack([tf.shape(recent)[0], count, self._outputs]))
            outputs.set_shape([None, n if compiled else None, self._outputs])
            pixels, keep = choose(outputs, t, places)
            pixels = tf.pad(pixels, [[0, 0], [0, n + 1 - count], [0, 0]])
            pixels = tf.ensure_shape(pixels, [None, n + 1, channels])
            keep = tf.ensure_shape(tf.pad(keep, [[0, 0], [0, n - count], [0, 0]]), [None, n, k])
            recent = tf.concat([recent[:, rows:], tf.gather(pixels, at[t], axis=1)], 1)
            return t + 1, tf.ensure_shape(recent, [None, steps * rows, channels]), collected.write(t, keep)

        recent = tf.zeros(tf.stack([tf.shape(start)[0], steps * rows, channels]))
        recent.set_shape([None, steps * rows, channels])
        collected = tf.TensorArray(kept_type, fronts.steps, element_shape=[None, n, k])
        _, _, collected = tf.while_loop(
            lambda t, *_: t < fronts.steps, step, [tf.constant(0), recent, collected], back_prop=False
        )
        return collected.stack()
