"""Recordings as data sets: the Free Spoken Digit Dataset, folders of one's own, their cache and their batches."""

import hashlib
import logging
import os
import shutil
import stat

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers.batches import batches
from helpers.folders import everything_below
from helpers.sounds import save, tone
from helpers.sources import DATA_DIR, archive, no_network, writer
from vq_estimator.data import audio, fsdd, speech, speech_sources
from vq_estimator.data.pipeline import SPLITS
from vq_estimator.data.speech import Clips, SpeechSource
from vq_estimator.errors import VQError


@pytest.fixture
def warnings(caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("vq_estimator"), "propagate", True)
    caplog.set_level(logging.WARNING, "vq_estimator")
    return caplog


def noise(number, length):
    return np.random.RandomState(number).uniform(-0.5, 0.5, length).astype(np.float32)


def same(a, b):
    """Whether two sources are of the same recordings."""
    return a[:4] == b[:4] and all(
        all(np.array_equal(x, y) for x, y in zip(a.splits[s], b.splits[s])) for s in a.splits.keys() | b.splits.keys()
    )


# The Free Spoken Digit Dataset


@pytest.fixture
def digits_of_two(tmp_path, monkeypatch):
    """40 recordings of noise in FSDD's place, of two speakers and two digits; the content of each."""
    monkeypatch.setattr(fsdd, "SPEAKERS", ("ann", "bob"))
    monkeypatch.setattr(fsdd, "DIGITS", ("0", "1"))
    monkeypatch.setattr(fsdd, "INDICES", {fsdd.NAME: 10, fsdd.HALF: 9})
    monkeypatch.setattr(fsdd, "SUMS", str(tmp_path / "sums"))
    contents = {}
    for i, r in enumerate(fsdd.recordings()):
        with open(save(tmp_path / "one.wav", noise(i, 500 + i)), "rb") as f:
            contents[r.name] = f.read()
    (tmp_path / "sums").write_bytes(b"".join(hashlib.sha256(contents[name]).digest() for name in sorted(contents)))
    return contents


def put(tmp_path, contents, names=None):
    folder = tmp_path / "data" / "fsdd" / "recordings"
    folder.mkdir(parents=True, exist_ok=True)
    for name in contents if names is None else names:
        (folder / name).write_bytes(contents[name])
    return folder


def locate(tmp_path, fetcher=no_network, **given):
    return speech_sources.locate(
        "fsdd", str(tmp_path / "data"), str(tmp_path / "cache"), 8000, fetcher=fetcher, **given
    )


def half():
    return [r.name for r in fsdd.recordings(fsdd.HALF)]


def packed(contents):
    return archive([("digits-26eb/recordings/" + name, content) for name, content in contents.items()])


def test_whole_recordings_are_used_where_they_lie(tmp_path, digits_of_two):
    folder = put(tmp_path, digits_of_two)
    (folder / "notes.txt").write_text("")
    before = everything_below(tmp_path / "data")
    source = locate(tmp_path)
    assert (source.name, source.sample_rate, source.speakers) == ("fsdd", 8000, ("ann", "bob"))
    assert source.class_names == ("0", "1") and everything_below(tmp_path / "data") == before
    assert {split: clips.count for split, clips in source.splits.items()} == dict(train=8, validation=12, test=20)
    for split, clips in source.splits.items():
        assert clips.ends[-1] == len(clips.levels) and list(np.cumsum(clips.lengths)) == list(clips.ends)
        for i, name in enumerate(clips.names):
            digit, speaker, index = name[:-4].split("_")
            assert (str(clips.labels[i]), source.speakers[clips.speakers[i]]) == (digit, speaker)
            assert split == ("test" if int(index) < 5 else "validation" if int(index) < 8 else "train")
            want = audio.mu_law(audio.trim(audio.read(str(folder / name), 8000), 8000))
            np.testing.assert_array_equal(clips.clip(i), want)
    assert source.splits["test"].names[:4] == ("0_ann_0.wav", "0_bob_0.wav", "1_ann_0.wav", "1_bob_0.wav")


