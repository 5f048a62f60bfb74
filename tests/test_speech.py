"""A VQ-VAE of speech from recordings to bits, codes, other voices, new speech and a SavedModel."""

import dataclasses
import itertools
import json
import math
import os
import subprocess

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers.evaluation_keys import KEYS
from helpers.exported import TF1_PYTHON
from helpers.speech_models import RATE, SMALL, STRIDE, K
from vq_estimator import config as c
from vq_estimator.data import audio, speech_cache, speech_sources
from vq_estimator.errors import VQError
from vq_estimator.inference import (
    comparison,
    evaluation,
    export,
    extraction,
    measurement,
    speech_codes,
    speech_inputs,
    speech_sampling,
    speech_segments,
    stripping,
)
from vq_estimator.inference import trained_prior as prior_lib
from vq_estimator.inference.session import open_run
from vq_estimator.inference.speech_model import SpeechModel
from vq_estimator.inference.speech_sampling import sample_names
from vq_estimator.training import checkpoints, prior_trainer, trainer


def tone(seed, samples):
    rng, t = np.random.RandomState(seed), np.arange(samples) / RATE
    return (0.5 * np.sin(2 * np.pi * rng.uniform(100, 800) * t) + 0.02 * rng.randn(samples)).astype(np.float32)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """A folder of recordings of two speakers, each of its own length."""
    folder = tmp_path_factory.mktemp("recordings")
    for split, number in (("train", 4), ("validation", 1), ("test", 2)):
        for s, speaker in enumerate(("anna", "ben")):
            (folder / split / speaker).mkdir(parents=True)
            for i in range(number):
                audio.write_wav(str(folder / split / speaker / f"{i}.wav"), tone(10 * s + i, 700 + 37 * i), RATE)
    return str(folder)


@pytest.fixture(scope="module")
def source(recordings, cache_dir):
    return speech_sources.locate("wav", recordings, cache_dir, RATE)


@pytest.fixture(scope="module")
def run(source, tmp_path_factory):
    """(config, checkpoint, model_dir) of a model trained for 30 steps."""
    model_dir = str(tmp_path_factory.mktemp("runs") / "speech")
    config = c.with_data(c.make_config("wav", **SMALL), source.name, source.speakers)
    trainer.train(config, source, model_dir)
    return config, checkpoints.find_checkpoint(model_dir), model_dir


@pytest.fixture(scope="module")
def with_prior(run, source):
    """The same, once a prior is trained on speakers."""
    opened, model_dir = open_run(run[2]), run[2]
    of = extraction.codes_config(opened, source, True, "speaker")
    given = dict(layers=3, channels=8, embedding=4, max_steps=20, save_checkpoints_steps=10, eval_steps=10)
    codes = extraction.extract(opened, source)
    codes = {split: extraction.condition_labels(found, "speaker", 1) for split, found in codes.items()}
    prior_config = c.make_prior_config(of, True, batch_size=4, **given)
    prior_trainer.train(prior_config, codes["train"], codes["validation"], model_dir)
    return run


@pytest.fixture(scope="module")
def model(with_prior):
    with SpeechModel(with_prior[2]) as found:
        yield found


def test_training_learns_and_resumes(run, source):
    config, checkpoint, model_dir = run
    assert checkpoint.step == 30
    assert checkpoints.load_best(model_dir)["value"] < 0.9 * math.log(256)
    assert trainer.train(config, source, model_dir).step == 30  # nothing left to do


