"""PixelCNN: causal according to its Jacobian, and incremental sampling equals the full pass."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from vq_estimator.nn.pixelcnn import PixelCNN
from vq_estimator.nn.pixelcnn_layers import gate

H, W, C, D, OUT = 5, 6, 2, 3, 4


def data(seed, *shape):
    return np.random.RandomState(seed).randn(*shape).astype(np.float32)


@pytest.mark.parametrize("kind", ["gated", "residual"])
@pytest.mark.parametrize("at", [(0, 0), (0, 3), (2, 0), (2, 3), (4, 5)])
def test_zero_ahead_and_nonzero_in_all_of_the_past(at, kind):
    x, condition = tf.constant(data(0, 1, H, W, C)), tf.constant(data(1, 1, H, W, D))
    out = PixelCNN(6, 8, OUT, kind)(x, condition)
    i, j = at
    by_x, by_condition = tf.gradients(tf.reduce_sum(out[0, i, j] * data(2, OUT)), [x, condition])
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        by_x = session.run(by_x) if by_x is not None else np.zeros([1, H, W, C])
        by_condition = session.run(by_condition)
    order = np.arange(H * W).reshape(H, W)
    past = order < order[i, j]
    assert not by_x[0][~past].any()
    assert (np.abs(by_x[0][past]) > 0).all()  # no blind spot: the map is no larger than the layers reach
    assert np.abs(by_condition[0, i, j]).max() > 0 and not by_condition[0, i + 1 :].any()


@pytest.mark.parametrize("kind", ["gated", "residual"])
@pytest.mark.parametrize("layers", [0, 1, 4])
def test_a_scan_over_given_pixels_equals_the_full_pass(layers, kind):
    x, condition = data(0, 3, H, W, C), data(1, 3, H, W, D)
    net = PixelCNN(layers, 8, OUT, kind)
    full = net(tf.constant(x), tf.constant(condition))
    given = tf.constant(x)

    def choose(out, i, j):
        pixel = given[:, i, j]
        return pixel, tf.concat([pixel, out], -1)

    pixels, outputs = tf.split(net.scan(tf.constant(condition), C, (C + OUT, tf.float32), choose), [C, OUT], -1)
    assert len({v.op.name for v in tf.global_variables()}) == len(tf.global_variables()) == len(net.trainable_variables)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        full, pixels, outputs = session.run([full, pixels, outputs])
    np.testing.assert_array_equal(pixels, x)
    np.testing.assert_allclose(outputs, full, atol=1e-5)


def test_chosen_pixels_feed_the_next_ones():
    condition = data(1, 2, H, W, D)
    net = PixelCNN(2, 8, C)

    def choose(out, i, j):
        pixel = tf.sin(30.0 * out + 1.0)
        return pixel, tf.concat([pixel, out], -1)

    pixels, outputs = tf.split(net.scan(tf.constant(condition), C, (2 * C, tf.float32), choose), 2, -1)
    again = net(pixels, tf.constant(condition))
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        pixels, outputs, again = session.run([pixels, outputs, again])
    np.testing.assert_allclose(pixels, np.sin(30.0 * outputs + 1.0), atol=1e-5)
    np.testing.assert_allclose(again, outputs, atol=1e-4)
    assert np.abs(np.diff(pixels, axis=2)).max() > 0.01


def test_scan_takes_any_batch_size():
    net = PixelCNN(1, 4, C)
    condition = tf.placeholder(tf.float32, [None, H, W, D])
    pixels = net.scan(condition, C, (C, tf.float32), lambda out, i, j: (out, out))
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for n in (1, 4):
            assert session.run(pixels, {condition: data(1, n, H, W, D)}).shape == (n, H, W, C)


def test_the_gate_and_its_gradient_are_tensorflows():
    x, dy = tf.constant(data(0, 4, 10), tf.float32), tf.constant(data(1, 4, 5))
    a, b = tf.split(x, 2, -1)
    want = tf.tanh(a) * tf.sigmoid(b)
    got = gate(x)
    tensors = [got, want, tf.gradients(got, x, dy)[0], tf.gradients(want, x, dy)[0]]
    with tf.Session() as session:
        got, want, by_hand, by_tensorflow = session.run(tensors)
    np.testing.assert_allclose(got, want, atol=1e-6)
    np.testing.assert_allclose(by_hand, by_tensorflow, atol=1e-6)


def test_loops_leave_the_kind_of_control_flow_as_it_was():
    before = tf.control_flow_v2_enabled()
    PixelCNN(1, 4, C).scan(tf.zeros([1, H, W, D]), C, (C, tf.float32), lambda out, i, j: (out, out))
    assert tf.control_flow_v2_enabled() == before
    assert not [op.type for op in tf.get_default_graph().get_operations() if op.type in ("While", "StatelessWhile")]
