"""The exact decoder: sums that no order changes, equal to 64-bit integers bit for bit, and close to the decoder."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers import exact_decoder
from helpers.codec_runs import write_run
from vq_estimator.errors import VQError
from vq_estimator.inference import codec
from vq_estimator.inference.codec import portable
from vq_estimator.inference.codec.portable import PortableModel
from vq_estimator.inference.session import OpenRun
from vq_estimator.nn import exact, exact_local
from vq_estimator.nn.likelihoods import cumulative, logistic
from vq_estimator.nn.module import static_shape
from vq_estimator.nn.neighbourhood import contrast_of, neighbours

RUNS = {
    "transposed convolutions": dict(hidden_channels=(4, 8, 16), D=12),
    "residual blocks": dict(hidden_channels=(8, 8), residual_blocks=2, residual_relu=True, L=2),
    "linear path": dict(hidden_channels=(8, 8), linear_path=True, output_channels=6, quantizer="residual", L=3),
    "fsq": dict(quantizer="fsq", levels=(3, 5), K=None, D=2, hidden_channels=(8, 8)),
}

LOCAL = {
    "coupled": dict(dataset="cifar10", likelihood="logistic_mixture", components=2, decoder_contrasts=True, L=2),
    "embedded": dict(likelihood="categorical", decoder_embedded_neighbours=5, hidden_channels=(8, 8)),
    "residual": dict(dataset="cifar10", quantizer="residual", L=3, likelihood="gaussian", precision="bfloat16"),
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
        decoder = PortableModel(opened, None, run.calibration.code_probabilities())
        with decoder.arithmetic():
            parameters = opened.op("exact", lambda: decoder.vqvae.parameters(fed))
        got, close = opened.session.run([parameters, floating], {fed: codes})
    vectors = np.stack([decoder.entries[i][codes[..., i]] for i in range(m.quantizer.L)], -2)
    if m.quantizer.vectors_per_position < m.quantizer.L:
        vectors = vectors.sum(-2, keepdims=True)
    vectors = vectors.reshape(*codes.shape[:3], -1)
    np.testing.assert_array_equal(got, exact_decoder.decode(m.network, decoder.layers, vectors))
    assert np.sqrt(np.mean((got - close) ** 2)) < 0.005 * close.std()


@pytest.mark.parametrize("name", sorted(LOCAL))
def test_a_local_decoder_equals_sums_of_integers_and_is_close_to_floating_point(name, tmp_path):
    given = dict(decoder="local", decoder_reach=2, decoder_layers=2, decoder_channels=12, decoder_condition_channels=6)
    given["hidden_channels"] = (8,)
    run = codec.open_run(write_run(tmp_path / "run", **dict(given, **LOCAL[name])))
    m = run.config.model
    random, n = np.random.RandomState(1), 40
    codes = random.randint(0, m.quantizer.K, (2, *m.grid)).astype(np.int32)
    levels = random.randint(0, 256, [n, len(neighbours(2)), m.channels])
    levels[random.rand(n, len(neighbours(2))) < 0.2] = -1
    near = np.where(levels < 0, 0.0, levels * (2.0 / 255.0) - 1.0).astype(np.float32).reshape(n, -1)
    with OpenRun(portable.in_float32(run.config), run.checkpoint) as opened:
        exact_model = PortableModel(opened, None, run.calibration.code_probabilities())

        def build(model):
            condition = model.pixel_condition(tf.constant(codes))
            here = tf.reshape(condition, [-1, static_shape(condition)[-1]])[:n]
            return here, model.decoder.parameters_at(tf.constant(near), here)

        floating = opened.op("floating", lambda: build(opened.vqvae))
        with exact_model.arithmetic():
            computed = opened.op("exact", lambda: build(exact_model.vqvae))
        (_, close), (here, got) = opened.session.run([floating, computed])
    want = exact_decoder.local(m.decoder, m.channels, exact_model.layers, exact_model.levels, levels, here)
    np.testing.assert_array_equal(got, want)
    assert np.sqrt(np.mean((got - close) ** 2)) < 0.01 * close.std()


def test_no_contrast_is_close_to_the_middle_of_two_rounded_ones():
    quarters = exact_local.QUARTERS
    contrasts = contrast_of(np.arange(-quarters, quarters + 1) / (0.5 * quarters), np) * 256
    assert np.abs(contrasts - np.floor(contrasts) - 0.5).min() > 1e-6
    assert np.abs(contrasts).max() < exact.INPUT_LIMIT


def test_coupled_residuals_in_float64():
    parameters = np.random.RandomState(0).randn(50, 30).astype(np.float32) * 3
    with tf.Session() as session:
        want = session.run(logistic.couple_residuals(tf.constant(parameters), 3))
    np.testing.assert_allclose(cumulative.couple_residuals(parameters, 3), want, rtol=1e-5, atol=1e-5)
