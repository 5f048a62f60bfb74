"""From a trained VQ-VAE to a trained prior: training, bits, samples, SavedModel."""

import dataclasses
import json
import math
import os
import types

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers.exported import LOAD_TF1, TF1_PYTHON, in_a_process
from helpers.marks import slow
from helpers.priors import copy_of, prior_config
from helpers.sessions import features_of, session_scope
from vq_estimator.errors import VQError
from vq_estimator.inference import evaluation, export, extraction, image_codes, sampling
from vq_estimator.inference import trained_prior as prior_lib
from vq_estimator.inference.session import OpenRun, open_run
from vq_estimator.inference.trained_prior import TrainedPrior
from vq_estimator.training import checkpoints, prior_trainer, run_folder


@pytest.fixture(scope="module", params=[slow(0), 10], ids=["unconditional", "conditional"])
def trained(request, tuned_run, digits, tmp_path_factory):
    """(config, model_dir, codes, prior) with the prior trained."""
    config, model_dir, codes = copy_of(tuned_run, tmp_path_factory)
    prior_trainer.train(prior_config(tuned_run, digits, request.param), codes["train"], codes["validation"], model_dir)
    checkpoint = checkpoints.find_checkpoint(model_dir)
    return config, model_dir, codes, prior_lib.find(model_dir, checkpoint)


def test_it_learns_and_evaluate_counts_its_bits(trained, digits):
    config, model_dir, codes, prior = trained
    checkpoint = checkpoints.find_checkpoint(model_dir)
    result = evaluation.evaluate(open_run(model_dir), digits, "test")
    bits = result["bits_per_dim"]
    assert bits["rate_prior"] < 0.97 * bits["rate_unigram"]
    assert bits["total_prior"] == bits["distortion"] + bits["rate_prior"]
    figures = result["prior"]
    assert set(figures) == {"bits_per_image", "bits_per_image_given_class", "bits_per_image_uniform", "global_step"}
    assert figures["bits_per_image"] == pytest.approx(bits["rate_prior"] * config.model.dims)
    assert figures["bits_per_image_uniform"] == pytest.approx(9 * math.log2(8))
    assert figures["global_step"] == prior.checkpoint.step
    assert "rate (trained prior)" in evaluation.table([result], "dim")
    rates = np.load(os.path.join(model_dir, "eval", "test.npz"))["rate_prior"]
    assert rates.mean() / math.log(2) == pytest.approx(figures["bits_per_image"])

    def build(model, code_prior):
        z = tf.constant(codes["test"].codes)
        labels = tf.constant(codes["test"].labels) if prior.config.codes.classes else None
        return tf.reduce_sum(code_prior.log_prob(z, labels), [1, 2, 3])

    with session_scope(config, checkpoint.path, build, prior) as (session, tensors):
        plain = -session.run(tensors)
    if prior.config.codes.classes:
        assert figures["bits_per_image_given_class"] == pytest.approx(plain.mean() / math.log(2), rel=1e-5)
        # p(z | its class) / 10 is one term of p(z)
        assert (rates <= plain + math.log(10) + 1e-4).all() and (rates != plain).any()
    else:
        assert figures["bits_per_image_given_class"] is None
        np.testing.assert_allclose(rates, plain, rtol=1e-5)


def test_validation_bits_are_kept_with_the_best_checkpoint(trained):
    model_dir = trained[1]
    best = checkpoints.load_best(prior_trainer.folder(model_dir))
    assert best["metric"] == "bits_per_image" and 5 < best["value"] < 27


def test_samples_repeat_and_do_not_depend_on_their_number(trained):
    config, model_dir, _, prior = trained
    run = open_run(model_dir)

    def draw(num, **how):
        labels = sampling.labels_for(prior.config.codes.classes, num)
        if labels is not None:
            labels = np.full(num, 3, np.int32)
        return sampling.sample(run, num, labels, **how)

    a, b, few, other = draw(120), draw(120), draw(20), draw(20, seed=1)
    np.testing.assert_array_equal(a.images, b.images)
    np.testing.assert_array_equal(a.images[:20], few.images)
    assert (other.codes != few.codes).any()
    assert (a.codes[:20] != a.codes[100:]).any()
    assert a.images.shape == (120, 24, 24, 1) and a.images.dtype == np.uint8

    def build(model):
        return model.decode(tf.constant(few.codes))

    with session_scope(config, run.checkpoint.path, build) as (session, tensors):
        np.testing.assert_array_equal(session.run(tensors), few.images)
    assert sampling.picture(a).ndim == 3