@pytest.mark.once
def test_evaluation_has_the_keys_of_images_and_counts_each_sample_once(with_prior, source, monkeypatch):
    model_dir = with_prior[2]
    result = evaluation.evaluate(open_run(model_dir), source, "test")
    assert set(result) == KEYS and result["mse"] is None and result["original_nll"] is None
    assert json.load(open(os.path.join(model_dir, "eval", "test.json"))) == result
    text, (row,) = evaluation.table([result], "sample"), comparison.load([model_dir])
    assert "bits/sample, total (trained prior)" in text and "bits/dim" not in text and "nll" not in text
    assert comparison.table([row]).endswith("in bits/sample")
    lengths = source.splits["test"].lengths
    assert result["examples"] == 4 and result["dims_per_example"] == lengths.mean()
    bits = result["bits_per_dim"]
    codes = -(-lengths // STRIDE)
    assert abs(bits["rate_uniform"] - codes.sum() * math.log2(K) / lengths.sum()) < 1e-9
    with SpeechModel(model_dir) as model:
        clips = source.splits["test"]
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


def test_the_codes_of_another_recording_are_refused(run, source):
    with pytest.raises(VQError, match="codes: got another, expected own"):
        evaluation.evaluate(open_run(run[2]), source, "test", measurement.ANOTHER)


def test_encode_in_parts_equals_the_whole(model, monkeypatch):
    levels = audio.mu_law(tone(3, 9999))
    whole = model.encode(levels)
    monkeypatch.setattr(speech_segments, "SEGMENT", 20)
    assert whole.shape == (157, 1)
    np.testing.assert_array_equal(model.encode(levels), whole)
    in_parts = model.bits_per_sample(levels, 1)
    monkeypatch.undo()
    assert model.bits_per_sample(levels, 1) == pytest.approx(in_parts, abs=1e-4)


def test_decode_repeats_exactly_and_differs_by_voice_and_seed(model):
    codes = model.encode(audio.mu_law(tone(3, 1000)))
    first = model.decode(codes, 0, seed=5)
    assert first.dtype == np.uint8 and len(first) == len(codes) * STRIDE
    np.testing.assert_array_equal(model.decode(codes, 0, seed=5), first)
    assert (model.decode(codes, 1, seed=5) != first).any() and (model.decode(codes, 0, seed=6) != first).any()
    several = model.decode_all([codes, codes[:3], codes], [0, 1, 1], seed=5)
    assert [len(levels) for levels in several] == [len(codes) * STRIDE, 3 * STRIDE, len(codes) * STRIDE]
    assert (several[0] == first).mean() > 0.9  # a sum in another order may turn a draw


def test_guidance_is_of_runs_that_were_trained_for_it(model, monkeypatch):
    codes = model.encode(audio.mu_law(tone(3, 1000)))
    plain, guided, again = (model.decode(codes, 0, seed=5, guidance=g) for g in (1.0, 3.0, 3.0))
    np.testing.assert_array_equal(guided, again)
    assert (plain != guided).mean() > 0.1
    unmoved = model.decode_all([codes, codes], [0, 1], seed=5, guidance=0.0)
    np.testing.assert_array_equal(*unmoved)  # codes and speaker are not looked at
    spoken = [model.sample(1, seconds=0.1, seed=4, guidance=g) for g in (1.0, 3.0)]
    np.testing.assert_array_equal(spoken[0].codes, spoken[1].codes)
    assert (spoken[0].levels != spoken[1].levels).any()
    for wrong in (-1.0, float("nan"), 101.0):
        with pytest.raises(VQError, match=f"guidance: got {wrong}, expected a number from 0 to 100"):
            model.decode(codes, 0, guidance=wrong)
    m = model.config.model
    without = dataclasses.replace(m, decoder=dataclasses.replace(m.decoder, condition_dropout=0.0))
    monkeypatch.setattr(model, "config", dataclasses.replace(model.config, model=without))
    np.testing.assert_array_equal(model.decode(codes, 0, seed=5, guidance=1.0), plain)
    with pytest.raises(VQError, match="guidance: got 3.0, expected 1: .* without --wavenet_condition_dropout"):
        model.decode(codes, 0, guidance=3.0)


def test_the_best_of_several_draws_is_the_one_most_of_the_asked_voice(model, monkeypatch):
    levels = audio.mu_law(tone(3, 1000))
    codes, voices = model.encode(levels), len(model.config.model.speakers)
    seeds = [speech_sampling.draw_seed(5, i) for i in range(4)]
    assert seeds[0] == 5 and not set(seeds[1:]) & set(speech_sampling.seeds(5, 10000))
    drawn = [model.decode(codes, 1, seed)[:1000] for seed in seeds]
    margins = [model.voice_margin(one, codes, 1) for one in drawn]
    assert len(set(margins)) == 4
    np.testing.assert_array_equal(model.convert(levels, 1, seed=5, draws=4), drawn[int(np.argmax(margins))])
    np.testing.assert_array_equal(model.convert(levels, 1, seed=5), drawn[0])
    bits = [model.bits_per_sample(levels, voice) for voice in range(voices)]  # its own codes
    want = np.mean(bits[:1] + bits[2:]) - bits[1]
    assert model.voice_margin(levels, codes, 1) == pytest.approx(want, abs=1e-5)
    monkeypatch.setattr(speech_segments, "VOICES_AT_ONCE", 1)  # a voice at a time
    monkeypatch.setattr(speech_segments, "SEGMENT", 20)  # in parts
    assert model.voice_margin(levels, codes, 1) == pytest.approx(want, abs=1e-3)
    with pytest.raises(VQError, match="codes: got 2, expected the 16 that reach for 1000 samples"):
        model.voice_margin(levels, codes[:2], 1)
    for wrong in (0, 1001):
        with pytest.raises(VQError, match=f"draws: got {wrong}, expected 1 to 1000"):
            model.convert(levels, 1, draws=wrong)
    alone = dataclasses.replace(model.config.model, speakers=("anna",))
    monkeypatch.setattr(model, "config", dataclasses.replace(model.config, model=alone))
    with pytest.raises(VQError, match="draws: got 2, expected 1: the run has one voice"):
        model.convert(levels, 0, draws=2)


def test_each_of_several_recordings_has_its_own_noise(model):
    codes = model.encode(audio.mu_law(tone(3, 1000)))
    seeds = speech_sampling.seeds(5, 3)
    assert seeds == [5, 5 + 2**32, 5 + 2**33] and speech_sampling.seeds(5, 1, first=2) == seeds[2:]
    several = model.decode_all([codes] * 3, [0] * 3, seeds)
    assert all((a != b).mean() > 0.5 for a, b in itertools.combinations(several, 2))
    for one, seed in zip(several, seeds):  # whatever it is drawn beside
        assert (one == model.decode_all([codes], [0], [seed])[0]).mean() > 0.9
    same = model.decode_all([codes] * 3, [0] * 3, 5)
    np.testing.assert_array_equal(same[0], same[1])
    with pytest.raises(VQError, match="seed: got -1, expected an integer from 0 to 2147483647"):
        model.decode_all([codes] * 2, [0] * 2, [0, -1])


def test_a_long_recording_is_several_clips(tmp_path, monkeypatch):
    for split in ("train", "validation", "test"):
        (tmp_path / split / "anna").mkdir(parents=True)
        audio.write_wav(str(tmp_path / split / "anna" / "x.wav"), tone(1, 20000), RATE)
    monkeypatch.setattr(speech_cache, "MAX_SECONDS", 1)
    clips = speech_sources.locate("wav", str(tmp_path), str(tmp_path / "cache"), RATE).splits["test"]
    assert clips.count == 3 and set(clips.names) == {"test/anna/x.wav"}
    assert list(clips.lengths[:2]) == [RATE, RATE] and 0 < clips.lengths[2] < RATE


def test_silence_and_a_single_sample(model):
    for levels in (np.full(300, audio.SILENCE, np.uint8), np.array([7], np.uint8)):
        converted = model.convert(levels, 1)
        assert converted.shape == levels.shape
        assert 0 < model.bits_per_sample(levels, 1) < 20


def test_bad_values_are_one_line(model, tmp_path):
    for call, message in (
        (lambda: model.speaker("carl"), "speaker: got 'carl', expected one of anna, ben"),
        (
            lambda: model.decode(np.zeros([3, 1], np.int32), 2),
            "speaker: got 2, expected one of anna, ben or a number from 0 to 1",
        ),
        (lambda: model.sample(1, 0.1, speaker=2), "speaker: got 2, expected one of anna, ben or a number from 0 to 1"),
        (
            lambda: model.bits_per_sample(np.zeros(9, np.uint8), -1),
            "speaker: got -1, expected one of anna, ben or a number from 0 to 1",
        ),
        (lambda: model.decode(np.full([3, 1], K), 0), "codes: got 8 to 8, expected codes from 0 to 7"),
        (lambda: model.encode(np.zeros(0, np.uint8)), r"levels: got uint8 \[0\], expected uint8 \[T\]"),
        (lambda: model.encode(np.zeros(4, np.float32)), r"levels: got float32 \[4\]"),
        (lambda: model.read(str(tmp_path / "none.wav")), "input: .*none.wav' can't be read .No such file"),
        (lambda: model.sample(0), "num: got 0"),
        (lambda: model.sample(1, seconds=0), "seconds: got 0"),
        (lambda: model.sample(1, label=1), "label: got 1, expected none: the prior has no classes"),
    ):
        with pytest.raises(VQError, match=message):
            call()


def test_new_speech(model):
    spoken = model.sample(3, seconds=0.1, seed=4)
    assert spoken.levels.shape == (3, 13 * STRIDE) and spoken.codes.shape == (3, 13, 1)
    assert list(spoken.speakers) == [0, 1, 0]  # in turn
    assert sample_names(spoken, model, ()) == ["000-anna", "001-ben", "002-anna"]
    again = model.sample(3, seconds=0.1, seed=4)
    np.testing.assert_array_equal(again.codes, spoken.codes)
    np.testing.assert_array_equal(again.levels, spoken.levels)
    assert (model.sample(3, seconds=0.1, seed=5).codes != spoken.codes).any()


def test_a_stripped_run_gives_the_same_codes(with_prior, model, tmp_path):
    config, checkpoint, model_dir = with_prior
    target = str(tmp_path / "small")
    stripping.strip(config, checkpoint, target, prior_lib.find(model_dir, checkpoint))
    levels = audio.mu_law(tone(3, 1000))
    with SpeechModel(target) as small:
        assert small.prior is not None
        np.testing.assert_array_equal(small.encode(levels), model.encode(levels))
        assert small.bits_per_sample(levels, 0) == pytest.approx(model.bits_per_sample(levels, 0), abs=1e-5)


def test_saved_model(run, model, tmp_path):
    config, checkpoint, _ = run
    folder = export.export(config, checkpoint, str(tmp_path / "1"))
    wave = tone(3, 1000)[np.newaxis]
    with tf.Graph().as_default(), tf.Session() as session:
        signatures = tf.saved_model.load(session, ["serve"], folder).signature_def
        assert set(signatures) == {"encode", "decode", "convert", "serving_default"}
        codes, converted = session.run(["encode:0", "convert:0"], {"audio:0": wave, "speaker:0": [1], "seed:0": 3})
        decoded = session.run("decode:0", {"codes:0": codes, "speaker:0": [1], "seed:0": 3})
    np.testing.assert_array_equal(codes[0], model.encode(audio.mu_law(wave[0])))
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
def test_the_saved_model_loads_in_a_tensorflow_1_15_process(run, tmp_path):
    folder = export.export(*run[:2], str(tmp_path / "1"))
    np.save(str(tmp_path / "wave.npy"), tone(3, 1000)[np.newaxis])
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    command = [TF1_PYTHON, "-c", LOAD_TF1, folder, str(tmp_path / "wave.npy")]
    done = subprocess.run(command, stderr=subprocess.PIPE, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]


def test_convert_and_sample_write_wavs(with_prior, recordings, forked, tmp_path):
    model_dir, one = "--model_dir=" + with_prior[2], os.path.join(recordings, "test", "anna", "0.wav")
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


def test_parts_of_a_recording_take_no_name_that_another_has():
    names = ["a.wav", "a.wav", "a-part0.wav", "a--part0.wav", "b.wav"]
    got = speech_inputs.make_unique(names)
    assert len(set(got)) == len(names) and got[1:] == ["a-part1.wav", "a-part0.wav", "a--part0.wav", "b.wav"]
    assert speech_inputs.make_unique(["a.wav", "a.wav"]) == ["a-part0.wav", "a-part1.wav"]
