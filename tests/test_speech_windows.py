"""Batches of windows of recordings in training, and complete recordings in evaluation."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers.batches import batches
from helpers.noise_sounds import own
from helpers.sounds import save, tone
from vq_estimator.config import SPLITS
from vq_estimator.data import audio, speech
from vq_estimator.data.speech import Clips, SpeechSource


def test_levels_stay_in_their_file(noise_source):
    assert isinstance(noise_source.splits["train"].levels, np.memmap)
    assert not noise_source.splits["train"].levels.flags.writeable


def made_source(lengths):
    """Clip i is of level i, but for its first sample (200) and its last (250)."""
    levels = [np.full(n, i, np.uint8) for i, n in enumerate(lengths)]
    for clip in levels:
        clip[0], clip[-1] = 200, 250
    numbers = np.arange(len(lengths), dtype=np.int32)
    clips = Clips(np.concatenate(levels), np.cumsum(lengths), numbers, 10 + numbers, ("",) * len(lengths))
    return SpeechSource("made", 8000, ("",) * len(lengths), (), {"train": clips})


def training(noise_source, n, window=50, batch=7, seed=5, start=0):
    return batches(lambda: speech.training_dataset(noise_source, window, batch, seed, start), n)


def test_an_epoch_has_each_clip_as_often_as_windows_cover_it():
    lengths = [20, 50, 51, 500, 1, 130]
    noise_source = made_source(lengths)
    want = [1, 1, 2, 10, 1, 3]
    assert speech.pieces(noise_source.splits["train"], 50) == sum(want) == 18
    got = training(noise_source, 6, batch=9)  # three epochs
    for epoch in (got[:2], got[2:4], got[4:]):
        speakers = np.concatenate([b["speaker"] for b in epoch])
        assert list(np.bincount(speakers)) == want
    for b in got:
        assert b["audio"].shape == (9, 50) and b["audio"].dtype == np.uint8
        assert b["speaker"].dtype == b["label"].dtype == np.int32
        np.testing.assert_array_equal(b["label"], b["speaker"] + 10)
        for row, i in zip(b["audio"], b["speaker"]):
            n = min(lengths[i], 50)
            assert set(row[1 : n - 1]) <= {i} and (row[n:] == audio.SILENCE).all()
            if lengths[i] <= 50:
                assert row[0] in (200, 250) and row[n - 1] == 250


def test_places_are_uniform_and_both_ends_are_among_them():
    got = np.concatenate([b["audio"] for b in training(made_source([54] * 100), 10, window=50, batch=200)])
    begins = {0: got[:, 0] == 200, 4: got[:, -1] == 250}
    assert not (begins[0] & begins[4]).any()
    assert all(0.15 < rows.mean() < 0.25 for rows in begins.values())  # two of five places


@pytest.mark.parametrize("start", [1, 2, 3, 25])
def test_a_resumed_stream_goes_on_where_it_would_have_been(start):
    noise_source = made_source([20, 50, 51, 500, 1, 130])
    noise_source.splits["train"].levels[:] = np.random.RandomState(0).randint(0, 256, 752)
    whole, rest = training(noise_source, start + 3), training(noise_source, 3, start=start)
    for a, b in zip(whole[start:], rest):
        for key in ("audio", "speaker", "label"):
            np.testing.assert_array_equal(a[key], b[key])
    assert len({b["audio"].tobytes() for b in whole}) == len(whole)
    assert any((a["audio"] != b["audio"]).any() for a, b in zip(whole, training(noise_source, 3, seed=6)))


def test_evaluation_is_of_whole_clips_in_order(noise_source):
    clips = noise_source.splits["test"]
    got = batches(lambda: speech.evaluation_dataset(noise_source, "test"), clips.count)
    for i, b in enumerate(got):
        assert b["audio"].dtype == np.uint8 and b["speaker"].dtype == b["label"].dtype == np.int32
        np.testing.assert_array_equal(b["audio"], clips.clip(i)[None])
        assert list(b["speaker"]) == [clips.speakers[i]] and list(b["label"]) == [clips.labels[i]]
    with pytest.raises(tf.errors.OutOfRangeError):
        batches(lambda: speech.evaluation_dataset(noise_source, "test"), clips.count + 1)


def test_no_data_in_the_graph(noise_source):
    for make in (
        lambda: speech.training_dataset(noise_source, 64, 8, 0),
        lambda: speech.evaluation_dataset(noise_source, "train"),
    ):
        with tf.Graph().as_default() as graph:
            features = tf.data.make_one_shot_iterator(make()).get_next()
            assert features["audio"].dtype == tf.uint8 and features["audio"].shape[0] in (1, 8)
            assert graph.as_graph_def().ByteSize() < 100000


def test_a_clip_of_one_sample_and_silence_are_clips(tmp_path):
    for split, x in (("train", np.array([0.5])), ("validation", np.zeros(8000)), ("test", tone())):
        (tmp_path / "in" / split).mkdir(parents=True)
        save(tmp_path / "in" / split / "a.wav", x)
    noise_source = own(tmp_path / "in", tmp_path / "cache")
    assert {s: c.count for s, c in noise_source.splits.items()} == dict.fromkeys(SPLITS, 1)
    assert list(noise_source.splits["train"].levels) == list(audio.mu_law(np.array([0.5])))
    assert set(noise_source.splits["validation"].levels) == {audio.SILENCE}
    (batch,) = training(noise_source, 1)
    assert (batch["audio"][:, 1:] == audio.SILENCE).all()