def test_what_can_not_be_sampled_is_said(trained):
    _, model_dir, _, prior = trained
    run = open_run(model_dir)
    labels = sampling.labels_for(prior.config.codes.classes, 10)
    cases = [
        (dict(temperature=0.0), "temperature: got 0.0, expected a number above 0"),
        (dict(temperature=float("nan")), "temperature: got nan"),
        (dict(top_k=9), "top_k: got 9, expected 0"),
        (dict(seed=-1), "seed: got -1"),
    ]
    for given, message in cases:
        with pytest.raises(VQError, match=message):
            sampling.sample(run, 10, labels, **given)


def test_large_grids_are_evaluated_fewer_at_once(trained, monkeypatch):
    _, model_dir, codes, prior = trained
    assert prior_trainer.evaluation_batch(prior.config.codes) == 500
    of = dataclasses.replace(prior.config.codes, grid=(128, 128, 1), K=512)
    assert prior_trainer.evaluation_batch(of) == 4 and prior_trainer.evaluation_batch(of, 3) == 3
    run, some = open_run(model_dir), codes["test"].codes[:20]
    whole = image_codes.cost(run, some)
    monkeypatch.setattr(prior_trainer, "MAX_LOGITS", 1)
    np.testing.assert_allclose(image_codes.cost(run, some).nats, whole.nats, rtol=1e-5)


def test_labels():
    assert sampling.labels_for(0, 5) is None
    assert sampling.labels_for(3, 6).tolist() == [0, 0, 1, 1, 2, 2]
    assert sampling.labels_for(10, 4, [7, 1]).tolist() == [7, 7, 1, 1]
    cases = [
        ((0, 5, [1]), "expected none: the prior is not conditional"),
        ((10, 100, [10]), "labels: got 10, expected a number from 0 to 9"),
        ((10, 15), "num: got 15, expected a multiple of 10"),
        ((10, 4, [3, 3]), "labels: got 3 twice, expected each class once"),
        ((10, 0), "num: got 0, expected 1 or more"),
    ]
    for args, message in cases:
        with pytest.raises(VQError, match=message):
            sampling.labels_for(*args)


def test_another_checkpoint_another_prior(trained, digits):
    _, model_dir, _, prior = trained
    other = checkpoints.read_checkpoint(os.path.join(model_dir, "model.ckpt-30"))
    with pytest.raises(VQError, match="is for the codes of another checkpoint .step 60., expected one of step 30"):
        prior_lib.find(model_dir, other)
    assert prior_lib.find_or_warn(model_dir, other) is None
    changed = dataclasses.replace(prior.config, codes=dataclasses.replace(prior.config.codes, fingerprint="x"))
    with pytest.raises(
        VQError, match="codes of the checkpoint of step 60.*--overwrite removes that prior, and only it"
    ):
        prior_trainer.check(changed, model_dir, overwrite=False)
    prior_trainer.check(changed, model_dir, overwrite=True)
    prior_trainer.check(prior.config, model_dir, overwrite=False)
    other = dataclasses.replace(prior.config, train=dataclasses.replace(prior.config.train, seed=9))
    with pytest.raises(VQError, match="holds a prior that differs: train.seed.*removes that prior, and only it"):
        prior_trainer.check(other, model_dir, overwrite=False)
    with pytest.raises(VQError, match="holds a prior that differs: codes.fingerprint"):
        run_folder.prepare(prior_trainer.folder(model_dir), changed)


def test_a_run_without_a_prior_has_nulls(small_run, digits):
    model_dir = small_run[1]
    checkpoint = checkpoints.find_checkpoint(model_dir)
    assert prior_lib.find(model_dir, checkpoint) is None
    result = evaluation.evaluate(open_run(model_dir), digits, "test")
    assert result["prior"] is None
    assert result["bits_per_dim"]["rate_prior"] is None and result["bits_per_dim"]["total_prior"] is None
    assert "trained prior" not in evaluation.table([result], "dim")


