"""The exact decoder: sums that no order changes, equal to 64-bit integers bit for bit, and close to the decoder."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers import exact_decoder
from helpers.codec_runs import write_run
from vq_estimator.errors import VQError
from vq_estimator.inference import codec
from vq_estimator.inference.codec.portable import PortableDecoder
from vq_estimator.inference.session import OpenRun
from vq_estimator.nn import exact

RUNS = {
    "transposed convolutions": dict(hidden_channels=(4, 8, 16), D=12),
    "residual blocks": dict(hidden_channels=(8, 8), residual_blocks=2, residual_relu=True, L=2),
    "linear path": dict(hidden_channels=(8, 8), linear_path=True, output_channels=6, quantizer="residual", L=3),
    "fsq": dict(quantizer="fsq", levels=(3, 5), K=None, D=2, hidden_channels=(8, 8)),
}


@pytest.mark.parametrize("k, stride", [(4, 2), (8, 4), (2, 2), (3, 1)])
def test_a_transposed_convolution_becomes_a_convolution(k, stride):
    random = np.random.RandomState(0)
    x, w = random.randint(-5, 6, (2, 3, 4, 5)), random.randint(-5, 6, (k, k, 3, 5))
    kernel = exact.to_convolution(w.astype(np.float64), stride).astype(np.float32)
    got = exact_decoder.convolve(
        exact.Layer(kernel, np.zeros(3 * stride**2), 0, np.ones(3 * stride**2, np.float32), stride), x
    )
    with tf.Graph().as_default(), tf.Session() as session:
        shape = [2, 3 * stride, 4 * stride, 3]
        y = tf.nn.conv2d_transpose(tf.constant(x, tf.float32), tf.constant(w, tf.float32), shape, stride, "SAME")
        np.testing.assert_array_equal(got, session.run(y))


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 300.0])
def test_no_partial_sum_exceeds_the_integers_of_float32(signed, scale):
    random = np.random.RandomState(0)
    weights, bias = random.randn(3, 3, 20, 8) * scale, random.randn(8) * 10
    layer = exact.make_layer("x", weights, bias, 6, 0, signed)
    positive, negative = (np.maximum(sign * layer.kernel.astype(np.int64), 0).sum((0, 1, 2)) for sign in (1, -1))
    largest = positive + negative if signed else np.maximum(positive, negative)
    largest = largest * exact.INPUT_LIMIT + np.abs(layer.bias.astype(np.int64))
    assert (largest <= 1 << 24).all() and (largest > 1 << 22).all()
    np.testing.assert_array_equal(layer.kernel, np.rint(layer.kernel))
    np.testing.assert_array_equal(np.log2(layer.scale), np.rint(np.log2(layer.scale)))
    step = layer.scale * 2.0**6
    np.testing.assert_allclose(layer.kernel * step, weights, atol=0.5 * step.max())
    np.testing.assert_allclose(layer.bias * layer.scale, bias, atol=0.5 * layer.scale.max())


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_weights_without_an_exact_form(value):
    with pytest.raises(VQError, match="checkpoint: got weights of x that are infinite, NaN or huge"):
        exact.make_layer("x", np.full((1, 1, 2, 2), value), np.zeros(2), 0, 0, True)


@pytest.mark.parametrize("name", sorted(RUNS))
def test_the_decoder_equals_sums_of_integers_and_is_close_to_floating_point(name, tmp_path):
    run = codec.open_run(write_run(tmp_path / "run", likelihood="gaussian", **RUNS[name]))
    m = run.config.model
    codes = np.random.RandomState(1).randint(0, m.quantizer.K, (5, *m.grid))
    with OpenRun(run.config, run.checkpoint) as opened:

        def build():
            fed = tf.placeholder(tf.int32, (None, *m.codes_shape))
            return fed, opened.vqvae.parameters(fed)

        fed, floating = opened.op("test", build)
        decoder = PortableDecoder(opened, fed, None, run.calibration.code_probabilities())
        got, close = opened.session.run([decoder.parameters, floating], {fed: codes})
    vectors = np.stack([decoder.entries[i][codes[..., i]] for i in range(m.quantizer.L)], -2)
    if m.quantizer.vectors_per_position < m.quantizer.L:
        vectors = vectors.sum(-2, keepdims=True)
    vectors = vectors.reshape(*codes.shape[:3], -1)
    np.testing.assert_array_equal(got, exact_decoder.decode(m.network, decoder.layers, vectors))
    assert np.sqrt(np.mean((got - close) ** 2)) < 0.005 * close.std()
