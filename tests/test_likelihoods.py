import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from scipy import special, stats

from helpers.likelihoods import oracle
from vq_estimator.config import LIKELIHOODS
from vq_estimator.nn import likelihoods
from vq_estimator.nn.likelihoods import (
    Bernoulli,
    Categorical,
    DiscretizedGaussian,
    DiscretizedLogistic,
    LogisticMixture,
    SigmoidPixels,
    base,
    gaussian,
)

MEANS = [0.0, 0.3, 1.7, 64.0, 127.5, 200.2, 254.9, 255.0]
SCALES = [0.05, 0.4, 1.0, 7.0, 31.0, 120.0, 1000.0]


def log_probabilities(mean, scale):
    """ln P of all 256 levels under one mean and scale, by the graph: [256]."""
    p = DiscretizedGaussian(tf.fill([256, 1, 1, 1], np.float32(mean)), np.float32(scale))
    x = tf.cast(tf.reshape(tf.range(256), [256, 1, 1, 1]), tf.uint8)
    with tf.Session() as session:
        return session.run(p.log_prob(x)).astype(np.float64)


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
        got = session.run(gaussian.log_ndtr(tf.constant([x], tf.float32)))[0]
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


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", ["bernoulli", "gaussian", "logistic", "categorical", "logistic_mixture"])
def test_draws_from_uniform_numbers_are_draws(kind, channels):
    config, draws = LIKELIHOODS.rows[kind].config(), 8000
    n = likelihoods.parameters(config, channels)
    one = (0.3 * np.random.RandomState(0).randn(1, 1, 1, n)).astype(np.float32)
    p = likelihoods.from_parameters(config, tf.constant(np.repeat(one, draws, 0)), channels)
    uniforms = np.random.RandomState(1).rand(draws, 1, 1, likelihoods.num_uniforms(config, channels))
    by_uniforms, by_seed = p.sample_from(tf.constant(uniforms.astype(np.float32))), p.sample([3, 4])
    with tf.Session() as session:
        levels = session.run([by_uniforms, by_seed])
        nats = session.run([p.log_prob(x) for x in (by_uniforms, by_seed)])
    for pair in (levels, nats):
        a, b = (t.reshape(draws, -1).astype(float) for t in pair)
        error = np.sqrt((a.var(0) + b.var(0)) / draws)
        assert (np.abs(a.mean(0) - b.mean(0)) < 5 * error + 1e-6).all()
        np.testing.assert_allclose(a.std(0), b.std(0), rtol=0.05)
        np.testing.assert_allclose(np.corrcoef(a.T), np.corrcoef(b.T), atol=0.05)


def test_mode_is_the_likeliest_level():
    with tf.Session() as session:
        for mean in (0.4, 17.2, 254.6):
            mode = session.run(DiscretizedGaussian(tf.fill([1, 1, 1, 1], mean), 0.5).mode())[0, 0, 0, 0]
            assert mode == round(mean)
        # The end level takes the tail, and may be likelier than the level of the mean.
        assert session.run(DiscretizedGaussian(tf.fill([1, 1, 1, 1], 240.0), 50.0).mode())[0, 0, 0, 0] == 255


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


# ------------------------------------------------------------------------------------------ what all of them promise

C, M = 3, 4
KINDS = {
    "bernoulli": (Bernoulli.parameters(C), Bernoulli.from_parameters),
    "gaussian": (DiscretizedGaussian.parameters(C), DiscretizedGaussian.from_parameters),
    "logistic": (DiscretizedLogistic.parameters(C), DiscretizedLogistic.from_parameters),
    "logistic_mixture": (LogisticMixture.parameters(C, M), lambda p: LogisticMixture.from_parameters(p, C, M)),
    "categorical": (Categorical.parameters(C), lambda p: Categorical.from_parameters(p, C)),
}


def parameters(kind, spread, shape=(2, 2, 2), seed=0):
    return (np.random.RandomState(seed).randn(*shape, KINDS[kind][0]) * spread).astype(np.float32)


