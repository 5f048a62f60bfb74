"""Finite scalar quantization compared with NumPy; every code is decoded and encoded again."""

import itertools

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from vq_estimator.config import FiniteScalarConfig
from vq_estimator.nn.quantizers import FiniteScalarQuantizer

LEVELS = [(8, 5, 5, 5), (3,), (5, 7), (4, 6), (2, 3, 4), (2, 2)]


def bound(z, levels):
    """Appendix A.1 of the paper in float64, number by number, with arctanh for its tan."""
    out = np.empty(z.shape)
    for i, n in enumerate(levels):
        half = (n - 1) * (1 - 1e-3) / 2
        offset = 0.0 if n % 2 else 0.5
        shift = np.arctanh(offset / half) if n > 2 else 0.0
        out[..., i] = np.tanh(z[..., i] + shift) * half - offset
    return out


def oracle(z, levels):
    """Codes and values of z [..., D]."""
    rounded = np.round(bound(z, levels)).astype(int)
    codes, base = np.zeros(z.shape[:-1], int), 1
    for i, n in enumerate(levels):
        codes += base * (rounded[..., i] + n // 2)
        base *= n
    return codes, rounded / (np.array(levels) // 2)


def latents(levels, L=1):
    return 2.0 * np.random.RandomState(0).randn(6, 5, 4, L, len(levels)).astype(np.float32)


@pytest.mark.parametrize("L", [1, 2])
@pytest.mark.parametrize("levels", LEVELS)
def test_equals_the_numpy_oracle(levels, L):
    quantizer = FiniteScalarQuantizer(FiniteScalarConfig(levels, L))
    z_e = latents(levels, L)
    out = quantizer(tf.constant(z_e), training=False)
    with tf.Session() as session:
        codes, z_q, again, commitment, moving = session.run(
            [out.codes, out.z_q, quantizer.lookup(out.codes), out.commitment_loss, out.codebook_loss]
        )
    want_codes, want = oracle(z_e, levels)
    assert codes.dtype == np.int32 and not tf.global_variables()
    np.testing.assert_array_equal(codes, want_codes)
    np.testing.assert_array_equal(z_q, want.astype(np.float32))
    np.testing.assert_array_equal(again, z_q)
    np.testing.assert_array_equal([commitment, moving], np.zeros([2, 6]))
    assert np.abs(z_q).max() == 1.0


@pytest.mark.parametrize("levels", LEVELS)
def test_every_code_there_and_back(levels):
    """Each code is a combination of levels of its own, is reached by some z_e, and comes back from its values."""
    K = int(np.prod(levels))
    quantizer = FiniteScalarQuantizer(FiniteScalarConfig(levels))
    with tf.Session() as session:
        values = session.run(quantizer.lookup(tf.reshape(tf.range(K), [K, 1, 1, 1])))
        grids = [(np.arange(n) - n // 2) / (n // 2) for n in levels]
        combinations = {tuple(c) for c in np.array(list(itertools.product(*grids)), np.float32)}
        assert {tuple(v) for v in values.reshape(K, -1)} == combinations and len(combinations) == K
        # The z_e that is bounded to just these values, less a little at the ends, which tanh never reaches.
        z_e = np.zeros_like(values)
        for i, n in enumerate(levels):
            half = (n - 1) * (1 - 1e-3) / 2
            offset = 0.0 if n % 2 else 0.5
            shift = np.arctanh(offset / half) if n > 2 else 0.0
            reach = np.clip((values[..., i] * (n // 2) + offset) / half, -0.999, 0.999)
            z_e[..., i] = np.arctanh(reach) - shift
        codes = session.run(quantizer(tf.constant(z_e), training=False).codes)
    np.testing.assert_array_equal(codes.ravel(), np.arange(K))


@pytest.mark.parametrize("levels", LEVELS)
def test_any_z_e_has_a_valid_code(levels):
    quantizer = FiniteScalarQuantizer(FiniteScalarConfig(levels))
    extremes = np.array([-1e30, -np.inf, -20.0, 0.0, 20.0, 1e30, np.inf, np.nan], np.float32)
    z_e = np.tile(extremes[:, None, None, None, None], [1, 1, 1, 1, len(levels)])
    out = quantizer(tf.constant(z_e), training=False)
    with tf.Session() as session:
        codes, z_q = session.run([out.codes, out.z_q])
    assert codes.min() == 0 and codes.max() == np.prod(levels) - 1
    assert np.isfinite(z_q).all()
    middle = z_q[3].ravel()
    assert ((middle == 0) | (np.array(levels) == 2)).all()  # zero is quantised to zero where it is a level


@pytest.mark.parametrize("levels", LEVELS)
def test_the_gradient_is_that_of_the_bound_alone(levels):
    quantizer = FiniteScalarQuantizer(FiniteScalarConfig(levels))
    value = latents(levels)
    z_e = tf.constant(value)
    out = quantizer(z_e, training=True, step=tf.constant(0, tf.int64))
    plain = quantizer(z_e, training=False)
    with tf.Session() as session:
        gradient, z_q, rounded = session.run([tf.gradients(out.z_q, z_e)[0], out.z_q, plain.z_q])
    np.testing.assert_allclose(z_q, rounded, atol=1e-6)
    eps, half = 1e-5, np.array(levels) // 2
    value = value.astype(np.float64)
    want = (bound(value + eps, levels) - bound(value - eps, levels)) / (2 * eps) / half
    np.testing.assert_allclose(gradient, want, rtol=1e-3, atol=1e-5)
    assert (gradient > 0).any()


def test_zero_is_bounded_to_zero():
    """By arctanh; the tan of the paper's listing is off by 4e-4 at four levels."""
    quantizer = FiniteScalarQuantizer(FiniteScalarConfig((3, 4, 5, 6, 8)))
    out = quantizer._bound(tf.zeros([1, 5]))
    with tf.Session() as session:
        np.testing.assert_allclose(session.run(out), np.zeros([1, 5]), atol=1e-6)
