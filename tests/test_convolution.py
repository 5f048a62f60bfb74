import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from vq_estimator.nn import convolution


def naive(x, w, stride):
    """SAME convolution in NumPy."""
    k = w.shape[0]
    out = -(-x.shape[1] // stride)
    total = max((out - 1) * stride + k - x.shape[1], 0)
    x = np.pad(x, [(0, 0), (total // 2, total - total // 2), (total // 2, total - total // 2), (0, 0)])
    y = np.zeros((x.shape[0], out, out, w.shape[3]))
    for i in range(out):
        for j in range(out):
            patch = x[:, i * stride : i * stride + k, j * stride : j * stride + k, :]
            y[:, i, j] = np.tensordot(patch, w, 3)
    return y


def random(shape, seed):
    return np.random.RandomState(seed).randn(*shape).astype(np.float32)


CASES = [(3, 1, 6), (4, 2, 8), (1, 1, 5), (3, 1, 7), (4, 2, 6)]


@pytest.mark.parametrize("kernel, stride, size", CASES)
def test_float32_equals_numpy_and_transpose_is_the_adjoint(kernel, stride, size):
    x, w = random((2, size, size, 5), 0), random((kernel, kernel, 5, 7), 1)
    y = convolution.conv2d(tf.constant(x), tf.constant(w), stride)
    v = random(tuple(y.shape.as_list()), 2)
    back = convolution.conv2d_transpose(tf.constant(v), tf.constant(w), stride)
    with tf.Session() as session:
        got, adjoint = session.run([y, back])
    np.testing.assert_allclose(got, naive(x, w, stride), rtol=1e-4, atol=1e-4)
    assert np.sum(got * v, dtype=np.float64) == pytest.approx(np.sum(adjoint * x, dtype=np.float64), rel=1e-4)


@pytest.mark.skipif(tf.__version__.startswith("1."), reason="bfloat16 is refused on TensorFlow 1.15")
@pytest.mark.parametrize("kernel, stride, size", CASES)
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("maps", [8, 40])
def test_bfloat16_gradients_equal_float32_ones(kernel, stride, size, transposed, maps):
    # Both sides of MIN_MAPS: TensorFlow's filter gradient, and ours as a convolution.
    inputs = size // stride if transposed else size
    x = random((3, inputs, inputs, maps), 0)
    w = random((kernel, kernel, maps, maps), 1) / kernel / maps**0.5
    function = convolution.conv2d_transpose if transposed else convolution.conv2d

    def run(dtype):
        tx, tw = tf.constant(x), tf.constant(w)
        y = tf.cast(function(tf.cast(tx, dtype), tf.cast(tw, dtype), stride), tf.float32)
        loss = tf.reduce_sum(y * random(tuple(y.shape.as_list()[1:]), 2))
        return [y] + tf.gradients(loss, [tx, tw])

    with tf.Session() as session:
        got, want = session.run([run(tf.bfloat16), run(tf.float32)])
    for a, b in zip(got, want):
        assert a.shape == b.shape
        assert np.abs(a - b).max() < 0.03 * np.abs(b).max()
