"""The autoregressive decoder in the VQ-VAE: causal, repeatable, and its draws equal those of the full pass."""

import dataclasses

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers.marks import needs_bfloat16, slow
from vq_estimator import config as c
from vq_estimator.models.vqvae import VQVAE
from vq_estimator.nn.code_sampling import noise_seed
from vq_estimator.nn.decoders import SEEDS_PER_PIXEL

S = 8
LIKELIHOODS = {
    "gaussian": c.GaussianPixels(),
    "logistic": c.LogisticPixels(),
    "logistic_mixture": c.LogisticMixturePixels(2),
    "categorical": c.CategoricalPixels(),
}
TWO = [n if n in ("logistic_mixture", "categorical") else slow(n) for n in sorted(LIKELIHOODS)]
SMALL = c.AutoregressiveDecoder("residual", 3, 8, 6)


def vqvae(likelihood="logistic_mixture", decoder=SMALL):
    network = c.NetworkConfig(hidden_channels=(8,), residual_blocks=1, initializer="he")
    codebook = c.VectorQuantizerConfig(5, 8, 2, c.EMACodebook())
    return VQVAE(c.ModelConfig(S, 3, network, codebook, LIKELIHOODS[likelihood], decoder))


def images(n, seed=0):
    return np.random.RandomState(seed).randint(0, 256, [n, S, S, 3]).astype(np.uint8)


