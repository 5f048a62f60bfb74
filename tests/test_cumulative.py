"""The likelihoods in NumPy equal those in TensorFlow, are increasing, and have the same bits on every machine."""

import zlib

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from vq_estimator import config as c
from vq_estimator.nn import likelihoods
from vq_estimator.nn.likelihoods import cumulative

KINDS = {
    "mse": c.MSE(),
    "bernoulli": c.BernoulliPixels(),
    "gaussian": c.GaussianPixels(),
    "logistic": c.LogisticPixels(),
    "mixture": c.LogisticMixturePixels(3),
    "mixture of one": c.LogisticMixturePixels(1),
    "mixture of ten": c.LogisticMixturePixels(10),
    "categorical": c.CategoricalPixels(),
}
SCALE, N = 11.0, 60


def parameters(kind, channels, size, seed=0):
    """float32 [N, outputs] about `size`; of decoders, which give about 1."""
    outputs = likelihoods.parameters(kind, channels)
    return (np.random.RandomState(seed).randn(N, outputs) * size).astype(np.float32)


def pixels(kind, channels, seed=1):
    x = np.random.RandomState(seed).randint(0, 256, (N, channels)).astype(np.uint8)
    x[:4], x[4:8] = 0, 255
    return (x > 127).astype(np.uint8) * 255 if isinstance(kind, c.BernoulliPixels) else x


def tables(kind, channels, given, x):
    """p of each level of each channel, [N, levels], by the cumulative distributions."""
    p, found = cumulative.for_likelihood(kind, channels, SCALE)(given), []
    for channel in range(channels):
        below = p.cumulative(channel)
        assert below.shape == (len(p.levels) - 1, len(given)) and below.dtype == np.float64
        ends = np.zeros([1, len(given)]), np.ones([1, len(given)])
        found.append(np.diff(np.concatenate([ends[0], below, ends[1]]), axis=0).T)
        p.observe(channel, x[:, channel])
    return found


def by_tensorflow(kind, channels, given, x):
    """The same by `Likelihood.log_table`, in float32."""
    p = likelihoods.from_parameters(kind, tf.constant(given[:, None, None]), channels)
    if isinstance(kind, c.MSE):
        p = p.with_scale(SCALE)
    x = tf.constant(x[:, None, None])
    with tf.Session() as session:
        found = session.run([p.log_table(channel, x) for channel in range(channels)])
    levels = [0, 255] if isinstance(kind, c.BernoulliPixels) else slice(None)
    return [t[:, 0, 0][:, levels].astype(np.float64) for t in found]


@pytest.mark.parametrize("size", [0.3, 1.0])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", sorted(KINDS))
def test_they_are_tensorflows_distributions(name, channels, size):
    kind = KINDS[name]
    given, x = parameters(kind, channels, size), pixels(kind, channels)
    for ours, theirs in zip(tables(kind, channels, given, x), by_tensorflow(kind, channels, given, x)):
        np.testing.assert_allclose(ours.sum(1), 1.0, atol=1e-12)
        likely = theirs > -9.0
        assert likely.sum() > N
        np.testing.assert_allclose(np.log(ours[likely]), theirs[likely], atol=1e-4)
        assert np.abs(ours - np.exp(theirs)).sum(1).max() < 1e-4


@pytest.mark.parametrize("size", [5.0, 100.0, 1e6])
@pytest.mark.parametrize("name", sorted(KINDS))
def test_so_they_are_of_absurd_parameters(name, size):
    # float32's means and scales are off by parts of 1e-7 there, which logarithms far from the mean multiply.
    kind = KINDS[name]
    given, x = parameters(kind, 3, size, seed=2), pixels(kind, 3)
    for ours, theirs in zip(tables(kind, 3, given, x), by_tensorflow(kind, 3, given, x)):
        assert np.isfinite(ours).all() and ours.min() > -1e-14
        assert np.abs(ours - np.exp(theirs)).sum(1).max() < 1e-3


def test_a_mixture_rises_from_level_to_level():
    given = np.concatenate([parameters(c.LogisticMixturePixels(3), 1, size, seed=3) for size in (0.1, 1, 3, 30, 1e4)])
    p = cumulative.for_likelihood(c.LogisticMixturePixels(3), 1, None)(given).cumulative(0)
    # To the last bit, but for what is below 1e-17 of a component, where anchors are clipped.
    assert np.diff(p, axis=0).min() > -1e-16 and p.min() >= 0.0 and p.max() <= 1.0 + 1e-15


def test_a_float64_oracle_of_the_mixture():
    from scipy import special

    given, x = (
        parameters(c.LogisticMixturePixels(2), 3, 0.7, seed=4).astype(np.float64),
        pixels(c.CategoricalPixels(), 3),
    )
    logits, mean, log_scale, move = np.split(given, np.cumsum([2, 6, 6]), 1)
    mean = np.clip((mean.reshape(N, 3, 2) + 1) * 127.5, -256, 512)
    scale = np.exp(np.clip(log_scale.reshape(N, 3, 2) + 3, -3, 7))
    move = np.tanh(move).reshape(N, 3, 2)
    centred = x - 127.5
    mean[:, 1] += move[:, 0] * centred[:, :1]
    mean[:, 2] += move[:, 1] * centred[:, :1] + move[:, 2] * centred[:, 1:2]
    edges = np.concatenate([[-np.inf], np.arange(255) + 0.5, [np.inf]])
    mass = np.diff(special.expit((edges - mean[..., None]) / scale[..., None]), axis=-1)  # [N, 3, 2, 256]
    weights = special.softmax(logits, 1)
    for channel, ours in enumerate(tables(c.LogisticMixturePixels(2), 3, given.astype(np.float32), x)):
        want = (weights[..., None] * mass[:, channel]).sum(1)
        np.testing.assert_allclose(ours, want, atol=1e-7)
        weights = weights * np.take_along_axis(mass[:, channel], x[:, channel, None, None].astype(int), 2)[..., 0]
        weights /= weights.sum(1, keepdims=True)


@pytest.mark.parametrize("name", sorted(KINDS))
def test_the_bits_are_those_of_every_other_machine(name):
    # Parameters and pixels by integers: nothing of NumPy's random numbers or functions enters.
    outputs = likelihoods.parameters(KINDS[name], 3)
    given = ((np.arange(40 * outputs) * 7919 % 1009 - 504) / np.float32(200)).astype(np.float32).reshape(40, outputs)
    x = (np.arange(120) * 83 % 256).astype(np.uint8).reshape(40, 3)
    p, crc = cumulative.for_likelihood(KINDS[name], 3, SCALE)(given), 0
    for channel in range(3):
        crc = zlib.crc32(np.ascontiguousarray(p.cumulative(channel)).tobytes(), crc)
        p.observe(channel, x[:, channel])
    assert crc == FROZEN[name]


# A file that was written with these tables must be read with them. TensorFlow 1.15's NumPy gives the same.
FROZEN = {
    "mse": 3865613227,
    "bernoulli": 1137454727,
    "gaussian": 1976449228,
    "logistic": 3259507038,
    "mixture": 1058783194,
    "mixture of one": 899454323,
    "mixture of ten": 1013957764,
    "categorical": 1055521826,
}
