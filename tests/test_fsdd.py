"""The Free Spoken Digit Dataset: its recordings, its half, downloads and damage."""

import hashlib
import os
import stat

import numpy as np
import pytest

from helpers.folders import everything_below
from helpers.noise_sounds import noise, same
from helpers.sounds import save
from helpers.sources import DATA_DIR, archive, no_network, writer
from vq_estimator.config import SPLITS
from vq_estimator.data import audio, fsdd, speech_sources
from vq_estimator.errors import VQError


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
