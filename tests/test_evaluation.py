"""Evaluation of a split: its metrics, its calibration and its files."""

import dataclasses
import json
import math
import os
import shutil

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers.evaluation_keys import KEYS
from helpers.likelihoods import oracle
from helpers.sessions import session_scope
from vq_estimator.config import make_config
from vq_estimator.data import pipeline
from vq_estimator.errors import VQError
from vq_estimator.inference import calibration, evaluation, examples, exploration, measurement
from vq_estimator.inference import session as session_lib
from vq_estimator.inference.image_model import ImageModel
from vq_estimator.inference.session import open_run
from vq_estimator.training import checkpoints


@pytest.fixture(scope="module")
def evaluated(small_run, digits):
    return evaluation.evaluate(open_run(small_run[1]), digits, "test")


@pytest.fixture(scope="module")
def outputs(small_run, digits):
    """Images, reconstructions and codes of the test split, by a plain pass."""
    config, model_dir = small_run

    def build(model):
        dataset = pipeline.evaluation_dataset(digits, "test", (24, 24), 500)
        images = tf.data.make_one_shot_iterator(dataset).get_next()["image"]
        out = model(images)
        return images, out.likelihood.mean(), out.quantized.codes

    with session_scope(config, checkpoints.find_checkpoint(model_dir).path, build) as (session, tensors):
        return session.run(tensors)


def test_the_file_has_its_keys_and_is_what_was_returned(small_run, evaluated):
    with open(os.path.join(small_run[1], "eval", "test.json")) as f:
        assert json.load(f) == evaluated
    assert set(evaluated) == KEYS
    assert set(evaluated["codebook"]) == {"size", "used", "perplexity", "per_codebook"}
    assert set(evaluated["bits_per_dim"]) == {
        "distortion",
        "rate_uniform",
        "rate_unigram",
        "total_uniform",
        "total_unigram",
        "rate_prior",
        "total_prior",
    }
    assert (evaluated["split"], evaluated["examples"], evaluated["dims_per_example"]) == ("test", 500, 576)
    assert (evaluated["dataset_source"], evaluated["global_step"]) == ("mnist-5k", 60)


def test_errors_equal_numpy(evaluated, outputs):
    images, mean, codes = outputs
    unit = images.astype(np.float64) / 255
    mse = ((mean - unit) ** 2).mean()
    assert evaluated["mse"] == pytest.approx(mse, rel=1e-5)
    assert evaluated["psnr_db"] == pytest.approx(-10 * math.log10(mse), rel=1e-5)
    assert evaluated["normalized_mse"] == pytest.approx(mse / unit.var(), rel=1e-5)
    assert evaluated["original_nll"] == pytest.approx(-(np.log(mean).mean() + math.log(1 / 8)) / math.log(2), rel=1e-4)
    p = np.bincount(codes.ravel(), minlength=8) / codes.size
    assert evaluated["codebook"]["used"] == (p > 0).sum() and evaluated["codebook"]["size"] == 8
    assert evaluated["codebook"]["perplexity"] == pytest.approx(np.exp(-(p[p > 0] * np.log(p[p > 0])).sum()))


def test_of_images_of_one_level_the_error_has_no_variance_to_be_divided_by(small_run, digits, tmp_path, monkeypatch):
    config, model_dir = small_run
    read = pipeline.evaluation_dataset

    def grey(*args):
        return read(*args).map(lambda features: dict(features, image=tf.zeros_like(features["image"]) + 77))

    monkeypatch.setattr(pipeline, "evaluation_dataset", grey)
    run = session_lib.OpenRun(config, checkpoints.find_checkpoint(model_dir), str(tmp_path))
    result = evaluation.evaluate(run, digits, "test")
    assert result["normalized_mse"] is None and result["mse"] > 0 and set(result) == KEYS
    assert "normalized mse" not in evaluation.table([result], "dim")


