import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from vq_estimator.models.objectives import LossTerms
from vq_estimator.nn.quantizers import usage
from vq_estimator.training import metrics


def test_metrics_are_means_over_examples_of_a_ragged_stream():
    values = np.random.RandomState(0).rand(25).astype(np.float32)
    codes = np.random.RandomState(1).randint(0, 3, (25, 2, 2, 1)).astype(np.int32)
    x, z = tf.placeholder(tf.float32, [None]), tf.placeholder(tf.int32, [None, 2, 2, 1])
    ops = metrics.vqvae(LossTerms(x, x, x, x, x), {"mse": x}, z, K=5)
    with tf.Session() as session:
        session.run(tf.local_variables_initializer())
        for part in (slice(0, 10), slice(10, 20), slice(20, 25)):  # a mean of batch means would be wrong
            session.run([update for _, update in ops.values()], {x: values[part], z: codes[part]})
        got = session.run({name: value for name, (value, _) in ops.items()})
    assert got["mse"] == pytest.approx(values.mean(), rel=1e-6)
    p = np.bincount(codes.ravel(), minlength=5) / codes.size
    assert got["codebook/used"] == 3
    assert got["codebook/perplexity"] == pytest.approx(np.exp(-(p[:3] * np.log(p[:3])).sum()), rel=1e-5)


def test_perplexity_is_the_mean_over_codebooks_and_used_the_total():
    counts = tf.constant([[1.0, 1.0, 1.0, 1.0], [5.0, 0.0, 0.0, 0.0]])
    with tf.Session() as session:
        used, perplexity = session.run([usage.entries_used(counts), usage.perplexity(counts)])
    assert used == 5 and perplexity == pytest.approx(2.5)


def test_counts_of_several_codebooks_do_not_mix():
    codes = tf.constant([[[[0, 2], [1, 2]]]])
    with tf.Session() as session:
        np.testing.assert_array_equal(session.run(usage.code_counts(codes, 3)), [[1, 1, 0], [0, 0, 2]])
