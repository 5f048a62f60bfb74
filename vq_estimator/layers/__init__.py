"""Quantizer layers for any TensorFlow 1 graph, in the manner of Sonnet v1's `snt.nets.VectorQuantizer`.

A layer maps vectors to the nearest entries of a codebook. It needs no Estimator and no configuration of this package:

    >>> import tensorflow.compat.v1 as tf
    >>> from vq_estimator import layers
    >>> with tf.Graph().as_default():
    ...     x = tf.random.normal([32, 10])
    ...     quantizer = layers.VectorQuantizerEMA(num_embeddings=64, embedding_dim=4)
    ...     out = quantizer(tf.layers.Dense(4)(x), is_training=True)
    ...     loss = tf.losses.mean_squared_error(x, tf.layers.Dense(10)(out.quantized)) + out.loss
    ...     with tf.control_dependencies(tf.get_collection(tf.GraphKeys.UPDATE_OPS)):
    ...         train_op = tf.train.AdamOptimizer(1e-3).minimize(loss)
    >>> out.codes.shape.as_list()
    [32]

docs/layers.md explains the losses, the updates and what happens when a layer is called several times.
"""

from vq_estimator.layers.base import QuantizerLayer, QuantizerOutput
from vq_estimator.layers.quantizers import (
    FiniteScalarQuantizer,
    ResidualVectorQuantizer,
    VectorQuantizer,
    VectorQuantizerEMA,
)

__all__ = [
    "FiniteScalarQuantizer",
    "QuantizerLayer",
    "QuantizerOutput",
    "ResidualVectorQuantizer",
    "VectorQuantizer",
    "VectorQuantizerEMA",
]