def images(kind, shape=(2, 2, 2), seed=1):
    x = np.random.RandomState(seed).randint(0, 256, shape + (C,))
    x.reshape(-1)[:6] = [0, 255, 1, 254, 0, 255]
    return ((x > 127) * 255 if kind == "bernoulli" else x).astype(np.uint8)


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("spread", [0.3, 3.0, 30.0])
def test_every_table_sums_to_one_and_makes_up_log_prob(kind, spread):
    p = KINDS[kind][1](tf.constant(parameters(kind, spread)))
    x = images(kind)
    with tf.Session() as session:
        tables = np.stack(session.run([p.log_table(c, tf.constant(x)) for c in range(C)]), 3)  # [B, H, W, C, 256]
        log_prob = session.run(p.log_prob(tf.constant(x)))
    np.testing.assert_allclose(np.exp(tables.astype(np.float64)).sum(-1), 1.0, atol=3e-5)
    picked = np.take_along_axis(tables, x[..., None].astype(int), -1)[..., 0]
    np.testing.assert_allclose(log_prob, picked.sum((1, 2, 3)), rtol=1e-4, atol=1e-4)


def mixture_oracle(parameters, x):
    """ln p(x) of the mixture in float64, from the definition: differences of logistic CDFs, one pixel at a time."""
    total = np.zeros(parameters.shape[:3])
    for at in np.ndindex(*total.shape):
        p, levels = parameters[at].astype(np.float64), x[at].astype(np.float64)
        logits, p = p[:M], p[M:]
        mean, log_scale = p[: C * M].reshape(C, M), p[C * M : 2 * C * M].reshape(C, M)
        coefficient = np.tanh(p[2 * C * M :].reshape(3, M))
        mean = np.clip((mean + 1) * 127.5, -256, 512)
        scale = np.exp(np.clip(log_scale + 3, -3, 7))
        centred, log_p = levels - 127.5, special.log_softmax(logits)
        shift = np.stack([np.zeros(M), coefficient[0] * centred[0], coefficient[1:].T @ centred[:2]])
        for c in range(C):
            a, b = ((levels[c] + half - mean[c] - shift[c]) / scale[c] for half in (-0.5, 0.5))
            if levels[c] == 0:
                log_p = log_p + special.log_expit(b) if hasattr(special, "log_expit") else log_p - np.logaddexp(0, -b)
            elif levels[c] == 255:
                log_p = log_p - np.logaddexp(0, a)
            else:  # sigmoid(b) - sigmoid(a), on the side where the CDF keeps its digits
                a, b = np.where(a + b > 0, -b, a), np.where(a + b > 0, -a, b)
                log_p = log_p - np.logaddexp(0, -b) + np.log1p(-np.exp(np.logaddexp(0, -b) - np.logaddexp(0, -a)))
        total[at] = special.logsumexp(log_p)
    return total.sum((1, 2))


