"""The networks of a speech model: lengths, dependence on the past, conditioning dropout and guidance."""

import json

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers.speech_models import SMALL, STRIDE
from vq_estimator import config as c
from vq_estimator.errors import VQError
from vq_estimator.models import vqvae as vqvae_lib
from vq_estimator.nn.likelihoods import pixels


def test_configuration_round_trip_and_what_images_have_alone():
    config = c.with_data(c.make_config("fsdd", downsampling=32), "fsdd-half", ("a", "b"))
    assert c.from_json(c.to_json(config)) == config and config.preset == "wavenet"
    assert config.model.network.stride == 32 and config.model.grid == (1, 64, 1)
    for given, message in (
        (dict(flip=True), "flip: got True, expected no value"),
        (dict(likelihood="mse"), "likelihood: got 'mse', expected no value: fsdd has no such setting"),
        (dict(downsampling=48), "downsampling: got 48, expected a power of 2"),
        (dict(window=100), "window: got 100, expected a multiple of 64"),
        (dict(hidden_channels="8,8", downsampling=8), "hidden_channels: got .* expected 3 numbers"),
    ):
        with pytest.raises(VQError, match=message):
            c.make_config("fsdd", **given)
    with pytest.raises(VQError, match="window: got 64, expected no value: mnist has no such setting"):
        c.make_config("mnist", window=64)


def test_an_older_configuration_is_one_of_images():
    text = json.loads(c.to_json(c.make_config("mnist")))
    assert text["model"].pop("type") == "image"
    assert c.from_json(json.dumps(text)) == c.make_config("mnist")


@pytest.mark.parametrize("length", [1, 63, 64, 65, 200])
def test_any_length(length):
    m = c.with_data(c.make_config("wav", **SMALL), "x", ("a", "b")).model
    vqvae, x = vqvae_lib.make(m), tf.placeholder(tf.uint8, [None, 1, None, 1])
    out = vqvae(x, speakers=tf.constant([0, 1]))
    drawn = vqvae.decode(out.quantized.codes, speakers=tf.constant([0, 1]))
    levels = np.random.RandomState(0).randint(0, 256, (2, 1, length, 1)).astype(np.uint8)
    table = tf.reduce_logsumexp(out.likelihood.log_table(0), -1)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        codes, log_p, total, drawn = session.run(
            [out.quantized.codes, out.likelihood.log_prob(x), table, drawn], {x: levels}
        )
    n = -(-length // STRIDE)
    assert codes.shape == (2, 1, n, 1) and log_p.shape == (2,) and drawn.shape == (2, 1, n * STRIDE, 1)
    assert total.shape == (2, 1, length)  # of each sample the 256 levels, which sum to one
    np.testing.assert_allclose(total, 0.0, atol=1e-5)


def test_a_sample_depends_on_its_codes_its_speaker_and_the_past():
    m = c.with_data(c.make_config("wav", **SMALL), "x", ("a", "b")).model
    vqvae = vqvae_lib.make(m)
    x = tf.constant(np.random.RandomState(0).randint(0, 256, (1, 1, 256, 1)).astype(np.uint8))
    z_q = tf.constant(np.random.RandomState(1).randn(1, 1, 4, 1, 8).astype(np.float32))
    tables = [vqvae.likelihood_of_vectors(z_q, x, [s]).log_table(0) for s in (0, 1)]
    later = tf.concat([x[:, :, :128], 255 - x[:, :, 128:]], 2)
    changed = vqvae.likelihood_of_vectors(z_q, later, [0]).log_table(0)
    grad = tf.gradients(tables[0][0, 0, 140, 7], z_q)[0]
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        (first, other), changed, grad = session.run([tables, changed, grad])
    assert np.abs(first - other).max() > 1e-4
    np.testing.assert_allclose(changed[0, 0, :129], first[0, 0, :129], atol=1e-6)
    assert np.abs(changed[0, 0, 129] - first[0, 0, 129]).max() > 1e-6
    assert np.abs(grad[0, 0, 2]).max() > 0


def test_of_some_windows_training_drops_the_condition():
    m = c.with_data(c.make_config("wav", **dict(SMALL, wavenet_condition_dropout=0.4)), "x", ("a", "b")).model
    vqvae = vqvae_lib.make(m)
    x = tf.constant(np.random.RandomState(0).randint(0, 256, (1, 1, 128, 1)).repeat(200, 0).astype(np.uint8))
    z_q, who = tf.constant(np.random.RandomState(1).randn(200, 1, 2, 1, 8).astype(np.float32)), [0, 1] * 100

    def log_p(step):
        seed = None if step is None else tf.constant([3, step], tf.int64)
        return vqvae.likelihood_of_vectors(z_q, x, who, training_seed=seed).log_prob(x)

    steps = [log_p(step) for step in (None, 0, 1)]
    loss = [vqvae(x, True, step, who).likelihood.log_prob(x) for step in (0, 0, 1)]
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        (full, first, second), loss = session.run([steps, loss])
    alone = first[np.abs(first - full) > 1e-3]
    assert 50 < len(alone) < 110  # of 200, 80 are expected
    np.testing.assert_allclose(alone, alone[0], rtol=1e-5)  # whatever the codes and the speaker are
    assert np.unique(full.round(3)).size > 100
    assert (first != second).any()
    np.testing.assert_array_equal(loss[0], loss[1])  # a resumed run repeats them
    assert (loss[0] != loss[2]).any()


@pytest.mark.parametrize("guidance", [0.0, 1.0, 2.5])
def test_a_guided_draw_is_of_the_two_full_passes(guidance):
    m = c.with_data(c.make_config("wav", **SMALL), "x", ("a", "b")).model
    vqvae = vqvae_lib.make(m)
    z_q = tf.constant(np.random.RandomState(1).randn(2, 1, 4, 1, 8).astype(np.float32))
    drawn = vqvae.decode_vectors(z_q, 5, speakers=[0, 1], guidance=tf.constant(guidance))
    x = tf.placeholder(tf.uint8, [2, 1, 256, 1])
    given = vqvae.likelihood_of_vectors(z_q, x, [0, 1]).log_table(0)
    seeds = tf.constant([[1, number] for number in range(200)], tf.int64)  # among 200 both are dropped somewhere
    some = tf.map_fn(
        lambda s: vqvae.likelihood_of_vectors(z_q, x, [0, 1], training_seed=s).log_table(0), seeds, tf.float32
    )
    noise = pixels.uniform([256, 2], [5, 0])
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        drawn = session.run(drawn)
        given, some, noise = session.run([given, some, noise], {x: drawn})
    far = np.abs(some - given).max((2, 3, 4))  # [200, 2]
    without = np.stack([some[far[:, i].argmax(), i] for i in range(2)])
    assert (far.max(0) > 1e-3).all()
    logits = (without + guidance * (given - without))[:, 0].astype(np.float64)  # [2, 256, levels]
    p = np.exp(logits - logits.max(-1, keepdims=True))
    below = np.cumsum(p / p.sum(-1, keepdims=True), -1) < noise.T[..., np.newaxis]
    assert (np.minimum(below.sum(-1), 255) == drawn[:, 0, :, 0]).mean() > 0.99  # a sum in another order may turn a draw
