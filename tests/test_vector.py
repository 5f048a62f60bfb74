"""Product vector quantization compared with NumPy, and its gradients."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers.quantizers import latents, oracle, with_codebook
from vq_estimator.config import EMACodebook, GradientCodebook, VectorQuantizerConfig
from vq_estimator.nn.quantizers import VectorQuantizer


@pytest.mark.parametrize("L", [1, 3])
@pytest.mark.parametrize("codebook", [GradientCodebook(), EMACodebook()])
def test_equals_the_numpy_oracle(L, codebook):
    K, D = 7, 5
    quantizer = VectorQuantizer(VectorQuantizerConfig(K, D, L, codebook))
    z_e, book = latents(L, D), np.random.RandomState(1).randn(L, K, D).astype(np.float32)
    out = quantizer(tf.constant(z_e), training=False)
    looked_up = quantizer.lookup(out.codes)
    with tf.Session() as session:
        with_codebook(session, quantizer, book)
        codes, z_q, commitment, moving, again = session.run(
            [out.codes, out.z_q, out.commitment_loss, out.codebook_loss, looked_up]
        )
    want_codes, want_entries, want_error = oracle(z_e, book)
    assert codes.dtype == np.int32
    np.testing.assert_array_equal(codes, want_codes)
    np.testing.assert_array_equal(z_q, want_entries)  # the entry itself, to the bit
    np.testing.assert_array_equal(again, z_q)
    np.testing.assert_allclose(commitment, want_error, rtol=1e-5)
    np.testing.assert_allclose(moving, want_error, rtol=1e-5)


def test_training_output_is_straight_through():
    quantizer = VectorQuantizer(VectorQuantizerConfig(4, 3))
    z_e = tf.constant(latents(1, 3))
    out = quantizer(z_e, training=True, step=tf.constant(0, tf.int64))
    weight = tf.constant(np.random.RandomState(3).randn(*z_e.shape.as_list()).astype(np.float32))
    (gradient,) = tf.gradients(tf.reduce_sum(out.z_q * weight), z_e)
    nothing = tf.gradients(tf.reduce_sum(out.z_q * weight), quantizer.codebook)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        got, want = session.run([gradient, weight])
        z_q, entries = session.run([out.z_q, quantizer.lookup(out.codes)])
    np.testing.assert_array_equal(got, want)
    np.testing.assert_allclose(z_q, entries, atol=1e-6)
    assert nothing == [None]


def test_zero_distance_has_a_finite_gradient():
    quantizer = VectorQuantizer(VectorQuantizerConfig(1, 3))
    z_e = tf.zeros([1, 1, 1, 1, 3])
    out = quantizer(z_e, training=True, step=tf.constant(0, tf.int64))
    gradients = tf.gradients(out.commitment_loss + out.codebook_loss, [z_e, quantizer.codebook])
    with tf.Session() as session:
        with_codebook(session, quantizer, np.zeros([1, 1, 3], np.float32))
        for g in session.run([tf.convert_to_tensor(g) for g in gradients]):
            np.testing.assert_array_equal(g, np.zeros_like(g))
