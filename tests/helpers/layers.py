"""Layers by the kind of their codebook, and what goes into them."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from vq_estimator import layers

K, D = 6, 4
UPDATE_OPS = tf.GraphKeys.UPDATE_OPS
PLAIN = dict(kmeans_init_steps=0, dead_entry_threshold=0.0)
RESTARTS = dict(kmeans_init_steps=0, dead_entry_threshold=0.5)  # k-means takes long to build
MAKERS = {
    "gradient": lambda **given: layers.VectorQuantizer(K, D, **given),
    "ema": lambda **given: layers.VectorQuantizerEMA(K, D, **{**RESTARTS, **given}),
    "residual": lambda **given: layers.ResidualVectorQuantizer(K, D, 3, **{**RESTARTS, **given}),
    "residual by gradient": lambda **given: layers.ResidualVectorQuantizer(K, D, 3, 0.1, None, **{**PLAIN, **given}),
    "fsq": lambda: layers.FiniteScalarQuantizer([3, 4, 5, 6]),
}
every_layer = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())


def vectors(*shape, seed=0):
    return np.random.RandomState(seed).randn(*shape).astype(np.float32)


def variable(layer, name):
    (found,) = [v for v in layer.variables if v.op.name.endswith("/" + name)]
    return found


def set_entries(session, layer, entries):
    """Starts the layer from entries [K, D], as if it had been made with them."""
    session.run(tf.global_variables_initializer())
    for v in layer.variables:
        if v.op.name.endswith(("/codebook", "/ema_sum")):
            session.run(v.assign(np.reshape(entries, v.shape.as_list())))


def clusters():
    """128 points around 16 centres in 10 dimensions."""
    centres = np.random.RandomState(0).randn(16, 10)
    return np.float32(np.repeat(centres, 8, 0) + 0.1 * np.random.RandomState(1).randn(128, 10))


def gradients(out, wrt, weight):
    """d (weight . quantized) and d loss by z and by the codebook; None where there is no gradient."""
    quantized, loss = tf.gradients(tf.reduce_sum(weight * out.quantized), wrt), tf.gradients(out.loss, wrt)
    return [None if g is None else tf.convert_to_tensor(g) for g in quantized + loss]
