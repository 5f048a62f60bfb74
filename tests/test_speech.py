"""A VQ-VAE of speech from recordings to bits, codes, other voices, new speech and a SavedModel."""

import json
import math
import os
import subprocess

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers.evaluation_keys import KEYS
from helpers.exported import TF1_PYTHON
from helpers.speech_models import RATE, STRIDE, K
from helpers.tones import tone
from vq_estimator.data import audio
from vq_estimator.errors import VQError
from vq_estimator.inference import (
    comparison,
    evaluation,
    export,
    measurement,
    speech_codes,
    stripping,
)
from vq_estimator.inference import trained_prior as prior_lib
from vq_estimator.inference.session import open_run
from vq_estimator.inference.speech_model import SpeechModel
from vq_estimator.training import checkpoints, prior_trainer, trainer


def test_training_learns_and_resumes(tones_run, tones_source):
    config, checkpoint, model_dir = tones_run
    assert checkpoint.step == 30
    assert checkpoints.load_best(model_dir)["value"] < 0.9 * math.log(256)
    assert trainer.train(config, tones_source, model_dir).step == 30  # nothing left to do


@pytest.mark.once
def test_evaluation_has_the_keys_of_images_and_counts_each_sample_once(tones_run, tones_source, monkeypatch):
    model_dir = tones_run[2]
    result = evaluation.evaluate(open_run(model_dir), tones_source, "test")
    assert set(result) == KEYS and result["mse"] is None and result["original_nll"] is None
    assert json.load(open(os.path.join(model_dir, "eval", "test.json"))) == result
    text, (row,) = evaluation.table([result], "sample"), comparison.load([model_dir])
    assert "bits/sample, total (trained prior)" in text and "bits/dim" not in text and "nll" not in text
    assert comparison.table([row]).endswith("in bits/sample")
    lengths = tones_source.splits["test"].lengths
    assert result["examples"] == 4 and result["dims_per_example"] == lengths.mean()
    bits = result["bits_per_dim"]
    codes = -(-lengths // STRIDE)
    assert abs(bits["rate_uniform"] - codes.sum() * math.log2(K) / lengths.sum()) < 1e-9
    with SpeechModel(model_dir) as model:
        clips = tones_source.splits["test"]
        each = [model.bits_per_sample(clips.clip(i), clips.speakers[i]) * lengths[i] for i in range(clips.count)]
    assert abs(sum(each) / lengths.sum() - bits["distortion"]) < 1e-4
    kept = np.load(os.path.join(model_dir, "eval", "test.npz"))
    assert kept["codes"].shape == (1, 1, codes.sum(), 1) and (kept["positions"] == codes).all()
    # Of the trained prior the figures are those of its log-probabilities, the mixture of both speakers, however many of
    # these are computed at once.
    monkeypatch.setattr(prior_trainer, "MAX_LOGITS", 1)
    given = (kept["codes"], kept["positions"], clips.speakers)
    found = speech_codes.cost(open_run(model_dir), *given).nats
    np.testing.assert_allclose(found, kept["rate_prior"], rtol=1e-5)
    assert result["prior"]["bits_per_image"] == pytest.approx(kept["rate_prior"].mean() / math.log(2.0))
    assert result["prior"]["bits_per_image_given_class"] < result["prior"]["bits_per_image_uniform"] + 1
    assert bits["total_prior"] == pytest.approx(bits["distortion"] + bits["rate_prior"])


def test_the_codes_of_another_recording_are_refused(tones_run, tones_source):
    with pytest.raises(VQError, match="codes: got another, expected own"):
        evaluation.evaluate(open_run(tones_run[2]), tones_source, "test", measurement.ANOTHER)


def test_a_stripped_run_gives_the_same_codes(tones_run, tones_model, tmp_path):
    config, checkpoint, model_dir = tones_run
    target = str(tmp_path / "small")
    stripping.strip(config, checkpoint, target, prior_lib.find(model_dir, checkpoint))
    levels = audio.mu_law(tone(3, 1000))
    with SpeechModel(target) as small:
        assert small.prior is not None
        np.testing.assert_array_equal(small.encode(levels), tones_model.encode(levels))
        assert small.bits_per_sample(levels, 0) == pytest.approx(tones_model.bits_per_sample(levels, 0), abs=1e-5)


def test_saved_model(tones_run, tones_model, tmp_path):
    config, checkpoint, _ = tones_run
    folder = export.export(config, checkpoint, str(tmp_path / "1"))
    wave = tone(3, 1000)[np.newaxis]
    with tf.Graph().as_default(), tf.Session() as session:
        signatures = tf.saved_model.load(session, ["serve"], folder).signature_def
        assert set(signatures) == {"encode", "decode", "convert", "serving_default"}
        codes, converted = session.run(["encode:0", "convert:0"], {"audio:0": wave, "speaker:0": [1], "seed:0": 3})
        decoded = session.run("decode:0", {"codes:0": codes, "speaker:0": [1], "seed:0": 3})
    np.testing.assert_array_equal(codes[0], tones_model.encode(audio.mu_law(wave[0])))
    assert converted.shape == (1, 1000) and decoded.shape == (1, 16 * STRIDE)
    np.testing.assert_array_equal(decoded[:, :1000], converted)
    assert set(np.unique(decoded)) <= set(audio.SAMPLES)


LOAD_TF1 = """
import sys, numpy as np, tensorflow as tf
assert tf.__version__.startswith("1.15"), tf.__version__
wave = np.load(sys.argv[2])
with tf.Session() as session:
    s = tf.saved_model.load(session, ["serve"], sys.argv[1]).signature_def["convert"]
    given = {s.inputs["audio"].name: wave, s.inputs["speaker"].name: [1]}
    assert session.run(s.outputs["audio"].name, given).shape == wave.shape
"""


@pytest.mark.skipif(not TF1_PYTHON, reason="VQ_TF1_PYTHON names no Python with TensorFlow 1.15")
def test_the_saved_model_loads_in_a_tensorflow_1_15_process(tones_run, tmp_path):
    folder = export.export(*tones_run[:2], str(tmp_path / "1"))
    np.save(str(tmp_path / "wave.npy"), tone(3, 1000)[np.newaxis])
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    command = [TF1_PYTHON, "-c", LOAD_TF1, folder, str(tmp_path / "wave.npy")]
    done = subprocess.run(command, stderr=subprocess.PIPE, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]


def test_convert_and_sample_write_wavs(tones_run, tones, forked, tmp_path):
    model_dir, one = "--model_dir=" + tones_run[2], os.path.join(tones, "test", "anna", "0.wav")
    out = str(tmp_path / "out.wav")
    asked = ["--num=2", "--seconds=0.1", "--speaker=ben", "--out=" + str(tmp_path / "new")]
    converted = forked.script(
        "convert_speech", model_dir, "--input=" + one, "--speaker=ben", "--guidance=2", "--draws=2", "--out=" + out
    )
    sampled = forked.script("sample", model_dir, *asked)
    assert converted.status == 0, converted.stderr
    assert len(audio.read(out, RATE)) == len(audio.read(one, RATE))
    assert sampled.status == 0, sampled.stderr
    assert sorted(os.listdir(str(tmp_path / "new"))) == ["000-ben.wav", "001-ben.wav"]
