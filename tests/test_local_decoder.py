"""The local decoder inside the VQ-VAE: its draws are those of the full pass, and a training step is unbiased."""

import dataclasses

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers.codec_runs import write_run
from vq_estimator import config as c
from vq_estimator.errors import VQError
from vq_estimator.inference.image_model import ImageModel
from vq_estimator.models.vqvae import VQVAE
from vq_estimator.nn.likelihoods.logistic import LogisticMixture, couple_residuals
from vq_estimator.nn.likelihoods.pixels import uniform

S = 8
SMALL = c.LocalDecoder(reach=2, layers=1, channels=8, condition_channels=6, training_stride=4)
LIKELIHOODS = {"logistic_mixture": c.LogisticMixturePixels(2), "categorical": c.CategoricalPixels()}


def vqvae(likelihood="logistic_mixture", decoder=SMALL, precision="float32"):
    network = c.NetworkConfig(hidden_channels=(8,), residual_blocks=1, initializer="he")
    codebook = c.VectorQuantizerConfig(5, 8, 2, c.EMACodebook())
    return VQVAE(c.ModelConfig(S, 3, network, codebook, LIKELIHOODS[likelihood], decoder, precision))


def images(n, seed=0):
    return np.random.RandomState(seed).randint(0, 256, [n, S, S, 3]).astype(np.uint8)


def codes(n, seed=0):
    return np.random.RandomState(seed).randint(0, 5, [n, S // 2, S // 2, 2]).astype(np.int32)


def run(tensors):
    tf.set_random_seed(1)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        return session.run(tensors)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("likelihood", sorted(LIKELIHOODS))
def test_a_draw_is_what_the_full_pass_would_draw_from_the_same_noise(likelihood, shared):
    model = vqvae(likelihood)
    given = tf.constant(codes(3))
    drawn = model.decode(given, 11, shared)
    n = {"logistic_mixture": 4, "categorical": 3}[likelihood]  # one for the component, and one for each channel
    noise = uniform([1 if shared else 3, S * S, n], tf.constant([11, 0], tf.int64))
    again = model.likelihood(given, drawn).sample_from(tf.reshape(noise, [-1, S, S, n]) + tf.zeros([3, S, S, n]))
    drawn, again = run([drawn, again])
    assert (drawn != again).mean() < 0.01  # a sum in another order may round a level to its neighbour
    assert drawn.std() > 5 and drawn.dtype == np.uint8


def test_a_seed_decides_the_draw():
    model = vqvae()
    a, b, other = run([model.decode(tf.constant(codes(2)), seed) for seed in (3, 3, 4)])
    np.testing.assert_array_equal(a, b)
    assert (a != other).mean() > 0.5


def test_a_compiled_draw_has_the_same_noise():
    model = vqvae()
    plain, compiled = run([model.decode(tf.constant(codes(2)), 3, compiled=which) for which in (False, True)])
    assert (plain != compiled).mean() < 0.01


@pytest.mark.parametrize("focus", [1.0, 5.0])
def test_training_evaluates_random_pixels_whose_weighted_mean_is_the_likelihood(focus):
    pixels = images(2)
    pixels[:, :, : S // 2] = 17  # an area of one level
    model = vqvae(decoder=dataclasses.replace(SMALL, training_focus=focus))
    x = tf.constant(pixels)
    step = tf.placeholder(tf.int64, [])
    z_q = model.quantizer.lookup(tf.constant(codes(2)))
    some = model.likelihood_of_vectors(z_q, x, training=True, training_seed=tf.stack([tf.constant(5, tf.int64), step]))
    log_p, error = some.log_prob(x), some.squared_error(tf.cast(x, tf.float32) / 255.0)
    full = model.likelihood_of_vectors(z_q, x).log_prob(x)
    tf.set_random_seed(1)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        found = np.array([session.run(log_p, {step: n}) for n in range(400)])
        want, shape = session.run([full, error], {step: 0})[0], session.run(error, {step: 0}).shape
    deviation = found.std(0) / 400**0.5
    assert shape == (2,) and (deviation > 0).all()
    assert (np.abs(found.mean(0) - want) < 5 * deviation).all()


def test_evaluation_uses_all_pixels():
    model, x = vqvae(), tf.constant(images(2))
    evaluated, given = model(x).likelihood.log_prob(x), model.likelihood(model.encode(x), x).log_prob(x)
    evaluated, given = run([evaluated, given])
    np.testing.assert_allclose(evaluated, given, rtol=1e-5)


def test_the_stride_of_training_divides_the_image():
    with pytest.raises(VQError, match="decoder_training_stride: got 3, expected a divisor of the image's height"):
        vqvae(decoder=c.LocalDecoder(training_stride=3))


def test_a_model_decodes_compiled_and_refuses_it_for_other_decoders(tmp_path):
    settings = dict(decoder="local", decoder_layers=1, decoder_channels=8, likelihood="logistic_mixture")
    given = np.zeros([2, 1, 1, 1], np.int32)
    with ImageModel(write_run(tmp_path / "local", objective="elbo", **settings)) as model:
        plain, compiled = (model.decode(given, 5, compiled=which) for which in (False, True))
    assert plain.shape == compiled.shape == (2, 8, 8, 1) and (plain != compiled).mean() < 0.02
    with ImageModel(write_run(tmp_path / "other")) as model:
        with pytest.raises(VQError, match="compiled: got True, expected False: .* factorised"):
            model.decode(given, compiled=True)


def test_residual_coupling_shifts_a_mean_by_the_deviations_of_the_earlier_colours():
    M, n, rng = 3, 5, np.random.RandomState(0)
    parameters = (0.3 * rng.randn(n, LogisticMixture.parameters(3, M))).astype(np.float32)
    p = LogisticMixture.from_parameters(couple_residuals(tf.constant(parameters), M)[tf.newaxis, tf.newaxis], 3, M)
    levels = rng.randint(0, 256, [1, 1, n, 3]).astype(np.float32)
    found = run([p._mean_given(channel, tf.constant(levels))[0, 0] for channel in range(3)])
    mean = (parameters[:, M : 4 * M].reshape(n, 3, M) + 1.0) * 127.5
    green_red, blue_red, blue_green = np.tanh(parameters[:, 7 * M :].reshape(n, 3, M)).transpose(1, 0, 2)
    red, green = (levels[0, 0, :, c, np.newaxis] - mean[:, c] for c in range(2))  # deviations
    want = [mean[:, 0], mean[:, 1] + green_red * red, mean[:, 2] + blue_red * red + blue_green * green]
    np.testing.assert_allclose(found, want, rtol=1e-4, atol=1e-3)


def test_a_draw_with_contrasts_and_residual_coupling_is_that_of_the_full_pass():
    decoder = dataclasses.replace(SMALL, contrasts=True, residual_coupling=True)
    model, given = vqvae(decoder=decoder), tf.constant(codes(2))
    drawn = model.decode(given, 11)
    noise = tf.reshape(uniform([2, S * S, 4], tf.constant([11, 0], tf.int64)), [2, S, S, 4])
    drawn, again = run([drawn, model.likelihood(given, drawn).sample_from(noise)])
    assert (drawn != again).mean() < 0.01 and drawn.std() > 5