def test_half_of_them_do_where_the_rest_can_not_be_had(tmp_path, digits_of_two, warnings):
    put(tmp_path, digits_of_two, half())
    source = locate(tmp_path)
    assert source.name == "fsdd-half" and source.splits["train"].count == 4
    assert len(warnings.records) == 1 and "fsdd: 4 of its recordings not found in" in warnings.text
    assert fsdd.COMMIT in warnings.text and "(fsdd-half)" in warnings.text
    warnings.clear()

    def never(url, path):
        raise AssertionError("downloads")

    assert same(locate(tmp_path, never, wanted="fsdd-half"), source) and not warnings.records
    with pytest.raises(
        VQError, match="fsdd: 4 of its recordings not found .* Put its recordings there: 0_ann_9.wav, 0_bob_9"
    ):
        locate(tmp_path, wanted="fsdd")


def test_a_run_on_the_half_stays_with_it_when_all_are_there(tmp_path, digits_of_two):
    put(tmp_path, digits_of_two)
    assert locate(tmp_path, wanted="fsdd-half").name == "fsdd-half"
    assert locate(tmp_path).name == locate(tmp_path, wanted="fsdd").name == "fsdd"


@pytest.mark.parametrize("there", ["none", "some", "half"])
def test_missing_recordings_are_downloaded_and_checked(tmp_path, digits_of_two, there):
    put(tmp_path, digits_of_two, {"none": [], "some": half()[::3], "half": half()}[there])
    others = {"readme.wav": b"x", **digits_of_two}
    asked = []

    def fetch(url, path):
        asked.append(url)
        writer(packed(others))(url, path)

    assert locate(tmp_path, fetch).name == "fsdd" and asked == list(fsdd.ARCHIVES[:1])
    want = sorted("fsdd/recordings/" + name for name in digits_of_two)
    assert everything_below(tmp_path / "data") == want
    assert locate(tmp_path).name == "fsdd"


def test_a_wrong_archive_gives_nothing(tmp_path, digits_of_two):
    evil = dict(digits_of_two)
    evil["1_bob_9.wav"] = evil["0_ann_0.wav"]
    with pytest.raises(VQError, match=r"fsdd: 40 of its .*1_bob_9.wav SHA-256 is .*expected"):
        locate(tmp_path, writer(packed(evil)), wanted="fsdd")
    assert "fsdd/recordings/1_bob_9.wav" not in everything_below(tmp_path / "data")
    evil["1_bob_9.wav"] = bytes(1 << 19)
    with pytest.raises(VQError, match=r"1_bob_9.wav holds 524288 bytes, expected 262144"):
        locate(tmp_path, writer(packed(evil)), wanted="fsdd")
    del evil["1_bob_9.wav"]
    with pytest.raises(VQError, match=r"the archive has no recordings/1_bob_9.wav\)\. Put"):
        locate(tmp_path, writer(packed(evil)), wanted="fsdd")


@pytest.mark.parametrize("fetcher", [no_network, lambda url, path: pytest.fail("downloads")])
@pytest.mark.parametrize("number", [1, 3])
def test_a_damaged_recording_of_the_user_is_named_and_left_as_it_is(tmp_path, digits_of_two, fetcher, number):
    folder = put(tmp_path, digits_of_two)
    bad = ["0_ann_3.wav", "1_ann_9.wav", "1_bob_0.wav"][:number]
    for name in bad:
        (folder / name).write_bytes(b"other")
    before = everything_below(tmp_path / "data")
    for wanted in (None, "fsdd"):
        with pytest.raises(VQError, match="is not FSDD's recording .*; expected the published recording") as e:
            locate(tmp_path, fetcher, wanted=wanted)
        assert all(name in str(e.value) for name in bad)
    assert everything_below(tmp_path / "data") == before and (folder / "0_ann_3.wav").read_bytes() == b"other"


def test_a_gap_is_named_and_costs_no_half(tmp_path, digits_of_two, warnings):
    put(tmp_path, digits_of_two, [name for name in digits_of_two if name != "1_bob_9.wav"])
    with pytest.raises(VQError, match=r"fsdd: 1 of its recordings not found .* Put its recordings there: 1_bob_9.wav$"):
        locate(tmp_path)
    put(tmp_path / "b", digits_of_two, [name for name in half() if name != "0_ann_3.wav"])
    with pytest.raises(VQError, match="fsdd: 5 of its recordings not found .* 0_ann_3.wav"):
        locate(tmp_path / "b")
    assert not warnings.records


