"""The benchmarks of speech: what they measure, and a smoke run."""

import io
import json
import os
import sys

import numpy as np
import pytest
import soundfile
import tensorflow.compat.v1 as tf

from helpers import spoken
from vq_estimator.data import audio
from vq_estimator.errors import VQError
from vq_estimator.inference.speech_exploration import EncodedClips

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)
pytestmark = pytest.mark.skipif(tf.__version__ < "2", reason="the benchmark is of TensorFlow 2")


def test_flac_files_hold_the_levels_and_their_heads_are_found(spoken_source):
    from benchmarks.speech import bits

    _, source = spoken_source
    levels = source.splits["test"].clip(0)
    file = bits.flac_file(levels, spoken.RATE)
    back, rate = soundfile.read(io.BytesIO(file), dtype="int16")
    np.testing.assert_array_equal((back >> 8) + 128, levels)
    head = bits.flac_head(file)
    assert rate == spoken.RATE and 42 <= head < len(file)
    assert file[head : head + 2] in (b"\xff\xf8", b"\xff\xf9")  # what a frame begins with
    found = bits.flac(source.splits["test"], spoken.RATE)
    clips = [source.splits["test"].clip(i) for i in range(12)]
    total = sum(len(bits.flac_file(clip, spoken.RATE)) for clip in clips)
    assert found["by_clip"]["bits_per_sample"] == 8 * total / sum(map(len, clips))
    assert found["by_speaker"]["files"] == 2 and found["by_clip"]["files"] == 12
    assert 0 < found["by_speaker"]["of_frames"] < found["by_clip"]["bits_per_sample"]


def clips_of(codes, labels):
    """Clips of as many codes each; codes [N, n]."""
    codes, labels = np.array(codes), np.array(labels)
    return EncodedClips(codes.reshape(-1, 1), np.full(len(codes), codes.shape[1]), labels * 0, labels)


def test_votes_and_a_linear_map_find_what_codes_tell():
    pytest.importorskip("sklearn")
    from benchmarks.speech import content

    train = clips_of([[0, 0, 1], [2, 2, 1], [0, 1, 1], [2, 1, 2]], [0, 1, 0, 1])
    test = clips_of([[0, 3, 3], [2, 2, 0], [1, 1, 2]], [0, 1, 0])
    assert content.votes(train, test, 4, train.labels, 2).tolist() == [0, 1, 0]  # a code never seen has no vote
    np.testing.assert_allclose(content.histograms(test, 4)[1], [1 / 3, 0, 2 / 3, 0])
    rng = np.random.RandomState(0)
    labels = np.arange(60) % 3
    splits = dict.fromkeys(
        ("train", "validation", "test"), clips_of(labels[:, None] + 3 * rng.randint(0, 2, (60, 5)), labels)
    )
    found = content.measure(splits, 6, {"digit": (lambda e: e.labels, 3), "speaker": (lambda e: e.speakers, 1)})
    assert found["digit"]["linear"] == found["digit"]["vote"] == 1.0
    assert found["digit"]["chance"] == pytest.approx(1 / 3) and found["speaker"]["linear"] == 1.0


def test_a_tone_is_heard_in_its_band():
    from benchmarks.speech import conversion

    t = np.arange(4000) / 8000
    for hertz in (200.0, 1000.0, 3000.0):
        mel = conversion.log_mel(audio.mu_law(0.5 * np.sin(2 * np.pi * hertz * t)), 8000)
        filters = conversion.mel_filters(256, 8000)
        assert mel.shape == (1 + (4000 - 256) // 64, conversion.MEL_BANDS)
        assert abs(int(mel.mean(0).argmax()) - int(filters[:, round(hertz / 8000 * 256)].argmax())) <= 1
    for length in (1, 100, 257, 5000):  # shorter than a frame too
        assert np.isfinite(conversion.heard_features(np.full(length, 7, np.uint8), 8000)).all()


def test_a_run_to_compare_with_differs_in_its_codes_alone(spoken_source):
    from benchmarks.speech import bits

    def other(**given):
        return spoken.tiny_config(spoken_source[1], **given)

    config = other()
    bits.check_without(config, other(K=1))
    with pytest.raises(VQError, match="without: got a run with codes"):
        bits.check_without(config, other(K=2))
    with pytest.raises(
        VQError, match="without: got a run of another model.decoder.channels, expected one that differs in K alone"
    ):
        bits.check_without(config, other(K=1, wavenet_channels=8))


@pytest.mark.slow
def test_a_smoke_run_of_speech(spoken_source, spoken_run, tmp_path, monkeypatch, capsys):
    pytest.importorskip("sklearn")
    from benchmarks.speech import __main__ as command

    (_, source), (_, _, model_dir) = spoken_source, spoken_run
    monkeypatch.setattr(command.speech_sources, "locate", lambda *args, **given: source)
    out = str(tmp_path / "speech.json")
    command.main(["--model_dir=" + model_dir, "--quick", "--out=" + out])
    with open(out) as f:
        found = json.load(f)
    b = found["bits"]["run"]
    assert b["total_uniform"] == pytest.approx(b["distortion"] + b["rate_uniform"]) and b["total_prior"] is None
    generation = found["generation"]
    assert all(way["same_samples"] == way["samples_timed"] > 1 for way in generation["full_pass"].values())
    assert set(generation["loop"]) == {f"{kind}, batch {n}" for kind in ("plain", "compiled") for n in (1, 16)}
    one = generation["loop"]["plain, batch 1"]
    assert one["times_real_time"]["16000"] == pytest.approx(one["samples_per_second"] / 16000)
    assert {"digit", "speaker"} < set(found["content"]) and found["content"]["speaker"]["chance"] == 0.5
    conversion = found["conversion"]
    assert conversion["classifiers_on_real_clips"] == {"digit": 1.0, "speaker": 1.0}
    assert conversion["conversions"] == conversion["clips"] == 4
    heard = conversion["on_conversions"]
    assert heard["asked_speaker"] + heard["original_speaker"] == pytest.approx(1.0)  # of two voices
    assert "full pass, what it depends on" in capsys.readouterr().out

    with pytest.raises(SystemExit, match="speech: error: without: got a run with codes"):
        command.main(["--model_dir=" + model_dir, "--quick", "--only=bits", "--without=" + model_dir, "--out=" + out])
