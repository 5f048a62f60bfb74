"""Normalised likelihoods for the outputs of any decoder."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers.likelihoods import oracle
from vq_estimator import likelihoods
from vq_estimator.errors import VQError

CLASSES = [getattr(likelihoods, name) for name in likelihoods.__all__ if name != "PixelLikelihood"]
COUNTS = {"Bernoulli": 1, "Categorical": 256, "DiscretizedGaussian": 2, "DiscretizedLogistic": 2}  # for each channel


def parameters(kind, channels, seed=0):
    """Random ones of one pixel, [1, 1, 1, n]."""
    return np.random.RandomState(seed).randn(1, 1, 1, kind.num_parameters(channels)).astype(np.float32)


def images(values):
    """Images of one pixel, uint8 [B, 1, 1, C], of values [B, C]."""
    return np.uint8(values)[:, np.newaxis, np.newaxis]


def run(make):
    """Runs tensors in a graph and a session of their own."""
    with tf.Graph().as_default(), tf.Session() as session:
        return session.run(make())


def test_the_number_of_parameters():
    for kind in CLASSES:
        if kind.__name__ in COUNTS:
            assert [kind.num_parameters(C) for C in (1, 3)] == [COUNTS[kind.__name__], 3 * COUNTS[kind.__name__]]
    mixture = likelihoods.LogisticMixture
    assert [mixture.num_parameters(C) for C in (1, 2, 3)] == [9, 18, 30] and mixture.num_parameters(3, 10) == 100
    assert mixture.num_parameters(np.int64(3), components=np.int64(10)) == 100


@pytest.mark.parametrize("kind", CLASSES)
def test_the_probabilities_of_all_values_sum_to_one(kind):
    p, x = parameters(kind, 1), images(np.arange(256)[:, np.newaxis])
    log_p = run(lambda: kind(tf.tile(p, [256, 1, 1, 1]), 1).log_prob(x))
    assert log_p.shape == (256,) and np.exp(np.float64(log_p)).sum() == pytest.approx(1.0, abs=1e-5)


def test_the_probabilities_of_all_pairs_of_two_channels_sum_to_one_and_are_independent():
    x = images(np.stack(np.meshgrid(np.arange(256), np.arange(256)), -1).reshape(-1, 2))
    p = parameters(likelihoods.LogisticMixture, 2)
    log_p = run(lambda: likelihoods.LogisticMixture(tf.tile(p, [len(x), 1, 1, 1]), 2).log_prob(x))
    joint = np.exp(np.float64(log_p)).reshape(256, 256)
    assert joint.sum() == pytest.approx(1.0, abs=1e-4)
    independent = np.outer(joint.sum(1), joint.sum(0))
    assert np.abs(joint - independent).sum() < 1e-4  # only the three channels of a colour are coupled (test_shapes.py)


def test_a_gaussian_is_that_of_scipy():
    p = np.array([-0.2, np.log(7.0) - 3.0], np.float32).reshape(1, 1, 1, 2)  # mean (1 - 0.2) * 127.5, deviation 7
    x = images(np.arange(256)[:, np.newaxis])
    got = run(lambda: likelihoods.DiscretizedGaussian(tf.tile(p, [256, 1, 1, 1]), 1).log_prob(x))
    np.testing.assert_allclose(got, oracle(102.0, 7.0), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", CLASSES)
def test_draws_have_the_probabilities_and_the_mean(kind):
    n, p = 4000, 0.3 * parameters(kind, 1, seed=1)
    if kind is not likelihoods.Categorical:
        p[..., -1:] -= 2.0 * (kind is likelihoods.DiscretizedLogistic)  # a narrow one, far from the ends

    def tensors():
        one, many = kind(tf.constant(p), 1), kind(tf.tile(p, [n, 1, 1, 1]), 1)
        table = kind(tf.tile(p, [256, 1, 1, 1]), 1).log_prob(images(np.arange(256)[:, np.newaxis]))
        return many.sample(3), many.sample(tf.constant(3)), many.sample(tf.constant([3, 1])), one.mean(), table

    x, again, other, mean, table = run(tensors)
    assert x.dtype == np.uint8 and x.shape == (n, 1, 1, 1) and mean.dtype == np.float32 and mean.shape == (1, 1, 1, 1)
    np.testing.assert_array_equal(x, again)
    assert (x != other).any()
    distribution = np.cumsum(np.exp(np.float64(table)))
    drawn = np.cumsum(np.bincount(x.ravel(), minlength=256)) / n
    assert np.abs(drawn - distribution).max() < 1.63 / np.sqrt(n)  # Kolmogorov and Smirnov, at 1 %
    if kind in (likelihoods.Bernoulli, likelihoods.Categorical, likelihoods.DiscretizedLogistic):
        assert abs(x.mean() - mean.item()) < 4.0 * x.std() / np.sqrt(n)


def test_half_precision_parameters_and_unknown_sizes():
    p = tf.placeholder(tf.bfloat16, [None, None, None, 30])
    x = tf.placeholder_with_default(np.zeros([2, 4, 5, 3], np.uint8), [None, None, None, 3])
    likelihood = likelihoods.LogisticMixture(p, 3)
    log_p, draws = likelihood.log_prob(x), likelihood.sample(0)
    assert log_p.dtype == tf.float32
    with tf.Session() as session:
        got = session.run([log_p, draws], {p: np.zeros([2, 4, 5, 30])})
    assert got[0].shape == (2,) and got[1].shape == (2, 4, 5, 3)


def zeros(n):
    return tf.zeros([2, 4, 4, n])


def gaussian():
    return likelihoods.DiscretizedGaussian(zeros(6), 3)


BAD = [
    (
        lambda: likelihoods.DiscretizedGaussian(zeros(7), 3),
        r"parameters: got float32 \[2, 4, 4, 7\], expected float32, b",
    ),
    (
        lambda: likelihoods.Categorical(tf.zeros([4, 256]), 1),
        r"parameters: got float32 \[4, 256\], expected float32, b",
    ),
    (
        lambda: likelihoods.Bernoulli(np.zeros([1, 2, 2, 1]), 1),
        r"parameters: got float64 \[1, 2, 2, 1\], expected floa",
    ),
    (lambda: likelihoods.Bernoulli(zeros(1), 0), "channels: got 0, expected an integer from 1"),
    (lambda: likelihoods.Bernoulli(zeros(1), 1.0), "channels: got 1.0, expected an integer from 1"),
    (lambda: likelihoods.LogisticMixture(zeros(30), 3, components=0), "components: got 0, expected an integer of 1 or"),
    (lambda: likelihoods.LogisticMixture.num_parameters(3, "5"), "components: got '5', expected an integer of 1 or"),
    (lambda: gaussian().log_prob(zeros(3)), r"x: got float32 \[2, 4, 4, 3\], expected uint8 \[B, H, W, 3\]$"),
    (
        lambda: gaussian().log_prob(tf.zeros([2, 1, 1, 3], tf.uint8)),
        r"x: got uint8 \[2, 1, 1, 3\], expected uint8 \[B, ",
    ),
    (lambda: gaussian().sample(0.5), "seed: got 0.5, expected an integer"),
    (lambda: gaussian().sample(tf.zeros([3], tf.int32)), r"seed: got int32 \[3\], expected an integer, or an int32 or"),
]


@pytest.mark.parametrize("use, want", BAD)
def test_a_mistake_is_one_line(use, want):
    with pytest.raises(VQError, match="^" + want) as error:
        use()
    assert "\n" not in str(error.value)
