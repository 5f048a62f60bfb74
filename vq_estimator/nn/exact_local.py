"""The exact form of a `LocalPixels`; see `exact`.

Pixels are integers, and the logarithms of their contrasts come from a table. The sums of the first layer are rounded
one by one, because TensorFlow may add three tensors in any order.
"""

import functools
from typing import Any, Callable, Dict, Mapping, Optional, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from vq_estimator.nn import exact
from vq_estimator.nn.level_embeddings import LevelEmbeddings
from vq_estimator.nn.likelihoods.pixels import LEVELS
from vq_estimator.nn.local_weights import CONDITION, CONTRASTS, DIRECT, NEAR, LocalWeights
from vq_estimator.nn.neighbourhood import contrast_of, differences_from_mean

# These four are part of the format of portable files.
PIXEL_LIMIT = LEVELS - 1  # a pixel in -1..1 is an integer in -255..255 divided by 255; pixels outside the image are 0
CONTRAST_EXPONENT = 8  # contrasts are multiples of 2^-8
QUARTERS = 4 * (LEVELS - 1)  # a difference of pixels from the mean of two is a number of quarters of a level
FIRST_EXPONENT = 16  # of the sums of the first layer
OF_PIXELS = (NEAR, DIRECT, CONTRASTS)  # the layers whose inputs follow from pixels, and are not measured


class Measured(LocalWeights):
    """The layers in floating point, with a record of the inputs of those that do not read pixels."""

    def __init__(self, scope: str, values: Dict[str, tf.Tensor], record: Callable[[str, tf.Tensor], Any]):
        super().__init__(scope, values)
        self._record = record

    def dense(self, name: str, x: tf.Tensor) -> tf.Tensor:
        if name not in OF_PIXELS:
            self._record(name, x)
        return super().dense(name, x)


def round_variables(
    scope: str, values: Mapping[str, np.ndarray], exponents: Mapping[str, int]
) -> Tuple[Dict[str, exact.Layer], Optional[np.ndarray]]:
    """Rounds the variables of a network.

    Args:
      scope: the name of the network.
      values: see `LocalWeights`.
      exponents: the exponents of the inputs of the measured layers, by their full names.

    Returns:
      The layers by their full names, and the table of the embeddings; None without embeddings.

    Raises:
      VQError: a weight is not finite or too large.
    """
    layers = {}
    for name in [key[:-2] for key in values if key.endswith("_w") and key != "levels_w"]:
        full, weights, limit = f"{scope}/{name}", values[name + "_w"].astype(np.float64), exact.INPUT_LIMIT
        if name in (NEAR, DIRECT):
            weights, limit, exponent = weights / PIXEL_LIMIT, PIXEL_LIMIT, 0
        else:
            exponent = CONTRAST_EXPONENT if name == CONTRASTS else exponents[full]
        bias = values.get(name + "_b", np.zeros(weights.shape[1]))
        signed = name in (*OF_PIXELS, CONDITION)  # the other inputs follow a ReLU
        layers[full] = exact.make_layer(full, weights[np.newaxis, np.newaxis], bias, exponent, 0, signed, limit)
    levels = values.get("levels_w")
    return layers, None if levels is None else exact.on_grid_of_sums(levels, len(levels) // LEVELS)


class ExactWeights(LocalWeights):
    """The layers of a network with rounded variables, see `round_variables`."""

    def __init__(
        self,
        scope: str,
        values: Dict[str, tf.Tensor],
        layers: Dict[str, exact.Layer],
        levels: Optional[np.ndarray],
    ):
        super().__init__(scope, values)
        self._layers, self._levels = layers, levels

    def dense(self, name: str, x: tf.Tensor) -> tf.Tensor:
        return exact.dense(self._layers[f"{self.scope}/{name}"], x)

    def of_pixels(self, name: str, near: tf.Tensor) -> tf.Tensor:
        return self.dense(name, near * np.float32(PIXEL_LIMIT))

    def of_contrasts(self, near: tf.Tensor, reach: int) -> tf.Tensor:
        number = tf.cast(exact.nearest(differences_from_mean(near, reach), 0.5 * QUARTERS), tf.int32)
        number = tf.clip_by_value(number + QUARTERS, 0, 2 * QUARTERS)
        return self.dense(CONTRASTS, tf.gather(tf.constant(contrast_table()), number))

    def of_levels(self, embeddings: LevelEmbeddings, near: tf.Tensor) -> tf.Tensor:
        return embeddings.sum(tf.constant(self._levels), near)

    def add(self, a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
        scale = np.float32(2.0**FIRST_EXPONENT)
        return exact.nearest(a + b, scale) / scale

    def finish(self, outputs: tf.Tensor, function: Callable[[tf.Tensor], tf.Tensor]) -> tf.Tensor:
        """Returns the outputs themselves: the codec finishes them in float64."""
        return outputs


@functools.lru_cache(maxsize=None)
def contrast_table() -> np.ndarray:
    """Returns the rounded contrasts of all differences, float32 [2 QUARTERS + 1].

    No contrast is so close to the middle of two multiples that the error of a logarithm could change it.
    """
    differences = np.arange(-QUARTERS, QUARTERS + 1) / (0.5 * QUARTERS)
    return exact.round_to_grid(contrast_of(differences, np), CONTRAST_EXPONENT)
