"""The examples of docs/extending.md, each run as it stands on the page and then used; and the form of both pages."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers.extending import ROOT, copy_package, example, examples_as_modules, page, vq_train
from vq_estimator import config as c
from vq_estimator.config.registry import Registry, Row
from vq_estimator.errors import VQError
from vq_estimator.models import objectives, vqvae
from vq_estimator.nn import decoders, likelihoods, quantizers
from vq_estimator.nn.likelihoods import cumulative
from vq_estimator.training import optimization

pytestmark = pytest.mark.once

MAX_LINES = 30


@pytest.fixture
def added(tmp_path, monkeypatch):
    with examples_as_modules(tmp_path, monkeypatch) as run:
        yield run


def small(**given):
    return c.make_config("mnist", **{**dict(D=16, batch_size=4, max_steps=2), **given})


def train_two_steps(config):
    """Trains a model on four images.

    Returns:
      The losses before each step and after, whether each variable moved, the codes of the images, what the model
      decodes them to, and what it decodes vectors of noise to.
    """
    m = config.model
    images = np.random.RandomState(0).randint(0, 256, (4, *m.shape)).astype(np.uint8)
    with tf.Graph().as_default():
        step = tf.train.get_or_create_global_step()
        model = vqvae.make(m)
        out = model(tf.constant(images), True, tf.identity(step))
        loss = tf.reduce_mean(objectives.terms(tf.constant(images), out, config.objective, m).total)
        train = optimization.minimize(loss, tf.constant(1e-2), step, out.quantized.update)
        codes = model.encode(tf.constant(images))
        noise = 30.0 * np.random.RandomState(1).randn(4, *m.grid[:2], m.quantizer.vectors_per_position, m.quantizer.D)
        decoded = model.decode(codes), model.decode_vectors(tf.constant(noise, tf.float32))
        variables = tf.trainable_variables()
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            old = session.run(variables)
            losses = [session.run([loss, train])[0] for _ in range(2)] + [session.run(loss)]
            moved = [np.abs(a - b).max() > 0.0 for a, b in zip(old, session.run(variables))]
            names = [v.op.name for v in variables]
            return (losses, dict(zip(names, moved)), *session.run([codes, *decoded]))


def changed_by(diff):
    """Path to a function that applies the changes of a page's diff; the lines that it shows must be there once."""
    changes = {}
    for path, hunk in re.findall(r"^--- (\S+)\n(.*?)(?=^--- |\Z)", diff, re.M | re.S):
        lines = hunk.splitlines(True)
        old = "".join(line[1:] for line in lines if line[0] in " -")
        new = "".join(line[1:] for line in lines if line[0] in " +")

        def change(text, path=path, old=old, new=new):
            assert text.count(old) == 1, f"{path} does not have the lines that docs/extending.md changes"
            return text.replace(old, new)

        changes[path] = change
    return changes


TITLES = ("setting", "likelihood", "quantizer", "decoder", "data set", "kind of data")


@pytest.mark.parametrize("title", TITLES)
def test_an_example_is_short(title):
    lines = [line for line in example(title).splitlines() if line.strip()]
    assert 5 <= len(lines) <= MAX_LINES
    assert max(map(len, lines)) <= 120


def test_the_page_has_a_section_for_each_row_of_its_table():
    assert re.findall(r"^## A (.*)$", page(), re.M) == list(TITLES)
    assert len(page().splitlines()) <= 270
    for name in re.findall(
        r"`((?:config|nn|models|data|inference|vq_estimator|tests|tools|launch)/[\w/]*(?:\.py)?)`", page()
    ):
        at = [os.path.join(ROOT, name), os.path.join(ROOT, "vq_estimator", name)]
        assert any(map(os.path.exists, at)), name


