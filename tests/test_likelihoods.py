import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from scipy import special, stats

from vq_estimator.nn import likelihoods
from vq_estimator.nn.likelihoods import DiscretizedGaussian, SigmoidPixels

MEANS = [0.0, 0.3, 1.7, 64.0, 127.5, 200.2, 254.9, 255.0]
SCALES = [0.05, 0.4, 1.0, 7.0, 31.0, 120.0, 1000.0]


def log_probabilities(mean, scale):
    """ln P of all 256 levels under one mean and scale, by the graph: [256]."""
    p = DiscretizedGaussian(tf.fill([256, 1, 1, 1], np.float32(mean)), np.float32(scale))
    x = tf.cast(tf.reshape(tf.range(256), [256, 1, 1, 1]), tf.uint8)
    with tf.Session() as session:
        return session.run(p.log_prob(x)).astype(np.float64)


def oracle(mean, scale):
    mean, scale = float(np.float32(mean)), float(np.float32(scale))
    k = np.arange(256)
    low = np.where(k == 0, -np.inf, (k - 0.5 - mean) / scale)
    high = np.where(k == 255, np.inf, (k + 0.5 - mean) / scale)
    flip = low + high > 0
    low, high = np.where(flip, -high, low), np.where(flip, -low, high)
    log_high = special.log_ndtr(high)
    return log_high + np.log(-np.expm1(np.minimum(special.log_ndtr(low) - log_high, -1e-300)))


@pytest.mark.parametrize("mean", MEANS)
@pytest.mark.parametrize("scale", SCALES)
def test_sums_to_one_and_equals_scipy_at_every_level(mean, scale):
    got, want = log_probabilities(mean, scale), oracle(mean, scale)
    assert np.exp(got).sum() == pytest.approx(1.0, abs=2e-5)
    assert np.isfinite(got).all()
    # The float32 inputs of the CDF carry a relative error of 1e-7, which the square of far tails multiplies.
    np.testing.assert_allclose(got, want, rtol=2e-5, atol=1e-4)


def test_the_oracle_is_the_gaussian():
    p = np.exp(oracle(100.0, 7.0))
    edges = stats.norm(100.0, 7.0).cdf(np.arange(257) - 0.5)
    np.testing.assert_allclose(p[1:255], np.diff(edges)[1:255], atol=1e-12)


@pytest.mark.parametrize("x", [-1e6, -300.0, -10.001, -9.999, -1.0, 0.0, 1.0, 6.0, 20.0])
def test_log_ndtr_equals_scipy(x):
    with tf.Session() as session:
        got = session.run(likelihoods.log_ndtr(tf.constant([x], tf.float32)))[0]
    assert got == pytest.approx(special.log_ndtr(float(np.float32(x))), rel=5e-6, abs=1e-30)


def test_log_prob_sums_over_pixels():
    mean = tf.constant(np.random.RandomState(0).uniform(0, 255, (3, 4, 4, 2)).astype(np.float32))
    x = np.random.RandomState(1).randint(0, 256, (3, 4, 4, 2)).astype(np.uint8)
    p = DiscretizedGaussian(mean, 20.0)
    with tf.Session() as session:
        total, elements = session.run([p.log_prob(x), p.log_prob_elements(x)])
    assert total.shape == (3,)
    np.testing.assert_allclose(total, elements.sum((1, 2, 3)), rtol=1e-5)


def test_samples_follow_the_table():
    p = DiscretizedGaussian(tf.fill([20000, 1, 1, 1], 3.0), 4.0)
    with tf.Session() as session:
        a, b, c = session.run([p.sample([0, 1]), p.sample([0, 1]), p.sample([0, 2])])
    np.testing.assert_array_equal(a, b)
    assert (a != c).any() and a.dtype == np.uint8
    counts = np.bincount(a.ravel(), minlength=256)
    expected = np.exp(log_probabilities(3.0, 4.0)) * 20000
    keep = expected > 5
    assert stats.chisquare(counts[keep], expected[keep] * counts[keep].sum() / expected[keep].sum()).pvalue > 1e-4


def test_mode_is_the_likeliest_level():
    with tf.Session() as session:
        for mean in (0.0, 0.4, 17.2, 254.6):
            mode = session.run(DiscretizedGaussian(tf.fill([1, 1, 1, 1], mean), 3.0).mode())[0, 0, 0, 0]
            assert mode == round(mean)


def test_uint8_round_trip_and_float_passes():
    levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    unit = tf.constant([[0.25]])
    with tf.Session() as session:
        np.testing.assert_array_equal(
            session.run(likelihoods.to_uint8(likelihoods.to_unit(tf.constant(levels)))), levels
        )
    assert likelihoods.to_unit(unit) is unit


def test_training_losses_equal_numpy():
    logits = np.random.RandomState(0).randn(2, 3, 3, 1).astype(np.float32) * 3
    unit = np.random.RandomState(1).rand(2, 3, 3, 1).astype(np.float32)
    pixels, mean = SigmoidPixels(tf.constant(logits)), special.expit(logits.astype(np.float64))
    with tf.Session() as session:
        squared, cross, nll = session.run(
            [pixels.squared_error(unit), pixels.cross_entropy(unit), pixels.original_nll(20)]
        )
    np.testing.assert_allclose(squared, ((mean - unit) ** 2).mean((1, 2, 3)), rtol=1e-5)
    want = -(unit * np.log(mean) + (1 - unit) * np.log1p(-mean)).mean((1, 2, 3))
    np.testing.assert_allclose(cross, want, rtol=1e-5)
    np.testing.assert_allclose(nll, -(np.log(mean).mean((1, 2, 3)) + np.log(1 / 20)) / np.log(2), rtol=1e-5)


def test_original_nll_is_finite_and_ignores_the_image():
    with tf.Session() as session:
        black = session.run(SigmoidPixels(tf.fill([1, 2, 2, 1], -1e4)).original_nll(4))
        white = session.run(SigmoidPixels(tf.fill([1, 2, 2, 1], 1e4)).original_nll(4))
    assert np.isfinite(black).all()
    np.testing.assert_allclose(white, [2.0])  # all white: log2 K, whatever the images are
