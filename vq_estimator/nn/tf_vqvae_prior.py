"""The class-conditional prior of tf-vqvae's checkpoints."""

import re
from typing import Dict, List

import numpy as np
import tensorflow.compat.v1 as tf

from vq_estimator.config import CodesConfig, PriorNetworkConfig
from vq_estimator.nn.code_prior import CodePrior
from vq_estimator.nn.module import Module, classic_loops
from vq_estimator.nn.stepwise import Traced


class TFVQVAEPrior(CodePrior):
    """The class-conditional PixelCNN of tf-vqvae's checkpoints; the variables have tf-vqvae's names.

    A layer has two kernels for the two halves of a gate, both masked to the earlier positions in raster order (the
    first layer also masks the position itself), and a vector for the class in each half. The horizontal stack gets a
    1 x 1 convolution of the vertical one. A code enters as the VQ-VAE's entry. The grids are small, so each code that
    is drawn takes a full pass.
    """

    FIRST, REST = 7, 3  # kernel sizes of the first layer and of the others

    def __init__(self, config: PriorNetworkConfig, codes: CodesConfig, name: str = "prior"):
        Module.__init__(self, name)
        self._config, self._codes = config, codes

    def shapes(self) -> Dict[str, list]:
        """Returns the shape of each variable by its name."""
        c, n, D, classes = self._config, self._config.channels, self._config.embedding, self._codes.classes
        shapes = {"embedding": [self._codes.K, D]}
        for i in range(c.layers):
            side, inputs = (self.REST, n) if i else (self.FIRST, D)
            for stack, height in (("v", side), ("h", 1)):
                for half in "vh":
                    shapes[f"{stack}_stack{i}/{half}_W"] = [height, side, inputs, n]
                    shapes[f"{stack}_stack{i}/{half}_V"] = [classes, n]
                shapes[f"{stack}_stack_1{i}/W"], shapes[f"{stack}_stack_1{i}/b"] = [1, 1, n, n], [n]
        for name, outputs in (("fc_1", n), ("fc_2", self._codes.K)):
            shapes[name + "/W"], shapes[name + "/b"] = [1, 1, n, outputs], [outputs]
        return shapes

    def _weights(self):
        """Reads the variables by name and applies the masks."""
        values = {}
        for name, shape in self.shapes().items():
            value = self.variable(name, shape, tf.truncated_normal_initializer(stddev=0.05)).read_value()
            if name.endswith("_W") or (name.endswith("/W") and "_stack_10/" in name):
                height, width = shape[:2]
                # Masked: rows below the centre, the columns right of it in its row, in first layers also the centre.
                mask = np.ones([height * width, 1, 1], np.float32)
                first = re.search(r"_stack(_1)?0/", name)
                mask[height * width // 2 + (0 if first else 1) :] = 0.0
                value *= mask.reshape(height, width, 1, 1)
            values[name] = value
        return values

    def _features(self, weights, codes, labels):
        """Logits [B, h, w, K]."""
        if labels is None:
            raise ValueError("labels: got none, expected one for each example of a class-conditional prior")

        def convolved(x, kernel):
            return tf.nn.conv2d(x, kernel, strides=1, padding="SAME")

        def gated(x, name, given=0.0):
            halves = []
            for half in "vh":
                of_class = tf.gather(weights[f"{name}/{half}_V"], labels)[:, tf.newaxis, tf.newaxis]
                halves.append(convolved(x, weights[f"{name}/{half}_W"]) + of_class + given)
            return tf.tanh(halves[0]) * tf.sigmoid(halves[1])

        def plain(x, name):
            return convolved(x, weights[name + "/W"]) + weights[name + "/b"]

        vertical = horizontal = tf.gather(weights["embedding"], codes[..., 0])
        for i in range(self._config.layers):
            vertical = gated(vertical, f"v_stack{i}")
            passed_on = tf.nn.relu(plain(vertical, f"v_stack_1{i}"))
            h = tf.nn.relu(plain(gated(horizontal, f"h_stack{i}", passed_on), f"h_stack_1{i}"))
            horizontal = horizontal + h if i else h
        return plain(tf.nn.relu(plain(horizontal, "fc_1")), "fc_2")

    def step_functions(self) -> List[Traced]:
        """Offers no steps: a code that is drawn takes a full pass."""
        return []

    def _all_logits(self, codes, labels, training_seed=None):
        del training_seed
        return self._features(self._weights(), codes, labels)[..., tf.newaxis, :]

    def _tail_log_prob(self, codes, labels, first):
        return self._log_prob(codes, labels, None)[:, first:]

    def _choose_position(self, codes, labels, row, column, choose):
        logits = self._features(self._weights(), codes, labels)[:, row, column]
        return choose(logits, row, column, 0)[:, tf.newaxis], logits[:, tf.newaxis]

    def _scan(self, batch, labels, choose, probabilities, columns=None):
        del columns
        height, width, _ = self._codes.grid
        weights = self._weights()

        def step(n, codes, terms):
            i, j = n // width, n % width
            logits = self._features(weights, codes, labels)[:, i, j]
            code = choose(logits, i, j, 0)
            here = tf.reshape(tf.one_hot(n, height * width, dtype=tf.int32), [1, height, width, 1])
            if probabilities:
                term = -tf.nn.sparse_softmax_cross_entropy_with_logits(labels=code, logits=logits)
                terms += tf.cast(here, tf.float32) * term[:, tf.newaxis, tf.newaxis, tf.newaxis]
            codes += here * code[:, tf.newaxis, tf.newaxis, tf.newaxis]
            codes.set_shape([None, height, width, 1])
            terms.set_shape([None, height, width, 1])
            return n + 1, codes, terms

        shape = tf.stack([batch, height, width, 1])
        start = [tf.constant(0), tf.zeros(shape, tf.int32), tf.zeros(shape)]
        for t in start[1:]:
            t.set_shape([None, height, width, 1])
        with classic_loops():
            _, codes, terms = tf.while_loop(lambda n, *_: n < height * width, step, start, back_prop=False)
        return terms if probabilities else codes