def test_bits_per_dim_equal_numpy(small_run, digits, evaluated, outputs):
    model_dir = small_run[1]
    images, mean, codes = outputs
    fitted = calibration.calibrate(open_run(model_dir), digits)
    rows, nats = np.random.RandomState(0).permutation(500)[:20], 0.0
    for i in rows:
        for x, m in zip(images[i].ravel(), mean[i].ravel()):
            nats -= oracle(m * 255.0, fitted.scale)[x]
    run = open_run(model_dir)
    per_example = measurement.per_example(run, run.examples(digits, "test"), fitted.scale)
    assert per_example.distortion[rows].mean() == pytest.approx(nats / 20, rel=1e-4)
    bits = evaluated["bits_per_dim"]
    to_bits = 1 / (576 * math.log(2))
    assert bits["distortion"] == pytest.approx(per_example.distortion.mean() * to_bits)
    assert bits["rate_uniform"] == pytest.approx(9 * math.log(8) * to_bits)
    q = (fitted.counts[0] + 0.5) / (fitted.counts[0] + 0.5).sum()
    assert bits["rate_unigram"] == pytest.approx(-np.log(q)[codes].sum((1, 2, 3)).mean() * to_bits)
    for prior in ("uniform", "unigram"):
        assert bits["total_" + prior] == bits["distortion"] + bits["rate_" + prior]


def test_calibration_is_of_the_training_split_and_fitted_once(small_run, digits, evaluated, monkeypatch):
    model_dir = small_run[1]
    fitted = calibration.calibrate(open_run(model_dir), digits)
    assert fitted.counts.sum() == 4000 * 9
    (name,) = os.listdir(os.path.join(model_dir, "calibration"))
    with open(os.path.join(model_dir, "calibration", name)) as f:
        kept = json.load(f)
    assert kept["split"] == "train" and kept["scale"] == fitted.scale == evaluated["likelihood_scale"]
    monkeypatch.setattr(calibration, "_fit", None)  # would raise
    evaluation.evaluate(open_run(model_dir), digits, "test")


def test_what_was_fitted_of_another_checkpoint_is_not_taken(small_run, evaluated, tmp_path):
    config, model_dir = small_run
    older, newest = (checkpoints.read_checkpoint(os.path.join(model_dir, f"model.ckpt-{n}")) for n in (30, 60))
    (name,) = os.listdir(os.path.join(model_dir, "calibration"))
    for checkpoint in (older, newest):
        path = calibration.kept_path(session_lib.OpenRun(config, checkpoint, str(tmp_path)))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        shutil.copy(os.path.join(model_dir, "calibration", name), path)
    run = session_lib.OpenRun(config, newest, str(tmp_path))
    assert calibration.kept(run) is not None
    for source, name, there in (("mnist", "mnist-5k", False), (None, "mnist", False), (None, "mnist-5k", True)):
        other = session_lib.OpenRun(dataclasses.replace(config, dataset_source=source), newest, str(tmp_path))
        assert (calibration.kept(other, name) is not None) == there
    assert calibration.kept(session_lib.OpenRun(config, older, str(tmp_path))) is None


def test_the_fitted_scale_is_the_best_and_finds_a_known_one():
    rng = np.random.RandomState(0)
    mean = rng.randint(0, 255 * 8, 200000)
    x = np.clip(np.round(mean / 8 + 13.0 * rng.randn(len(mean))), 0, 255).astype(int)
    histogram = np.zeros([256, 255 * 8 + 1], np.int64)
    np.add.at(histogram, (x, mean), 1)
    scale = calibration.fit_scale(histogram)
    assert scale == pytest.approx(13.0, rel=0.01)
    assert all(
        calibration.histogram_bits(histogram, scale) <= calibration.histogram_bits(histogram, scale * f)
        for f in (0.97, 1.03)
    )


def test_a_perfect_reconstruction_has_a_finite_scale():
    histogram = np.zeros([256, 255 * 8 + 1], np.int64)
    histogram[7, 56] = histogram[9, 72] = 100
    assert 0.05 <= calibration.fit_scale(histogram) < 0.2


