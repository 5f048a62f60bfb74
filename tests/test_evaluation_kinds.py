"""Evaluations of several kinds of runs: colours, learnt likelihoods, autoregressive decoders, other codes."""

import dataclasses
import json
import math
import os

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers.evaluation_keys import KEYS
from helpers.marks import slow
from helpers.sessions import features_of, session_scope
from helpers.small_runs import small_config
from vq_estimator.config import catalogue, make_config
from vq_estimator.data import pipeline
from vq_estimator.data.sources import Source
from vq_estimator.errors import VQError
from vq_estimator.inference import evaluation, examples, exploration, export, measurement
from vq_estimator.inference.image_model import ImageModel
from vq_estimator.inference.session import open_run
from vq_estimator.training import checkpoints, trainer


@pytest.mark.parametrize(
    "settings",
    [
        slow(dict(K=5, D=16, L=2)),
        slow(dict(K=5, D=16, L=2, gradient="rotation", codebook="ema", kmeans_init_steps=2)),
        slow(dict(K=5, D=16, L=3, quantizer="residual", kmeans_init_steps=2, dead_entry_threshold=0.1)),
        dict(K=5, D=16, L=3, quantizer="residual", codebook="ema", kmeans_init_steps=2),
        slow(dict(quantizer="fsq", levels="5,4,3", L=2)),
    ],
    ids=["vq", "rotation", "residual", "residual-ema", "fsq"],
)
def test_cifar10_trains_evaluates_and_exports(tmp_path, settings):
    """The commands' path on CIFAR-10's layout, with random records instead of its files."""
    paths = []
    for name, n in (("data_batch_1.bin", 40), ("test_batch.bin", 20)):
        paths.append(str(tmp_path / name))
        with open(paths[-1], "wb") as f:
            f.write(np.random.RandomState(n).randint(0, 256, n * 3073).astype(np.uint8).tobytes())
    source = Source(catalogue.CIFAR10._replace(train=40, test=20, validation=10), tuple(paths))
    config = make_config("cifar10", batch_size=8, max_steps=4, save_checkpoints_steps=2, eval_steps=2, **settings)
    narrow = dataclasses.replace(
        config.model, network=dataclasses.replace(config.model.network, hidden_channels=(16, 16))
    )
    config = dataclasses.replace(config, dataset_source="cifar10", model=narrow)
    K, L = narrow.quantizer.K, narrow.quantizer.L
    model_dir = str(tmp_path / "run")
    trainer.train(config, source, model_dir)
    checkpoint = checkpoints.find_checkpoint(model_dir)
    result = evaluation.evaluate(open_run(model_dir), source, "test")
    assert result["dims_per_example"] == 3072 and result["examples"] == 20
    assert result["codebook"]["size"] == K * L
    assert result["bits_per_dim"]["rate_uniform"] == pytest.approx(8 * 8 * L * math.log(K, 2) / 3072)
    assert 5 < result["bits_per_dim"]["total_uniform"] < 12  # random pixels: 8 and a little
    exported = export.export(config, checkpoint, str(tmp_path / "out"))
    with open(os.path.join(os.path.dirname(__file__), "tf_1_15_ops.json")) as f:
        known = set(json.load(f))
    images = np.random.RandomState(0).randint(0, 256, (3, 32, 32, 3)).astype(np.uint8)
    with tf.Graph().as_default() as graph, tf.Session() as session:
        signatures = tf.saved_model.load(session, ["serve"], exported).signature_def

        def call(name, value):
            ((_, given),), ((_, asked),) = signatures[name].inputs.items(), signatures[name].outputs.items()
            return session.run(asked.name, {given.name: value})

        codes = call("encode", images)
        assert codes.shape == (3, 8, 8, L) and codes.min() >= 0 and codes.max() < K
        np.testing.assert_array_equal(call("decode", codes), call("reconstruct", images))
        assert {op.type for op in graph.get_operations()} <= known


