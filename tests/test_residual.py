"""Residual vector quantization compared with NumPy, and its gradients term by term."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers.quantizers import B, H, W, latents, residual_oracle, with_codebook
from vq_estimator.config import EMACodebook, GradientCodebook, ResidualQuantizerConfig
from vq_estimator.nn.quantizers import ResidualQuantizer

L, K, D = 3, 6, 4


@pytest.fixture
def book():
    return np.random.RandomState(1).randn(L, K, D).astype(np.float32)


@pytest.mark.parametrize("codebook", [GradientCodebook(), EMACodebook()])
def test_equals_the_numpy_oracle(codebook, book):
    quantizer = ResidualQuantizer(ResidualQuantizerConfig(K, D, L, codebook))
    z_e = latents(1, D)
    out = quantizer(tf.constant(z_e), training=False)
    looked_up = quantizer.lookup(out.codes)
    with tf.Session() as session:
        with_codebook(session, quantizer, book)
        codes, z_q, commitment, moving, again = session.run(
            [out.codes, out.z_q, out.commitment_loss, out.codebook_loss, looked_up]
        )
    want_codes, residuals, want = residual_oracle(z_e, book)
    assert codes.dtype == np.int32 and codes.shape == (B, H, W, L) and z_q.shape == (B, H, W, 1, D)
    np.testing.assert_array_equal(codes, want_codes)
    np.testing.assert_array_equal(again, z_q)  # to the bit
    np.testing.assert_allclose(z_q[..., 0, :], want, rtol=1e-5, atol=1e-6)
    after = residuals[1:] + [z_e[..., 0, :] - want]  # |r_l - e_l|^2 is what stage l leaves
    want_term = np.mean([np.square(r).sum(-1).mean((1, 2)) for r in after], 0)
    np.testing.assert_allclose(commitment, want_term, rtol=1e-5)
    np.testing.assert_allclose(moving, want_term, rtol=1e-5)


def test_one_stage_is_plain_vector_quantisation(book):
    quantizer = ResidualQuantizer(ResidualQuantizerConfig(K, D, 1))
    z_e = latents(1, D)
    out = quantizer(tf.constant(z_e), training=False)
    with tf.Session() as session:
        with_codebook(session, quantizer, book[:1])
        codes, z_q = session.run([out.codes, out.z_q])
    np.testing.assert_array_equal(z_q, book[0][codes])


def test_each_term_reaches_what_it_should_and_by_how_much(book):
    quantizer = ResidualQuantizer(ResidualQuantizerConfig(K, D, L))
    value = latents(1, D)
    z_e = tf.constant(value)
    out = quantizer(z_e, training=True, step=tf.constant(0, tf.int64))
    codebook = quantizer.codebook
    assert tf.gradients(out.commitment_loss, codebook) == [None] and tf.gradients(out.codebook_loss, z_e) == [None]
    assert tf.gradients(out.z_q, codebook) == [None]
    weight = tf.constant(np.random.RandomState(3).randn(B, H, W, 1, D).astype(np.float32))
    wanted = [
        tf.gradients(out.commitment_loss, z_e)[0],
        tf.convert_to_tensor(tf.gradients(out.codebook_loss, codebook)[0]),
        tf.gradients(tf.reduce_sum(out.z_q * weight), z_e)[0],
    ]
    with tf.Session() as session:
        with_codebook(session, quantizer, book)
        (to_encoder, to_codebook, copied), weight = session.run([wanted, weight])
    codes, residuals, z_q = residual_oracle(value, book)
    after = residuals[1:] + [value[..., 0, :] - z_q]
    np.testing.assert_allclose(to_encoder[..., 0, :], 2.0 * np.sum(after, 0) / (L * H * W), rtol=1e-4, atol=1e-6)
    want = np.zeros([L, K, D])
    for i in range(L):
        np.add.at(want[i], codes[..., i], -2.0 * after[i] / (L * H * W))
    np.testing.assert_allclose(to_codebook, want, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(copied, weight)


def test_an_ema_codebook_gets_no_gradient():
    quantizer = ResidualQuantizer(ResidualQuantizerConfig(K, D, L, EMACodebook()))
    z_e = tf.constant(latents(1, D))
    out = quantizer(z_e, training=True, step=tf.constant(0, tf.int64))
    assert not tf.trainable_variables()
    assert tf.gradients(out.codebook_loss + out.commitment_loss, quantizer.codebook) == [None]
    assert tf.gradients(out.codebook_loss, z_e) == [None]