@pytest.mark.parametrize("spread", [0.3, 1.0, 3.0])
def test_mixture_equals_the_64_bit_oracle(spread):
    given, x = parameters("logistic_mixture", spread), images("logistic_mixture")
    p = KINDS["logistic_mixture"][1](tf.constant(given))
    with tf.Session() as session:
        got = session.run(p.log_prob(tf.constant(x)))
    np.testing.assert_allclose(got, mixture_oracle(given, x), rtol=1e-4)


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("value", [0.0, 50.0, -50.0, 1e4, -1e4, 1e8])
def test_log_prob_and_gradient_are_finite_for_whatever_a_network_emits(kind, value):
    n, make = KINDS[kind]
    signs = np.where(np.arange(n) % 3 == 0, -1.0, 1.0)
    given = tf.constant((value * signs * np.ones((2, 2, 2, n))).astype(np.float32))
    log_prob = make(given).log_prob(tf.constant(images(kind)))
    with tf.Session() as session:
        got, gradient = session.run([log_prob, tf.gradients(log_prob, given)[0]])
    assert np.isfinite(got).all() and np.isfinite(gradient).all() and (got <= 1e-3).all()


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_draws_follow_the_tables_and_their_seed(kind):
    n = 4000
    one = parameters(kind, 0.5, (1, 1, 1), seed=3)
    p = KINDS[kind][1](tf.constant(np.tile(one, (n, 1, 1, 1))))
    with tf.Session() as session:
        a, b, c = session.run([p.sample(tf.constant([s, 7])) for s in (1, 1, 2)])
        assert a.dtype == np.uint8 and a.shape == (n, 1, 1, C)
        np.testing.assert_array_equal(a, b)
        assert (a != c).any()
        for channel in range(C):  # the tables given each draw's own earlier channels, on the average
            table = np.exp(session.run(p.log_table(channel, tf.constant(a)))[:, 0, 0].astype(np.float64))
            expected, counts = table.sum(0), np.bincount(a[:, 0, 0, channel], minlength=256)
            ends = np.searchsorted(np.cumsum(expected), np.arange(1, 20) * n / 20)  # about 20 groups of levels
            groups = np.split(np.arange(256), np.unique(ends))
            expected, counts = (np.array([v[g].sum() for g in groups]) for v in (expected, counts))
            keep = expected > 1
            assert (
                stats.chisquare(counts[keep], expected[keep] * counts[keep].sum() / expected[keep].sum()).pvalue > 1e-4
            )


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_mean_and_mode_are_those_of_the_tables(kind):
    given = parameters(kind, 0.2)
    p = KINDS[kind][1](tf.constant(given))
    with tf.Session() as session:
        mean, mode = session.run([p.mean(), p.mode()])
        best = session.run([tf.argmax(p.log_table(c, tf.constant(mode)), -1) for c in range(C)])
        table = np.exp(session.run(p.log_table(0)).astype(np.float64))
    assert mode.dtype == np.uint8
    np.testing.assert_array_equal(np.stack(best, -1), mode)
    # `mean` is the mean of the distribution before its tails are folded into the end levels.
    np.testing.assert_allclose(mean[..., 0], (table * np.arange(256)).sum(-1) / 255, atol=2e-2)
    assert mean.min() >= 0 and mean.max() <= 1


def test_the_first_table_of_a_mixture_needs_no_image_and_the_next_only_what_is_before():
    p = KINDS["logistic_mixture"][1](tf.constant(parameters("logistic_mixture", 1.0)))
    x = images("logistic_mixture")
    other = x.copy()
    other[..., 2] = 255 - other[..., 2]
    with tf.Session() as session:
        for c in (1, 2):
            np.testing.assert_array_equal(*session.run([p.log_table(c, tf.constant(v)) for v in (x, other)]))
        moved = x.copy()
        moved[..., 0] = 255 - moved[..., 0]
        a, b = session.run([p.log_table(1, tf.constant(v)) for v in (x, moved)])
    assert np.abs(a - b).max() > 1e-3


def test_a_level_between_is_impossible_under_bernoulli():
    p = Bernoulli(tf.zeros([1, 1, 1, 1]))
    with tf.Session() as session:
        assert session.run(p.log_prob(tf.constant([[[[7]]]], tf.uint8)))[0] < -1e8


def test_a_clipped_parameter_can_come_back():
    x = tf.constant([-4.0, -4.0, 0.5, 0.5, 4.0, 4.0])
    dy = tf.constant([-2.0, 2.0, -2.0, 2.0, -2.0, 2.0])
    y = base.clip(x, -1.0, 1.0)
    (gradient,) = tf.gradients(y, x, dy)
    with tf.Session() as session:
        y, gradient = session.run([y, gradient])
    np.testing.assert_array_equal(y, [-1, -1, 0.5, 0.5, 1, 1])
    # A step is against the gradient: below the range one upwards passes, above it one downwards.
    np.testing.assert_array_equal(gradient, [-2, 0, -2, 2, 0, 2])
