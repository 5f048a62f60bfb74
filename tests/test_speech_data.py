"""Recordings as data sets: the Free Spoken Digit Dataset, folders of one's own, their cache and their batches."""

import os
import shutil

import numpy as np
import pytest

from helpers.noise_sounds import noise, own, same
from helpers.sounds import save
from helpers.speech_models import RATE
from helpers.tones import tone
from vq_estimator.config import SPLITS
from vq_estimator.data import audio, speech_cache, speech_sources
from vq_estimator.errors import VQError
from vq_estimator.inference import speech_inputs


def test_every_recording_is_in_one_split_with_its_speaker(noise_folder, noise_source):
    assert noise_source.speakers == ("dan", "eve", "speaker") and noise_source.class_names == ()
    assert noise_source.name.startswith("wav-") and len(noise_source.name) == 4 + 12
    seen = []
    for split in SPLITS:
        clips = noise_source.splits[split]
        assert clips.count == len(clips.names) > 0 and not clips.labels.any()
        for i, name in enumerate(clips.names):
            assert noise_source.speakers[clips.speakers[i]] == (name.split("/")[0] if "/" in name else "speaker")
            x = audio.trim(audio.read(str(noise_folder / name), 8000), 8000)
            np.testing.assert_array_equal(clips.clip(i), audio.mu_law(x))
        seen += clips.names
    assert len(seen) == len(set(seen)) == 90


def test_folders_say_the_splits(tmp_path):
    for name in ("train/b/1.wav", "train/2.wav", "val/a/3.wav", "test/b/4.wav"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        save(tmp_path / "in" / name, noise(0, 300))
    noise_source = own(tmp_path / "in", tmp_path / "cache")
    assert noise_source.speakers == ("a", "b", "speaker")
    assert {s: c.names for s, c in noise_source.splits.items() if s != "train"} == {
        "validation": ("val/a/3.wav",),
        "test": ("test/b/4.wav",),
    }
    assert set(noise_source.splits["train"].names) == {"train/b/1.wav", "train/2.wav"}


def test_no_recordings_are_one_line(tmp_path):
    with pytest.raises(VQError, match="which is no folder; expected a folder of WAV, .* files"):
        own(tmp_path / "none", tmp_path / "cache")
    (tmp_path / "in").mkdir()
    with pytest.raises(VQError, match="has no WAV, .* file"):
        own(tmp_path / "in", tmp_path / "cache")
    save(tmp_path / "in" / "a.wav", noise(0, 300))
    with pytest.raises(VQError, match="expected at least one for .*: more files, or folders train"):
        own(tmp_path / "in", tmp_path / "cache")


def test_unreadable_files_are_named_and_left_out_up_to_a_limit(noise_folder, noise_source, tmp_path, warnings):
    mine, noise_cache = tmp_path / "mine", tmp_path / "cache"
    shutil.copytree(str(noise_folder), str(mine))
    (mine / "dan" / "bad.wav").write_bytes(b"<html>")
    (mine / "zoe").mkdir()
    (mine / "zoe" / "bad.flac").write_bytes(b"")
    found = own(mine, noise_cache)
    assert same(found, noise_source)  # the same as without the files, in the numbers of the speakers too
    assert "dan/bad.wav can't be read and is left out: it is no WAV, FLAC, AIFF" in warnings.text
    assert "zoe/bad.flac can't be read and is left out: it is empty" in warnings.text
    warnings.clear()
    assert same(own(mine, noise_cache), noise_source)
    assert "unreadable files left out: 2, named in " in warnings.text
    for where in (noise_cache, tmp_path / "other"):
        with pytest.raises(
            VQError, match="data_dir: got 2 or more files that can't be read, .* expected at most 1; --max"
        ):
            own(mine, where, max_bad_files=1)
    assert os.listdir(str(tmp_path / "other" / "speech")) == []


def test_the_cache_is_used_until_a_file_changes_or_it_is_damaged(
    noise_folder, noise_source, noise_cache, tmp_path, monkeypatch, warnings
):
    def refuse(*args):
        raise AssertionError("read again")

    with monkeypatch.context() as m:
        m.setattr(audio, "read", refuse)
        assert same(own(noise_folder, noise_cache), noise_source)
    mine = tmp_path / "mine"
    shutil.copytree(str(noise_folder), str(mine))
    for path in mine.rglob("*.wav"):
        os.utime(str(path), ns=(1, 1))
    assert same(own(mine, noise_cache), noise_source)  # other times of change, the same content
    save(mine / "eve" / "new.wav", noise(1000, 500))
    changed = own(mine, tmp_path / "cache")
    assert changed.name != noise_source.name
    with pytest.raises(VQError, match=f"with {changed.name}, expected {noise_source.name}, the run's own recordings"):
        own(mine, noise_cache, wanted=noise_source.name)
    (made,) = (tmp_path / "cache" / "speech").iterdir()
    for name in ("train.levels", "test.clips.npy", "validation.names", "speech.json"):
        whole = (made / name).read_bytes()
        os.remove(str(made / name))  # `changed` has it open
        (made / name).write_bytes(whole[:20] + b"?" + whole[21:])
        warnings.clear()
        assert same(own(mine, tmp_path / "cache"), changed)
        assert "the cached recordings are damaged" in warnings.text, name
        os.remove(str(made / name))
        assert same(own(mine, tmp_path / "cache"), changed)


def test_a_long_recording_is_several_clips(tmp_path, monkeypatch):
    for split in ("train", "validation", "test"):
        (tmp_path / split / "anna").mkdir(parents=True)
        audio.write_wav(str(tmp_path / split / "anna" / "x.wav"), tone(1, 20000), RATE)
    monkeypatch.setattr(speech_cache, "MAX_SECONDS", 1)
    clips = speech_sources.locate("wav", str(tmp_path), str(tmp_path / "cache"), RATE).splits["test"]
    assert clips.count == 3 and set(clips.names) == {"test/anna/x.wav"}
    assert list(clips.lengths[:2]) == [RATE, RATE] and 0 < clips.lengths[2] < RATE


def test_parts_of_a_recording_take_no_name_that_another_has():
    names = ["a.wav", "a.wav", "a-part0.wav", "a--part0.wav", "b.wav"]
    got = speech_inputs.make_unique(names)
    assert len(set(got)) == len(names) and got[1:] == ["a-part1.wav", "a-part0.wav", "a--part0.wav", "b.wav"]
    assert speech_inputs.make_unique(["a.wav", "a.wav"]) == ["a-part0.wav", "a-part1.wav"]
