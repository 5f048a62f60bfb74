"""The gradient estimators of the quantizer: their value is the entry, and their Jacobian is the documented one."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers.quantizers import latents, with_codebook
from vq_estimator.config import VectorQuantizerConfig
from vq_estimator.nn.quantizers import VectorQuantizer
from vq_estimator.nn.quantizers.gradients import rotation, straight_through


def value_and_jacobian(estimator, z, e):
    """The output [N, D] and d output_i / d z_j [N, D, D] for vectors z, e [N, D]."""
    z, e = tf.constant(z, tf.float32), tf.constant(e, tf.float32)
    out = estimator(z, e)
    rows = [tf.gradients(out[:, i], z)[0] for i in range(z.shape.as_list()[-1])]
    assert tf.gradients(out, e) == [None]
    with tf.Session() as session:
        return session.run([out, tf.stack(rows, 1)])


def householder(z, e):
    """lambda R in float64: the product of the reflections that take z to the bisector and on to e, scaled."""
    z, e = np.float64(z), np.float64(e)
    z_unit, e_unit = z / np.linalg.norm(z), e / np.linalg.norm(e)
    bisector = (z_unit + e_unit) / np.linalg.norm(z_unit + e_unit)
    identity = np.eye(len(z))
    # Reflect at the hyperplane of z', then at the hyperplane of the bisector: a rotation by twice their angle.
    turn = (identity - 2 * np.outer(bisector, bisector)) @ (identity - 2 * np.outer(z_unit, z_unit))
    return turn, np.linalg.norm(e) / np.linalg.norm(z)


@pytest.mark.parametrize("D", [2, 3, 8])
def test_the_jacobian_of_rotation_is_that_of_numpy(D):
    rng = np.random.RandomState(0)
    z, e = rng.randn(20, D) * 3.0, rng.randn(20, D)
    out, jacobian = value_and_jacobian(rotation, z, e)
    np.testing.assert_allclose(out, e, rtol=1e-6, atol=1e-6)
    for i in range(len(z)):
        R, scale = householder(z[i], e[i])
        np.testing.assert_allclose(R @ R.T, np.eye(D), atol=1e-12)
        assert np.linalg.det(R) == pytest.approx(1.0)
        np.testing.assert_allclose(scale * R @ z[i], e[i], atol=1e-12)
        np.testing.assert_allclose(jacobian[i], scale * R, rtol=1e-4, atol=1e-5)


def test_straight_through_is_the_identity():
    rng = np.random.RandomState(0)
    z, e = rng.randn(5, 3), rng.randn(5, 3)
    out, jacobian = value_and_jacobian(straight_through, z, e)
    np.testing.assert_allclose(out, e, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(jacobian, np.tile(np.eye(3), [5, 1, 1]))


def test_vectors_without_a_direction_are_finite():
    a = np.array([1.0, 2.0, -3.0])
    nearly = -a * (1 + 1e-7 * np.array([1, -1, 1]))
    z = np.stack([0 * a, 0 * a, a, a, a, 1e-20 * a, a])
    e = np.stack([a, 0 * a, 0 * a, -2 * a, nearly, a, a])
    out, jacobian = value_and_jacobian(rotation, z, e)
    assert np.isfinite(jacobian).all()
    np.testing.assert_allclose(out, e, rtol=1e-6, atol=1e-6)
    for i in (0, 1, 5):  # a zero vector has no direction to turn: straight-through
        np.testing.assert_array_equal(jacobian[i], np.eye(3))
    np.testing.assert_array_equal(jacobian[2], np.zeros([3, 3]))  # an entry of norm 0 scales by 0
    np.testing.assert_allclose(jacobian[3] @ a, -2 * a, rtol=1e-5)  # opposite: still takes z to e
    np.testing.assert_allclose(jacobian[6], np.eye(3), atol=1e-6)


@pytest.mark.parametrize("L", [1, 3])
def test_a_quantizer_turns_each_vector_to_the_entry_of_its_own_codebook(L):
    K, D = 5, 4
    quantizer = VectorQuantizer(VectorQuantizerConfig(K, D, L, gradient="rotation"))
    value, book = latents(L, D), np.random.RandomState(1).randn(L, K, D).astype(np.float32)
    weight = np.random.RandomState(2).randn(*value.shape).astype(np.float32)
    z_e = tf.constant(value)
    out = quantizer(z_e, training=True, step=tf.constant(0, tf.int64))
    plain = quantizer(z_e, training=False)
    (gradient,) = tf.gradients(tf.reduce_sum(out.z_q * weight), z_e)
    assert tf.gradients(out.z_q, quantizer.codebook) == [None]
    with tf.Session() as session:
        with_codebook(session, quantizer, book)
        z_q, entries, gradient, looked_up = session.run([out.z_q, plain.z_q, gradient, quantizer.lookup(out.codes)])
    np.testing.assert_array_equal(entries, looked_up)
    np.testing.assert_allclose(z_q, entries, rtol=1e-6, atol=1e-6)
    flat = [a.reshape(-1, D) for a in (value, entries, weight, gradient)]
    for z, e, w, g in zip(*flat):
        R, scale = householder(z, e)
        np.testing.assert_allclose(g, scale * R.T @ w, rtol=1e-3, atol=1e-4)
