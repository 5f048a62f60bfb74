"""What `LocalPixels` computes with its variables, in floating point. Portable files replace it (`exact_local`)."""

import contextlib
from typing import Callable, Dict, Iterator, List

import tensorflow.compat.v1 as tf

from vq_estimator.nn.level_embeddings import LevelEmbeddings
from vq_estimator.nn.neighbourhood import contrasts

NEAR, DIRECT, CONTRASTS = "near", "direct", "contrasts"  # the layers with a weight for each neighbour and channel
CONDITION, OUTPUTS = "condition", "outputs"  # others


class LocalWeights:
    """The layers of a `LocalPixels` of which each output depends on one pixel and its neighbours.

    Args:
      scope: the name of the network.
      values: the values of its variables: for each layer NAME `NAME_w` [inputs, outputs] and, for most, `NAME_b`;
        `levels_w` is the table of the embeddings.
    """

    def __init__(self, scope: str, values: Dict[str, tf.Tensor]):
        self.scope, self.values = scope, values

    def dense(self, name: str, x: tf.Tensor) -> tf.Tensor:
        """Computes a layer from [n, inputs]."""
        y = tf.matmul(x, self.values[name + "_w"])
        return tf.nn.bias_add(y, self.values[name + "_b"]) if name + "_b" in self.values else y

    def of_pixels(self, name: str, near: tf.Tensor) -> tf.Tensor:
        """Computes a layer from the neighbours of n pixels, float32 [n, N C] in -1..1."""
        return self.dense(name, near)

    def of_contrasts(self, near: tf.Tensor, reach: int) -> tf.Tensor:
        """Computes the layer CONTRASTS from the neighbours."""
        return self.dense(CONTRASTS, contrasts(near, reach))

    def of_levels(self, embeddings: LevelEmbeddings, near: tf.Tensor) -> tf.Tensor:
        """Computes the sum of the embeddings of the neighbours' levels."""
        return embeddings.sum(self.values["levels_w"], near)

    def add(self, a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
        """Adds two parts of the first layer."""
        return a + b

    def finish(self, outputs: tf.Tensor, function: Callable[[tf.Tensor], tf.Tensor]) -> tf.Tensor:
        """Applies the function of the decoder to the network's outputs [n, outputs]."""
        return function(outputs)


Make = Callable[[str, Dict[str, tf.Tensor]], LocalWeights]
_MAKE: List[Make] = [LocalWeights]


def make(scope: str, values: Dict[str, tf.Tensor]) -> LocalWeights:
    """Makes the LocalWeights of a network that is being connected."""
    return _MAKE[-1](scope, values)


@contextlib.contextmanager
def computed_by(replacement: Make) -> Iterator[None]:
    """Computes the local networks that are connected within the context with what `replacement` makes."""
    _MAKE.append(replacement)
    try:
        yield
    finally:
        _MAKE.pop()