@pytest.mark.parametrize(
    "likelihood, objective, binarize",
    [
        slow("logistic_mixture", "elbo", None),
        slow("categorical", "elbo", None),
        slow("gaussian", "original", None),
        slow("bernoulli", "elbo", True),
    ],
)
def test_a_learnt_likelihood_trains_and_is_evaluated_by_itself(digits, tmp_path, likelihood, objective, binarize):
    config = small_config(
        digits,
        likelihood=likelihood,
        objective=objective,
        binarize=binarize,
        preset="tuned",
        max_steps=40,
        learning_rate=1e-3,
    )
    model_dir = str(tmp_path / "run")
    trainer.train(config, digits, model_dir)
    result = evaluation.evaluate(open_run(model_dir), digits, "test")
    assert result["likelihood"] == likelihood and result["likelihood_scale"] is None
    bits = result["bits_per_dim"]
    start = {"bernoulli": 1.0, "categorical": 8.0}.get(likelihood, 9.0)  # what a decoder that knows nothing pays
    assert 0 < bits["distortion"] < start and bits["total_uniform"] == bits["distortion"] + bits["rate_uniform"]


def test_an_autoregressive_run_has_the_same_keys_no_reconstruction_and_a_seeded_draw(autoregressive_run, digits):
    config, model_dir = autoregressive_run
    checkpoint = checkpoints.find_checkpoint(model_dir)
    result = evaluation.evaluate(open_run(model_dir), digits, "test")
    again = evaluation.evaluate(open_run(model_dir), digits, "test")
    assert result == again and set(result) == KEYS
    assert result["reconstruction"] == "draw" and result["original_nll"] is None
    with open(os.path.join(model_dir, "eval", "test.json")) as f:
        assert "NaN" not in f.read()
    text = evaluation.table([result], config.model.unit)
    assert "mse of a draw" in text and "bits/dim, distortion" in text
    assert "nll" not in text and "-\n" not in text + "\n"  # no row is empty
    assert exploration.reconstructions(ImageModel(model_dir), digits, rows=2).dtype == np.uint8

    def build(model):
        images = features_of(config, digits, "test", 500)["image"]
        codes = model.encode(images)
        return images, model.decode(codes, 0), model.likelihood(codes, images).log_prob(images)

    with session_scope(config, checkpoint.path, build) as (session, tensors):
        images, drawn, log_p = session.run(tensors)
    mse = np.square((drawn.astype(np.float64) - images) / 255).mean()
    assert result["mse"] == pytest.approx(mse, rel=1e-4)
    assert result["bits_per_dim"]["distortion"] == pytest.approx(-log_p.mean() / 64 / math.log(2), rel=1e-5)


@pytest.mark.slow
def test_the_codes_of_another_image_explain_less_and_are_kept_apart(digits, tmp_path):
    config, model_dir = small_config(digits, preset="tuned", max_steps=100), str(tmp_path / "run")
    trainer.train(config, digits, model_dir)
    own = evaluation.evaluate(open_run(model_dir), digits, "test")
    another = evaluation.evaluate(open_run(model_dir), digits, "test", measurement.ANOTHER)
    assert (own["codes"], another["codes"]) == ("own", "another")
    assert another["bits_per_dim"]["rate_uniform"] == own["bits_per_dim"]["rate_uniform"]
    assert another["bits_per_dim"]["distortion"] > own["bits_per_dim"]["distortion"]
    with open(os.path.join(model_dir, "eval", "test.json")) as f:
        assert json.load(f) == own
    with open(os.path.join(model_dir, "eval", "test-another.json")) as f:
        assert json.load(f) == another
    a, b = (np.load(os.path.join(model_dir, "eval", name + ".npz"))["codes"] for name in ("test", "test-another"))
    np.testing.assert_array_equal(np.roll(a, 1, 0), b)


def test_no_image_has_its_own_codes_whatever_the_batch(small_run, digits, monkeypatch):
    monkeypatch.setattr(pipeline, "evaluation_batch", lambda dims: 499)  # of 500: the last batch is one image
    run = open_run(small_run[1])
    given = run, run.examples(digits, "test"), 0.1
    own, another = measurement.per_example(*given), measurement.per_example(*given, measurement.ANOTHER)
    np.testing.assert_array_equal(another.codes, np.roll(own.codes, 1, 0))
    one = examples.Examples("lonely", 1, lambda: iter([examples.Batch(np.zeros([1, 24, 24, 1], np.uint8))]))
    with pytest.raises(VQError, match="codes: got another for the one image of lonely"):
        measurement.per_example(run, one, 0.1, measurement.ANOTHER)
