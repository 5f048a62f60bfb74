"""Distortion + rate bounds -ln p(x). p(x) is summed by brute force over every image and every code map."""

import itertools

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from vq_estimator import config as c
from vq_estimator.inference import code_cost, measurement, summary
from vq_estimator.inference.calibration import Calibration
from vq_estimator.models.vqvae import VQVAE
from vq_estimator.nn import likelihoods
from vq_estimator.nn.quantizers import VectorQuantizer

pytestmark = pytest.mark.once

K, D = 3, 2


def check(log_p_given_z, codes):
    """log_p_given_z [X, K], over all images and all values of the one code; codes [X], the encoder's."""
    joint = log_p_given_z.astype(np.float64) - np.log(K)  # uniform prior
    log_p = np.logaddexp.reduce(joint, axis=1)
    assert np.exp(log_p).sum() == pytest.approx(1.0, abs=1e-4)  # p(x) is a distribution over all the images there are
    bound = -joint[np.arange(len(codes)), codes]  # distortion + rate of the deterministic encoder's code
    gap = bound + log_p
    assert gap.min() >= -1e-6 and gap.max() > 1e-3  # a bound for every image, and not the thing itself
    assert len(set(codes)) > 1


@pytest.mark.parametrize("decoder", [c.FactorisedDecoder(), c.AutoregressiveDecoder("residual", 2, 4, 3)])
def test_all_binary_2x2_images_under_the_vqvae(decoder):
    network = c.NetworkConfig(hidden_channels=(4,), initializer="he")
    model = VQVAE(
        c.ModelConfig(
            2, 1, network, c.make_config("mnist", K=K, D=4).model.quantizer, c.BernoulliPixels(), decoder, binarize=True
        )
    )
    every = np.array(list(itertools.product([0, 255], repeat=4)), np.uint8).reshape(16, 2, 2, 1)
    codes = model.encode(tf.constant(every))
    table = []
    for k in range(K):
        p = model.likelihood(tf.fill([16, 1, 1, 1], k), tf.constant(every))
        table.append(p.log_prob(tf.constant(every)))
    out = model(tf.constant(every))
    with tf.Session() as session:
        # Weights under which the codes and the pixels differ; any will do.
        rng = np.random.RandomState(4)
        session.run([v.assign(rng.randn(*v.shape.as_list())) for v in tf.global_variables()])
        codes, table, distortion = session.run(
            [codes, tf.stack(table, 1), -out.likelihood.log_prob(tf.constant(every))]
        )
    codes = codes.reshape(-1)
    np.testing.assert_allclose(distortion, -table[np.arange(16), codes], rtol=1e-5)
    check(table, codes)


AUTOREGRESSIVE = c.AutoregressiveDecoder("residual", 1, 3, 2)
SEVERAL = {  # quantizer, its K, its L, decoder
    "vq": ("vq", 2, 1, c.FactorisedDecoder()),
    "vq, two codebooks": ("vq", 2, 2, c.FactorisedDecoder()),
    "residual": ("residual", 2, 2, c.FactorisedDecoder()),
    "autoregressive": ("vq", 2, 1, AUTOREGRESSIVE),
}


