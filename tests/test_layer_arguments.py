"""Wrong arguments and calls of a layer are one line."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from vq_estimator import layers
from vq_estimator.errors import VQError

BAD_ARGUMENTS = [
    (lambda: layers.VectorQuantizer(0, 4), "num_embeddings: got 0, expected an integer of 1 or more"),
    (lambda: layers.VectorQuantizer("8", 4), "num_embeddings: got '8', expected an integer of 1 or more"),
    (lambda: layers.VectorQuantizer(8, 4.0), "embedding_dim: got 4.0, expected an integer of 1 or more"),
    (lambda: layers.VectorQuantizer(8, 4, commitment_cost=-1), "commitment_cost: got -1, expected a number of 0 or"),
    (lambda: layers.VectorQuantizer(8, 4, gradient="none"), "gradient: got 'none', expected one of straight_through, "),
    (lambda: layers.VectorQuantizer(8, 4, seed=-1), "seed: got -1, expected an integer from 0"),
    (lambda: layers.VectorQuantizer(8, 4, name="my vq"), "name: got 'my vq', expected letters, digits"),
    (lambda: layers.VectorQuantizer(8, 4, name=None), "name: got None, expected letters, digits"),
    (lambda: layers.VectorQuantizer(8, 4, kmeans_init_steps=True), "kmeans_init_steps: got True, expected 0 or more"),
    (lambda: layers.VectorQuantizerEMA(8, 4, decay=1.0), "decay: got 1.0, expected a number from 0 to below 1"),
    (lambda: layers.VectorQuantizerEMA(8, 4, decay=None), "decay: got None, expected a number from 0 to below 1"),
    (lambda: layers.VectorQuantizerEMA(8, 4, dead_entry_threshold=2), "dead_entry_threshold: got 2, expected a number"),
    (lambda: layers.ResidualVectorQuantizer(8, 4, 0), "num_quantizers: got 0, expected an integer of 1 or more"),
    (lambda: layers.FiniteScalarQuantizer([]), r"levels: got \(\), expected integers of 2 or more"),
    (lambda: layers.FiniteScalarQuantizer([8, 1]), r"levels: got \(8, 1\), expected integers of 2 or more"),
    (lambda: layers.FiniteScalarQuantizer(8), "levels: got 8, expected integers of 2 or more"),
]
FLOATS = "float32, bfloat16 or float16"
BAD_CALLS = [
    (lambda vq: vq(tf.zeros([3, 5]), True), rf"inputs: got float32 \[3, 5\], expected {FLOATS} \[..., 4\] of rank 2"),
    (lambda vq: vq(tf.placeholder(tf.float32, [3, None]), True), rf"inputs: got float32 \[3, \?\], expected {FLOATS}"),
    (lambda vq: vq(tf.placeholder(tf.float32), True), f"inputs: got float32 of unknown rank, expected {FLOATS}"),
    (lambda vq: vq(tf.zeros([4]), True), rf"inputs: got float32 \[4\], expected {FLOATS}"),
    (lambda vq: vq(np.zeros([3, 4]), True), rf"inputs: got float64 \[3, 4\], expected {FLOATS}"),
    (lambda vq: vq(tf.zeros([3, 4], tf.int32), True), rf"inputs: got int32 \[3, 4\], expected {FLOATS}"),
    (lambda vq: vq(None, True), rf"inputs: got no array \(NoneType\), expected {FLOATS}"),
    (lambda vq: vq(tf.zeros([3, 4]), 1), "is_training: got 1, expected True, False or a scalar bool tensor"),
    (lambda vq: vq(tf.zeros([3, 4]), tf.constant(1)), r"is_training: got int32 \[\], expected True, False or a scalar"),
    (lambda vq: vq(tf.zeros([3, 4]), tf.constant([True])), r"is_training: got bool \[1\], expected True, False or a"),
    (lambda vq: vq.lookup(tf.zeros([3])), r"codes: got float32 \[3\], expected int32 or int64 of known rank"),
    (lambda vq: vq.lookup(tf.placeholder(tf.int32)), "codes: got int32 of unknown rank, expected int32 or int64"),
]


@pytest.mark.parametrize("use, want", BAD_ARGUMENTS)
def test_a_bad_argument_is_one_line(use, want):
    with pytest.raises(VQError, match="^" + want) as error:
        use()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("use, want", BAD_CALLS)
def test_a_bad_call_is_one_line_and_the_layer_works_after_it(use, want):
    layer = layers.VectorQuantizer(8, 4)
    with pytest.raises(VQError, match="^" + want) as error:
        use(layer)
    assert "\n" not in str(error.value) and tf.global_variables() == []
    layer(tf.zeros([3, 4]), False)


def test_a_layer_belongs_to_one_graph():
    layer = layers.VectorQuantizer(8, 4)
    layer(tf.zeros([3, 4]), False)
    with tf.Graph().as_default(), pytest.raises(VQError, match="^vector_quantizer: got another graph than before"):
        layer(tf.zeros([3, 4]), False)


def test_eager_execution_is_refused(monkeypatch):
    monkeypatch.setattr(tf, "executing_eagerly", lambda: True)
    with pytest.raises(VQError, match="^vq: got eager execution, expected a graph: tf.Graph"):
        layers.VectorQuantizer(8, 4, name="vq")(np.zeros([3, 4], np.float32), False)