def test_a_setting_is_a_flag_a_help_text_an_argument_and_a_check(tmp_path):
    changes = changed_by(example("setting"))
    in_config = [path for path in changes if path.startswith("vq_estimator/config/")]
    assert len(changes) == 2 and len(in_config) == 1
    folder = tmp_path
    copy_package(folder, changes)
    status, out, _ = vq_train(folder, "--dataset=cifar10", "--preset=factorised", "--help")
    assert re.search(r"--final_rate=FLOAT\s+fraction of the learning rate [\w ]+ \[0.01\]", out) and status in (0, 1)
    for value in ("-0.1", "1.5"):
        status, out, err = vq_train(folder, "--preset=autoregressive", "--final_rate=" + value)
        assert status in (1, 2) and not out and "final_rate: got " + value in err and len(err.splitlines()) == 1
    status, _, err = vq_train(folder, "--final_rate=0.5")
    assert status in (1, 2) and "final_rate: got 0.5, expected no value: without final_decay" in err
    status, out, _ = vq_train(folder, "--final_decay=0.5", "--final_rate=0.25", "--print_config")
    assert status == 0 and '"final_rate": 0.25' in out
    program = """
import tensorflow.compat.v1 as tf
from vq_estimator import config as c
from vq_estimator.training.optimization import learning_rate
for given in (dict(final_rate=0.25), {}):
    config = c.make_config("mnist", final_decay=0.5, learning_rate=1.0, **given)
    found = [f.value for f in c.settings_of(config) if f.flag == "final_rate"]
    assert c.from_json(c.to_json(config)) == config
    with tf.Graph().as_default(), tf.Session() as session:
        print(found, session.run([learning_rate(config.optimizer, tf.constant(s), 100) for s in (0, 75, 100)]))
"""
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    command = [sys.executable, "-c", program]
    out = subprocess.check_output(command, cwd=str(folder), env=environment, stderr=subprocess.DEVNULL)
    assert out.decode().splitlines() == ["[0.25] [1.0, 0.5, 0.25]", "[0.01] [1.0, 0.5, 0.01]"]


def test_a_likelihood_sums_to_one_equals_its_numpy_class_and_learns(added):
    added("likelihood")
    config = small(likelihood="laplace", objective="elbo", K=8)
    assert c.from_json(c.to_json(config)) == config
    like = config.model.likelihood
    assert likelihoods.parameters(like, 3) == 6
    values = np.random.RandomState(0).uniform(-4.0, 4.0, (1, 1, 50, 6)).astype(np.float32)
    x = np.random.RandomState(1).randint(0, 256, (1, 1, 50, 3)).astype(np.uint8)
    p = likelihoods.from_parameters(like, tf.constant(values), 3)
    with tf.Session() as session:
        table, log_prob, drawn, mean = session.run(
            [[p.log_table(i) for i in range(3)], p.log_prob(x), p.sample(tf.constant([0, 1])), p.mean()]
        )
    table = np.stack(table, -2)[0, 0]  # [50, 3, 256]
    np.testing.assert_allclose(np.exp(table.astype(np.float64)).sum(-1), 1.0, atol=2e-5)
    np.testing.assert_allclose(np.take_along_axis(table, x[0, 0, :, :, None], -1).sum(), log_prob[0], rtol=1e-4)
    centre = np.clip((values[0, 0, :, :3].astype(np.float64) + 1.0) * 127.5, -256.0, 512.0)
    scale = np.exp(np.clip(values[0, 0, :, 3:].astype(np.float64) + 3.0, -3.0, 7.0))
    mass = np.exp(
        -(np.abs(np.arange(256) - centre[..., None]) - np.abs(centre - np.clip(np.round(centre), 0, 255))[..., None])
        / scale[..., None]
    )
    mass /= mass.sum(-1, keepdims=True)
    np.testing.assert_allclose(np.exp(table), mass, atol=1e-4)
    assert drawn.dtype == np.uint8 and ((mean >= 0.0) & (mean <= 1.0)).all()
    pixels = cumulative.for_likelihood(like, 3, None)(values[0, 0])
    for channel in range(3):
        below = pixels.cumulative(channel)
        assert below.dtype == np.float64 and (np.diff(below, axis=0) >= 0.0).all()
        np.testing.assert_allclose(below, np.cumsum(mass[:, channel], -1)[:, :-1].T, atol=1e-6)
        pixels.observe(channel, x[0, 0, :, channel])
    losses, moved, _, _, _ = train_two_steps(config)
    assert np.isfinite(losses).all() and losses[2] < losses[0] and all(moved.values())