def test_a_damaged_recording_is_never_used(tmp_path, digits_of_two, warnings):
    whole = locate(tmp_path, writer(packed(digits_of_two)))
    folder = tmp_path / "data" / "fsdd" / "recordings"
    (folder / "0_ann_3.wav").write_bytes(digits_of_two["0_ann_3.wav"][:-2] + b"xx")
    with pytest.raises(VQError, match=r"fsdd: 1 of its recordings not found .*: 0_ann_3.wav$"):
        locate(tmp_path, wanted="fsdd")
    assert "0_ann_3.wav: SHA-256 is" in warnings.text and (folder / "0_ann_3.wav.damaged").exists()
    assert not (folder / "0_ann_3.wav").exists()
    with pytest.raises(VQError, match="fsdd: 1 of its recordings"):  # not whole, and of the half one is missing, too
        locate(tmp_path)
    assert same(locate(tmp_path, writer(packed(digits_of_two))), whole)


def test_a_damaged_one_of_the_half_is_one_line(tmp_path, digits_of_two):
    folder = put(tmp_path, digits_of_two, half())
    (folder / "0_ann_3.wav").write_bytes(b"damaged")
    with pytest.raises(VQError, match="0_ann_3.wav: is not FSDD's recording"):
        locate(tmp_path)


def test_nothing_is_written_beside_complete_recordings(tmp_path, digits_of_two):
    folder = put(tmp_path, digits_of_two)
    os.chmod(str(folder), stat.S_IRUSR | stat.S_IXUSR)
    before = os.stat(str(folder)).st_mtime_ns
    try:
        locate(tmp_path)
        assert os.stat(str(folder)).st_mtime_ns == before
    finally:
        os.chmod(str(folder), stat.S_IRWXU)


def test_another_rate_is_another_cache_and_the_same_name(tmp_path, digits_of_two):
    put(tmp_path, digits_of_two)
    cache = str(tmp_path / "cache")
    low, high = (
        speech_sources.locate("fsdd", str(tmp_path / "data"), cache, rate, fetcher=no_network) for rate in (8000, 16000)
    )
    assert low.name == high.name and (low.sample_rate, high.sample_rate) == (8000, 16000)
    for split in SPLITS:
        np.testing.assert_allclose(high.splits[split].lengths, 2 * low.splits[split].lengths, atol=400)
    assert len(os.listdir(os.path.join(cache, "speech"))) == 2


@pytest.mark.parametrize(
    "given, message",
    [
        (dict(dataset="mnist"), "dataset: got 'mnist', expected one of fsdd, wav"),
        (dict(sample_rate=100), "sample_rate: got 100, expected 1000 to 768000"),
        (dict(max_bad_files=-1), "max_bad_files: got -1, expected 0 or more"),
        (dict(wanted="wav-0123456789ab"), "dataset: got fsdd, expected wav-0123456789ab, the run's own recordings"),
    ],
)
def test_what_can_not_be_asked_for_is_one_line(tmp_path, given, message):
    given = dict(dict(dataset="fsdd", sample_rate=8000, fetcher=no_network), **given)
    with pytest.raises(VQError, match=message):
        speech_sources.locate(data_dir=str(tmp_path), cache_dir=str(tmp_path / "cache"), **given)


def test_the_sums_are_of_all_3000_recordings():
    assert os.path.getsize(fsdd.SUMS) == 3000 * 32
    specs = fsdd.specs(fsdd.recordings())
    assert len({s.path for s in specs}) == 3000
    got = {os.path.basename(s.path): s.sha256[:16] for s in specs}
    assert got["0_george_0.wav"] == "228ab63fccdf262d" and got["0_george_10.wav"] == "3fb791b3226b5385"


# Samples, and the sum of the levels, of each split of fsdd-half at 8 kHz.
GOLDEN = {"train": (1020, 3413744, 432131235), "validation": (180, 590962, 74901351), "test": (300, 978555, 124226050)}


@pytest.fixture(scope="module")
def real(cache_dir):
    if not DATA_DIR or not os.path.isdir(os.path.join(DATA_DIR, "fsdd")):
        pytest.skip("VQ_DATA_DIR has no fsdd")
    return speech_sources.locate("fsdd", DATA_DIR, cache_dir, 8000, wanted="fsdd-half", fetcher=no_network)


def test_the_published_recordings_are_these(real):
    assert real.name == "fsdd-half" and len(real.speakers) == 6 and len(real.class_names) == 10
    got = {s: (c.count, int(c.ends[-1]), int(c.levels.sum(dtype=np.int64))) for s, c in real.splits.items()}
    assert got == GOLDEN
    for clips in real.splits.values():
        assert len(set(np.bincount(clips.speakers))) == len(set(np.bincount(clips.labels))) == 1