def test_an_unseen_code_is_not_impossible():
    p = calibration.Calibration(1.0, np.array([[0, 10, 5]])).code_probabilities()
    assert (p > 0).all() and p.sum() == pytest.approx(1.0)


@pytest.mark.parametrize(
    "settings, message",
    [
        (dict(K=9), r"got quantizer/codebook of shape \[1, 8, 16\], expected shape \[1, 9, 16\]"),
        (dict(K=8, residual_blocks=1), r"got no encoder/residual_1/conv_3x3/w, expected shape \[3, 3, 16, 16\]"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_one_line(small_run, settings, message):
    config, model_dir = small_run
    other = dataclasses.replace(config, model=make_config("mnist", D=16, **settings).model)
    with pytest.raises(VQError, match="does not fit config.json: " + message):
        with session_scope(other, checkpoints.find_checkpoint(model_dir).path, lambda m: m(tf.zeros([1, 24, 24, 1]))):
            pass


class DisabledBar:
    """What a bar is under TQDM_DISABLE: `n` stands still."""

    n = 0

    def __enter__(self):
        return self

    def __exit__(self, *args):
        pass

    def update(self, n):
        pass


def test_a_disabled_progress_bar_changes_nothing(small_run, digits, evaluated, monkeypatch):
    monkeypatch.setattr(session_lib, "ProgressBar", lambda **given: DisabledBar())
    run = open_run(small_run[1])
    again = measurement.per_example(run, run.examples(digits, "test"), evaluated["likelihood_scale"])
    assert len(again.mse) == 500


def test_per_example_results_are_those_of_the_json(small_run, evaluated):
    with np.load(os.path.join(small_run[1], "eval", "test.npz"), allow_pickle=False) as kept:
        assert kept["codes"].shape == (500, 3, 3, 1) and kept["codes"].dtype == np.int32
        to_bits = 1 / (576 * math.log(2))
        assert kept["distortion"].shape == kept["rate_uniform"].shape == (500,)
        assert kept["distortion"].mean() * to_bits == pytest.approx(evaluated["bits_per_dim"]["distortion"])
        assert kept["rate_uniform"].mean() * to_bits == pytest.approx(evaluated["bits_per_dim"]["rate_uniform"])


def test_usage_of_several_codebooks():
    codes = np.array([[[[0, 1], [0, 2]]], [[[0, 3], [0, 0]]]])  # [2, 1, 2, 2]
    usage = evaluation.codebook_usage(codes, K=4)
    assert (usage["size"], usage["used"], usage["perplexity"]) == (8, 5, pytest.approx(2.5))
    assert usage["per_codebook"] == [{"used": 1, "perplexity": 1.0}, {"used": 4, "perplexity": pytest.approx(4.0)}]


def test_table_has_a_row_for_each_figure(evaluated):
    text = evaluation.table([evaluated, dict(evaluated, split="validation")], "dim")
    assert "step 60, mnist-5k" in text and len(text.split("\n")) == 12 and "%.5f" % evaluated["mse"] in text


def test_reconstructions_are_originals_beside_their_decodings(small_run, digits, outputs):
    picture = exploration.reconstructions(ImageModel(small_run[1]), digits)
    images, mean, _ = outputs
    side = 10 * 25 - 1
    assert picture.shape == (side, 2 * side + 8, 1)
    np.testing.assert_array_equal(picture[:24, :24], images[0])
    got = picture[25:49, side + 8 : side + 8 + 24].astype(float)  # second row, first column: image 10
    assert np.abs(got - mean[10] * 255).max() <= 0.51


def test_likelihoods_that_are_no_numbers_are_said(small_run):
    batch = examples.Batch(np.zeros([1, 24, 24, 1], np.uint8))
    values = measurement.Measured(np.zeros(1), np.array([np.nan]), np.zeros(1), np.zeros([1, 3, 3, 1]))
    with pytest.raises(VQError, match="a likelihood that is NaN"):
        measurement.collect(open_run(small_run[1]), iter([(batch, values)]))