def test_a_quantizer_passes_gradients_encodes_and_looks_up(added):
    added("quantizer")
    config = small(D=None, quantizer="sign", bits=5)
    q = config.model.quantizer
    assert (q.K, q.D, q.L, q.codebook_by_gradient) == (32, 5, 1, False)
    assert c.from_json(c.to_json(config)) == config and c.make_config("mnist", quantizer="sign", bits=5, K=32)
    for bad, message in (
        (dict(K=33), "K: got 33, expected 32"),
        (dict(bits=17), "bits: got 17"),
        (dict(beta=1.0), "beta: got 1.0"),
    ):
        with pytest.raises(VQError, match="^" + message):
            c.make_config("mnist", quantizer="sign", **{"bits": 5, **bad})
    with pytest.raises(VQError, match="bits: got 5, expected no value: only --quantizer=sign has"):
        c.make_config("mnist", bits=5)
    quantizer = quantizers.make(q)
    z = np.random.RandomState(0).randn(2, 3, 3, 1, 5).astype(np.float32)
    z_e = tf.constant(z)
    out, training = quantizer(z_e, False), quantizer(z_e, True, tf.constant(0, tf.int64))
    weights = np.random.RandomState(1).randn(*z.shape).astype(np.float32)
    gradient = tf.gradients(tf.reduce_sum(training.z_q * weights), z_e)[0]
    with tf.Session() as session:
        codes, z_q, again, entries, gradient, learnt = session.run(
            [out.codes, out.z_q, quantizer.lookup(out.codes), quantizer.entries(), gradient, training.z_q]
        )
        with pytest.raises(tf.errors.InvalidArgumentError):
            session.run(quantizer.lookup(tf.constant([[[[32]]]])))
    np.testing.assert_array_equal(codes, ((z > 0) * [1, 2, 4, 8, 16]).sum(-1))
    np.testing.assert_array_equal(z_q, np.where(z > 0, 1.0, -1.0))
    np.testing.assert_array_equal(again, z_q)
    np.testing.assert_array_equal(entries[0, codes], z_q)
    np.testing.assert_allclose(learnt, z_q, atol=1e-6)
    np.testing.assert_allclose(gradient, weights * (1.0 - np.tanh(z) ** 2), atol=1e-5)
    losses, moved, codes, _, _ = train_two_steps(config)
    assert np.isfinite(losses).all() and losses[2] < losses[0] and all(moved.values())
    assert codes.shape == (4, 3, 3, 1) and codes.min() >= 0 and codes.max() < 32


@pytest.mark.parametrize("likelihood", ["mse", "logistic_mixture"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_decoder_decodes(added, likelihood, precision):
    added("decoder")
    config = small(decoder="subpixel", subpixel_channels=6, K=8, likelihood=likelihood, precision=precision)
    assert c.from_json(c.to_json(config)) == config and not config.model.is_stochastic_decoder
    with pytest.raises(VQError, match="subpixel_channels: got 4, expected no value: only --decoder=subpixel has"):
        c.make_config("mnist", subpixel_channels=4)
    losses, moved, _, decoded, of_noise = train_two_steps(config)
    assert decoded.shape == (4, 24, 24, 1) and decoded.dtype == np.uint8
    assert all(of_noise[0].std(axis).max() > 0 for axis in (0, 1)) and (of_noise[0] != of_noise[1]).any()
    assert np.isfinite(losses).all() and losses[2] < losses[0]
    assert moved["decoder/conv_1/w"] and moved["decoder/to_pixels/b"]


def test_a_name_or_a_class_is_added_once(added):
    example = added("likelihood")
    with pytest.raises(VQError, match="likelihood: got 'laplace', expected a new variant"):
        c.LIKELIHOODS.add("laplace", Row(c.Settings, "none:None"))
    with pytest.raises(VQError, match="likelihood: got 'other', expected a new variant"):
        c.LIKELIHOODS.add("other", Row(example.LaplacePixels, "none:None"))
    with pytest.raises(VQError, match="likelihood: got 'mse', expected a new variant"):
        c.LIKELIHOODS.add("mse", Row(c.Settings, "none:None"))
    c.LIKELIHOODS.remove("laplace")
    with pytest.raises(VQError, match="likelihood: got 'laplace', expected one of mse"):
        c.make_config("mnist", likelihood="laplace")
    assert c.type_name(example.LaplacePixels()) == "" and isinstance(c.LIKELIHOODS, Registry)


def test_an_autoregressive_decoder_of_ones_own_is_refused_with_mse(added):
    added("decoder")
    cls = c.DECODERS.rows["subpixel"].config
    cls.is_stochastic = True
    with pytest.raises(VQError, match="likelihood: got 'mse', expected another one with --decoder=subpixel"):
        c.make_config("mnist", decoder="subpixel")
    assert issubclass(c.implementation(cls()), decoders.Factorised)