# One's own recordings


@pytest.fixture(scope="module")
def voices(tmp_path_factory):
    """90 recordings of noise by two speakers and some that lie beside their folders, among what is none."""
    folder = tmp_path_factory.mktemp("voices")
    for i in range(90):
        name = ("eve/%02d.wav", "dan/deep/%02d.FLAC", "%02d.wav")[i % 3] % i
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        save(folder / name, noise(i, 300 + 7 * i), 8000, "PCM_16", "FLAC" if name.endswith("FLAC") else "WAV")
    (folder / "readme.txt").write_text("voices")
    (folder / "eve" / ".hidden.wav").write_bytes(b"")
    return folder


def own(folder, cache, **given):
    return speech_sources.locate("wav", str(folder), str(cache), given.pop("sample_rate", 8000), **given)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("speech_cache")


@pytest.fixture(scope="module")
def source(voices, cache):
    return own(voices, cache)


def test_every_recording_is_in_one_split_with_its_speaker(voices, source):
    assert source.speakers == ("dan", "eve", "speaker") and source.class_names == ()
    assert source.name.startswith("wav-") and len(source.name) == 4 + 12
    seen = []
    for split in SPLITS:
        clips = source.splits[split]
        assert clips.count == len(clips.names) > 0 and not clips.labels.any()
        for i, name in enumerate(clips.names):
            assert source.speakers[clips.speakers[i]] == (name.split("/")[0] if "/" in name else "speaker")
            x = audio.trim(audio.read(str(voices / name), 8000), 8000)
            np.testing.assert_array_equal(clips.clip(i), audio.mu_law(x))
        seen += clips.names
    assert len(seen) == len(set(seen)) == 90