@pytest.mark.parametrize("case", sorted(SEVERAL))
def test_what_an_evaluation_says_bounds_all_binary_4x4_images_of_2x2_positions(case):
    """65,536 images, K^(4 L) code maps: p(x) with the package's own rates sums to 1, and its bits/dim bound it."""
    kind, K, L, decoder = SEVERAL[case]
    quantizer = c.make_config("mnist", quantizer=kind, K=K, D=4, L=L).model.quantizer
    network = c.NetworkConfig(hidden_channels=(4,), initializer="he")
    m = c.ModelConfig(4, 1, network, quantizer, c.BernoulliPixels(), decoder, binarize=True)
    config = c.Config("mnist", "original", m)
    bits = (np.arange(65536)[:, np.newaxis] >> np.arange(16)) & 1
    every = (255 * bits).astype(np.uint8).reshape(-1, 4, 4, 1)
    maps = np.array(list(itertools.product(range(K), repeat=4 * L)), np.int32).reshape(-1, 2, 2, L)
    x, z = tf.constant(every), tf.placeholder(tf.int32, [None, 2, 2, L])
    model = VQVAE(m)
    out = model(x)
    if decoder is AUTOREGRESSIVE:
        of_one = model.likelihood(tf.tile(z, [len(every), 1, 1, 1]), x).log_prob(x)
    else:
        of_levels = tf.gather(model.likelihood(z, None).log_table(0), [0, 255], axis=-1)
    with tf.Session() as session:
        rng = np.random.RandomState(4)
        session.run([v.assign(rng.randn(*v.shape.as_list())) for v in tf.global_variables()])
        distortion, codes = session.run([-out.likelihood.log_prob(x), out.quantized.codes])
        if decoder is AUTOREGRESSIVE:
            table = np.stack([session.run(of_one, {z: one[np.newaxis]}) for one in maps], 1).astype(np.float64)
        else:
            black, white = np.moveaxis(session.run(of_levels, {z: maps}).reshape(-1, 16, 2).astype(np.float64), -1, 0)
            table = bits @ white.T + (1 - bits) @ black.T  # [X, Z]
    numbers = {one.tobytes(): i for i, one in enumerate(maps)}
    own = np.array([numbers[one.tobytes()] for one in codes])
    assert len(np.unique(own)) > 4
    np.testing.assert_allclose(distortion, -table[np.arange(len(every)), own], rtol=1e-4)

    def examples(distortion, codes):
        none = np.zeros(len(codes))
        dims, positions = np.full(len(codes), 16), np.full(len(codes), 4)
        pixels = measurement.PixelSums(1, 1, 1)
        return measurement.PerExample(none, distortion, none, codes, none, None, dims, positions, pixels)

    calibration = Calibration(None, rng.randint(0, 50, (L, K)))
    found = examples(distortion.astype(np.float64), codes)
    said = summary.bits_per_dim(summary.summarize(found, config, calibration))
    rates = {
        "uniform": code_cost.uniform_cost(config, np.full(len(maps), 4)),
        "unigram": code_cost.unigram_cost(maps, calibration),
    }
    for prior, nats in rates.items():
        assert np.exp(-nats).sum() == pytest.approx(1.0, abs=1e-9)  # the rates are those of a distribution over maps
        log_p = np.logaddexp.reduce(table - nats, axis=1)
        assert np.exp(log_p).sum() == pytest.approx(1.0, abs=1e-4)
        each = distortion + nats[own]
        assert (each + log_p).min() >= -1e-5 and (each + log_p).max() > 1e-3  # for every image
        assert said["total_" + prior] == pytest.approx(each.mean() / (16 * np.log(2.0)), rel=1e-6)
        assert said["total_" + prior] == pytest.approx(said["distortion"] + said["rate_" + prior], abs=1e-12)


KINDS = {
    "mse": c.MSE(),  # with a scale, as it is evaluated
    "gaussian": c.GaussianPixels(),
    "logistic": c.LogisticPixels(),
    "logistic_mixture": c.LogisticMixturePixels(2),
    "categorical": c.CategoricalPixels(),
}


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("shape", [(1, 2, 1), (1, 1, 2)])  # two pixels; two channels, which a mixture makes depend
def test_all_65536_images_of_two_values(kind, shape):
    height, width, channels = shape
    every = np.stack(np.meshgrid(np.arange(256), np.arange(256), indexing="ij"), -1).astype(np.uint8)
    x = tf.constant(every.reshape((-1,) + shape))
    rng = np.random.RandomState(7)
    quantizer = VectorQuantizer(c.make_config("mnist", K=K, D=4).model.quantizer)
    n = likelihoods.parameters(KINDS[kind], channels)
    encoder = tf.constant(rng.randn(2, 4).astype(np.float32))
    decoder = tf.constant(rng.randn(4, height * width * n).astype(np.float32))

    def p_given(codes):
        values = tf.reshape(tf.matmul(tf.reshape(quantizer.lookup(codes), [-1, 4]), decoder), [-1, height, width, n])
        p = likelihoods.from_parameters(KINDS[kind], values, channels)
        return p.with_scale(20.0) if kind == "mse" else p

    z_e = tf.reshape(tf.matmul(tf.reshape(likelihoods.to_unit(x), [-1, 2]), encoder), [-1, 1, 1, 1, 4])
    codes = quantizer(z_e, False).codes
    table = tf.stack([p_given(tf.fill([65536, 1, 1, 1], k)).log_prob(x) for k in range(K)], 1)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        session.run([v.assign(rng.randn(*v.shape.as_list())) for v in tf.global_variables()])
        codes, table = session.run([codes, table])
    check(table, codes.reshape(-1))