def test_the_saved_model_samples(trained, tmp_path):
    config, model_dir, _, prior = trained
    checkpoint = checkpoints.find_checkpoint(model_dir)
    folder = export.export(config, checkpoint, str(tmp_path / "1"), prior)
    classes = prior.config.codes.classes
    labels = np.array([1, 1, 7], np.int32)
    with open(os.path.join(os.path.dirname(__file__), "tf_1_15_ops.json")) as f:
        known = set(json.load(f))
    with tf.Graph().as_default() as graph, tf.Session() as session:
        signature = tf.saved_model.load(session, ["serve"], folder).signature_def["sample"]
        assert set(signature.inputs) == {"labels" if classes else "num", "temperature", "seed"}
        assert {op.type for op in graph.get_operations()} <= known

        def call(**given):
            given.update({"labels": labels} if classes else {"num": 3})
            feed = {signature.inputs[name].name: value for name, value in given.items()}
            return session.run(signature.outputs["images"].name, feed)

        images = call()
        assert images.shape == (3, 24, 24, 1) and images.dtype == np.uint8
        np.testing.assert_array_equal(call(seed=0, temperature=1.0), images)
        assert (call(seed=9) != images).any()
        with pytest.raises(tf.errors.InvalidArgumentError, match="temperature: expected a number above 0"):
            call(temperature=0.0)
        encode = tf.saved_model.load(session, ["serve"], folder).signature_def["encode"]
        assert set(encode.inputs) == {"images"}


@pytest.mark.skipif(not TF1_PYTHON, reason="VQ_TF1_PYTHON names no Python with TensorFlow 1.15")
def test_a_saved_model_with_a_prior_loads_in_a_tensorflow_1_15_process(trained, digits, tmp_path):
    config, model_dir, _, prior = trained
    checkpoint = checkpoints.find_checkpoint(model_dir)
    folder = export.export(config, checkpoint, str(tmp_path / "1"), prior)

    def build(model):
        images = features_of(config, digits, "test", 500)["image"]
        codes = model.encode(images)
        return images, codes, model.decode(codes)

    with session_scope(config, checkpoint.path, build) as (session, tensors):
        expected = session.run(tensors)
    number = "labels" if prior.config.codes.classes else "num"
    value = "np.arange(5, dtype=np.int32)" if prior.config.codes.classes else "5"
    sample = f"""
        drawn = session.run(s["sample"].outputs["images"].name, {{s["sample"].inputs["{number}"].name: {value}}})
        assert drawn.shape == (5, 24, 24, 1)
    """
    code = LOAD_TF1.replace(
        "        # Another release", sample.lstrip("\n").rstrip(" ") + "        # Another release", 1
    )
    in_a_process(TF1_PYTHON, code, folder, expected, tmp_path)


def test_the_trained_prior_of_a_step_can_be_named(trained):
    config, model_dir, _, prior = trained
    folder = prior_trainer.folder(model_dir)
    at = TrainedPrior(prior.config, checkpoints.find_checkpoint(folder))
    labels = sampling.labels_for(prior.config.codes.classes, 10)
    samples = sampling.sample(OpenRun(config, checkpoints.find_checkpoint(model_dir), prior=at), 10, labels)
    sampling.write_summary(os.path.join(folder, "eval_validation"), at.checkpoint.step, sampling.picture(samples))
    assert any("tfevents" in name for name in os.listdir(os.path.join(folder, "eval_validation")))


@pytest.mark.parametrize(
    "speakers, condition, message",
    [
        ((), "class", "class_conditional: got it for x, which has no classes, expected data with classes"),
        (("anna", "ben"), "class", "condition: got class for x, which has no classes, expected speaker$"),
        (("anna", "ben"), "both", "condition: got both for x, which has no classes, expected speaker$"),
        ((), "speaker", "condition: got speaker for x, expected class: only speech has speakers$"),
    ],
)
def test_a_condition_that_the_data_lacks_is_refused(speakers, condition, message):
    source = types.SimpleNamespace(name="x", classes=0, speakers=speakers)
    with pytest.raises(VQError, match="^" + message):
        extraction.codes_config(None, source, True, condition)