def test_folders_say_the_splits(tmp_path):
    for name in ("train/b/1.wav", "train/2.wav", "val/a/3.wav", "test/b/4.wav"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        save(tmp_path / "in" / name, noise(0, 300))
    source = own(tmp_path / "in", tmp_path / "cache")
    assert source.speakers == ("a", "b", "speaker")
    assert {s: c.names for s, c in source.splits.items() if s != "train"} == {
        "validation": ("val/a/3.wav",),
        "test": ("test/b/4.wav",),
    }
    assert set(source.splits["train"].names) == {"train/b/1.wav", "train/2.wav"}


def test_no_recordings_are_one_line(tmp_path):
    with pytest.raises(VQError, match="which is no folder; expected a folder of WAV, .* files"):
        own(tmp_path / "none", tmp_path / "cache")
    (tmp_path / "in").mkdir()
    with pytest.raises(VQError, match="has no WAV, .* file"):
        own(tmp_path / "in", tmp_path / "cache")
    save(tmp_path / "in" / "a.wav", noise(0, 300))
    with pytest.raises(VQError, match="expected at least one for .*: more files, or folders train"):
        own(tmp_path / "in", tmp_path / "cache")


def test_unreadable_files_are_named_and_left_out_up_to_a_limit(voices, source, tmp_path, warnings):
    mine, cache = tmp_path / "mine", tmp_path / "cache"
    shutil.copytree(str(voices), str(mine))
    (mine / "dan" / "bad.wav").write_bytes(b"<html>")
    (mine / "zoe").mkdir()
    (mine / "zoe" / "bad.flac").write_bytes(b"")
    found = own(mine, cache)
    assert same(found, source)  # the same as without the files, in the numbers of the speakers too
    assert "dan/bad.wav can't be read and is left out: it is no WAV, FLAC, AIFF" in warnings.text
    assert "zoe/bad.flac can't be read and is left out: it is empty" in warnings.text
    warnings.clear()
    assert same(own(mine, cache), source)
    assert "unreadable files left out: 2, named in " in warnings.text
    for where in (cache, tmp_path / "other"):
        with pytest.raises(
            VQError, match="data_dir: got 2 or more files that can't be read, .* expected at most 1; --max"
        ):
            own(mine, where, max_bad_files=1)
    assert os.listdir(str(tmp_path / "other" / "speech")) == []


def test_the_cache_is_used_until_a_file_changes_or_it_is_damaged(
    voices, source, cache, tmp_path, monkeypatch, warnings
):
    def refuse(*args):
        raise AssertionError("read again")

    with monkeypatch.context() as m:
        m.setattr(audio, "read", refuse)
        assert same(own(voices, cache), source)
    mine = tmp_path / "mine"
    shutil.copytree(str(voices), str(mine))
    for path in mine.rglob("*.wav"):
        os.utime(str(path), ns=(1, 1))
    assert same(own(mine, cache), source)  # other times of change, the same content
    save(mine / "eve" / "new.wav", noise(1000, 500))
    changed = own(mine, tmp_path / "cache")
    assert changed.name != source.name
    with pytest.raises(VQError, match=f"with {changed.name}, expected {source.name}, the run's own recordings"):
        own(mine, cache, wanted=source.name)
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


def test_levels_stay_in_their_file(source):
    assert isinstance(source.splits["train"].levels, np.memmap)
    assert not source.splits["train"].levels.flags.writeable


# Batches


def made_source(lengths):
    """Clip i is of level i, but for its first sample (200) and its last (250)."""
    levels = [np.full(n, i, np.uint8) for i, n in enumerate(lengths)]
    for clip in levels:
        clip[0], clip[-1] = 200, 250
    numbers = np.arange(len(lengths), dtype=np.int32)
    clips = Clips(np.concatenate(levels), np.cumsum(lengths), numbers, 10 + numbers, ("",) * len(lengths))
    return SpeechSource("made", 8000, ("",) * len(lengths), (), {"train": clips})


def training(source, n, window=50, batch=7, seed=5, start=0):
    return batches(lambda: speech.training_dataset(source, window, batch, seed, start), n)


def test_an_epoch_has_each_clip_as_often_as_windows_cover_it():
    lengths = [20, 50, 51, 500, 1, 130]
    source = made_source(lengths)
    want = [1, 1, 2, 10, 1, 3]
    assert speech.pieces(source.splits["train"], 50) == sum(want) == 18
    got = training(source, 6, batch=9)  # three epochs
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
    source = made_source([20, 50, 51, 500, 1, 130])
    source.splits["train"].levels[:] = np.random.RandomState(0).randint(0, 256, 752)
    whole, rest = training(source, start + 3), training(source, 3, start=start)
    for a, b in zip(whole[start:], rest):
        for key in ("audio", "speaker", "label"):
            np.testing.assert_array_equal(a[key], b[key])
    assert len({b["audio"].tobytes() for b in whole}) == len(whole)
    assert any((a["audio"] != b["audio"]).any() for a, b in zip(whole, training(source, 3, seed=6)))


def test_evaluation_is_of_whole_clips_in_order(source):
    clips = source.splits["test"]
    got = batches(lambda: speech.evaluation_dataset(source, "test"), clips.count)
    for i, b in enumerate(got):
        assert b["audio"].dtype == np.uint8 and b["speaker"].dtype == b["label"].dtype == np.int32
        np.testing.assert_array_equal(b["audio"], clips.clip(i)[None])
        assert list(b["speaker"]) == [clips.speakers[i]] and list(b["label"]) == [clips.labels[i]]
    with pytest.raises(tf.errors.OutOfRangeError):
        batches(lambda: speech.evaluation_dataset(source, "test"), clips.count + 1)


def test_no_data_in_the_graph(source):
    for make in (lambda: speech.training_dataset(source, 64, 8, 0), lambda: speech.evaluation_dataset(source, "train")):
        with tf.Graph().as_default() as graph:
            features = tf.data.make_one_shot_iterator(make()).get_next()
            assert features["audio"].dtype == tf.uint8 and features["audio"].shape[0] in (1, 8)
            assert graph.as_graph_def().ByteSize() < 100000


def test_a_clip_of_one_sample_and_silence_are_clips(tmp_path):
    for split, x in (("train", np.array([0.5])), ("validation", np.zeros(8000)), ("test", tone())):
        (tmp_path / "in" / split).mkdir(parents=True)
        save(tmp_path / "in" / split / "a.wav", x)
    source = own(tmp_path / "in", tmp_path / "cache")
    assert {s: c.count for s, c in source.splits.items()} == dict.fromkeys(SPLITS, 1)
    assert list(source.splits["train"].levels) == list(audio.mu_law(np.array([0.5])))
    assert set(source.splits["validation"].levels) == {audio.SILENCE}
    (batch,) = training(source, 1)
    assert (batch["audio"][:, 1:] == audio.SILENCE).all()
