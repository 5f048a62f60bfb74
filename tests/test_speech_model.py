"""A trained model of speech: codes, draws in other voices, bits, and bad values."""

import dataclasses
import itertools

import numpy as np
import pytest

from helpers.speech_models import STRIDE, K
from helpers.tones import tone
from vq_estimator.data import audio
from vq_estimator.errors import VQError
from vq_estimator.inference import (
    speech_sampling,
    speech_segments,
)
from vq_estimator.inference.speech_sampling import sample_names


@pytest.fixture
def model(tones_model):
    return tones_model


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