def codes(n, seed=0):
    return np.random.RandomState(seed).randint(0, 5, [n, S // 2, S // 2, 2]).astype(np.int32)


def run(tensors):
    tf.set_random_seed(1)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        return session.run(tensors)


@pytest.mark.parametrize("at", [(0, 0), (0, 4), (3, 0), (4, 4), (7, 7)])
def test_a_pixel_depends_on_all_before_it_none_after_it_and_on_the_codes(at):
    i, j = at
    model = vqvae("logistic", c.AutoregressiveDecoder("gated", 6, 8, 6))
    x = tf.constant(images(1).astype(np.float32))
    z_q = model.quantizer.lookup(tf.constant(codes(1)))
    mean = model.likelihood_of_vectors(z_q, x).mean()[0, i, j]
    by_x, by_z = tf.gradients(tf.reduce_sum(mean * tf.constant([1.0, 2.0, 3.0])), [x, z_q])
    by_x, by_z = run([by_x if by_x is not None else tf.zeros_like(x), by_z])
    order = np.arange(S * S).reshape(S, S)
    past = order < order[i, j]
    assert not by_x[0][~past].any()
    reach = np.zeros([S, S], bool)
    reach[max(0, i - 8) :, max(0, j - 8) :] = True
    assert (np.abs(by_x[0][past & reach]).max(-1) > 0).all()
    assert np.abs(by_z).max() > 0


@pytest.mark.parametrize("likelihood", TWO)
def test_a_draw_is_what_the_full_pass_would_draw_at_every_pixel(likelihood):
    model = vqvae(likelihood)
    given = tf.constant(codes(3))
    drawn = model.decode(given, 11)
    z_q = model._flat(model.quantizer.lookup(given))
    parameters = model.decoder._pixels(tf.cast(drawn, tf.float32) / 127.5 - 1.0, model.decoder._features(z_q))
    again = []
    for place in range(S * S):
        i, j = divmod(place, S)
        pixel = model.decoder._given(parameters[:, i : i + 1, j : j + 1])
        again.append(pixel.sample(tf.constant([11, place * SEEDS_PER_PIXEL], tf.int64))[:, 0, 0])
    drawn, again = run([drawn, tf.stack(again, 1)])
    different = (drawn.reshape(3, S * S, 3) != again).mean()
    assert different < 0.01  # a sum in another order may round a level to its neighbour
    assert np.abs(drawn.reshape(3, S * S, 3).astype(int) - again).max() <= 1 or likelihood == "categorical"
    assert drawn.std() > 5


def test_a_seed_decides_the_draw():
    model = vqvae()
    seed = tf.placeholder(tf.int64, [])
    drawn = model.decode(tf.constant(codes(2)), seed)
    tf.set_random_seed(1)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        a, b, other = (session.run(drawn, {seed: s}) for s in (3, 3, 4))
    np.testing.assert_array_equal(a, b)
    assert (a != other).mean() > 0.5
    assert a.dtype == np.uint8 and a.shape == (2, S, S, 3)


def test_a_codebook_of_one_entry_is_a_model_without_codes():
    config = c.make_config(
        *("cifar10", "original"),
        **dict(K=1, D=8, image_size=8, codebook="ema", decoder="autoregressive", decoder_channels=4, decoder_layers=1),
        **dict(likelihood="logistic"),
    )
    model = VQVAE(config.model)
    step = tf.train.get_or_create_global_step()
    x = tf.constant(images(4))
    out = model(x, True, tf.identity(step))
    with tf.control_dependencies([out.quantized.update()]):
        done = tf.constant(0)
    found = run([out.quantized.codes, out.likelihood.log_prob(x), done])
    assert not found[0].any() and np.isfinite(found[1]).all()


def test_decoders_name_their_trainable_variables():
    for decoder in (c.FactorisedDecoder(), c.AutoregressiveDecoder("gated", 1, 4, 4), c.LocalDecoder()):
        with tf.Graph().as_default():
            model = vqvae(decoder=decoder)
            model(tf.constant(images(1)))
            ours = model.encoder.trainable_variables + model.decoder.trainable_variables
            assert {v.op.name for v in ours} == {v.op.name for v in tf.trainable_variables()}


@pytest.mark.parametrize("likelihood", TWO)
def test_with_shared_noise_equal_codes_give_equal_images(likelihood):
    model = vqvae(likelihood)
    given = codes(4)
    given[2] = given[0]
    apart, shared = model.decode(tf.constant(given), 5), model.decode(tf.constant(given), 5, shared=True)
    apart, shared = run([apart, shared])
    assert (apart[0] != apart[2]).mean() > 0.5
    np.testing.assert_array_equal(shared[0], shared[2])
    assert (shared[0] != shared[1]).any() or likelihood == "categorical"  # whose untrained logits are all alike


@needs_bfloat16
def test_in_bfloat16_a_draw_is_close_to_what_the_full_pass_says_and_training_has_a_gradient():
    config = vqvae("logistic").config
    model = VQVAE(dataclasses.replace(config, precision="bfloat16"))
    given, x = tf.constant(codes(2)), tf.constant(images(2))
    z_q = model._flat(model.quantizer.lookup(given))
    features = model.decoder._features(z_q)
    full = model.decoder._pixels(tf.cast(x, tf.float32) / 127.5 - 1.0, features)
    n = full.shape.as_list()[-1]
    pixels = tf.cast(x, tf.float32) / 127.5 - 1.0
    scanned = model.decoder._pixels.scan(features, 3, (n, tf.float32), lambda out, i, j: (pixels[:, i, j], out))
    loss = tf.reduce_mean(model.likelihood(given, x).log_prob(x))
    gradients = tf.gradients(loss, model.decoder.trainable_variables)
    full, scanned, gradients = run([full, scanned, gradients])
    assert np.abs(full - scanned).max() < 0.02 * np.abs(full).max() + 0.02
    assert all(np.isfinite(g).all() and np.abs(g).max() > 0 for g in gradients)


def test_no_code_is_drawn_with_the_noise_of_a_pixel():
    places = tf.constant([0, 5, 1023])
    code_seeds = tf.stack([noise_seed(7, place) for place in tf.unstack(places)])
    with tf.Session() as session:
        code_seeds = session.run(code_seeds)
    assert (code_seeds[:, 0] == 7).all() and (code_seeds[:, 1] < 0).all()  # pixels: place * SEEDS_PER_PIXEL >= 0
    assert len(set(code_seeds[:, 1])) == 3
