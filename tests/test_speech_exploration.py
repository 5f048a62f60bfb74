"""The codes of speech models: their meaning, conversions, and files of codes, compared with plain arithmetic."""

import os
import shutil

import numpy as np
import pytest
import soundfile
from PIL import Image

from helpers import spoken
from helpers.codec_runs import write_run
from vq_estimator.data import audio, speech_sources
from vq_estimator.errors import VQError
from vq_estimator.inference import code_files, speech_code_files, speech_inputs
from vq_estimator.inference import speech_exploration as explore
from vq_estimator.inference.session import open_run
from vq_estimator.inference.speech_exploration import EncodedClips
from vq_estimator.inference.speech_model import SpeechModel

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def folder(spoken_source):
    return spoken_source[0]


@pytest.fixture(scope="module")
def source(spoken_source):
    return spoken_source[1]


@pytest.fixture(scope="module")
def run(spoken_run):
    return spoken_run


@pytest.fixture(scope="module")
def model(run):
    with SpeechModel(run[2]) as found:
        yield found


@pytest.fixture(scope="module")
def forked(server, folder, cache_dir):
    return server.within(dict(os.environ, VQ_CACHE_DIR=cache_dir, VQ_DATA_DIR=folder))


def clips(codes, lengths, labels):
    return EncodedClips(np.array(codes), np.array(lengths), np.zeros(len(lengths), np.int32), np.array(labels))


# What codes go with


def test_mutual_information_is_its_definition():
    counts = np.random.RandomState(0).randint(0, 9, [2, 5, 3])
    for table, got in zip(counts, explore.mutual_information(counts)):
        p = table / table.sum()
        rows, columns = p.sum(1), p.sum(0)
        want = sum(p[i, j] * np.log2(p[i, j] / (rows[i] * columns[j])) for i in range(5) for j in range(3) if p[i, j])
        np.testing.assert_allclose(got, want, rtol=1e-9)
    np.testing.assert_allclose(explore.mutual_information(7 * np.eye(4, dtype=int)), 2.0)
    np.testing.assert_allclose(explore.mutual_information(np.outer([1, 2, 3], [4, 5])), 0.0, atol=1e-12)
    assert explore.mutual_information(np.zeros([3, 2], int)) == 0.0


def test_meaning_counts_codes_by_the_kind_of_their_recording():
    encoded = clips([[0, 3], [0, 1], [2, 1], [2, 2], [0, 3]], [2, 2, 1], [1, 0, 1])
    counts = explore.joint_counts(encoded, 4, encoded.labels, 2)
    assert counts.shape == (2, 4, 2)
    np.testing.assert_array_equal(counts[0], [[0, 3], [0, 0], [2, 0], [0, 0]])
    np.testing.assert_array_equal(counts[1], [[0, 0], [1, 1], [1, 0], [0, 2]])
    np.testing.assert_array_equal(encoded.each(np.array([5, 6, 7])), [5, 5, 6, 6, 7])
    np.testing.assert_array_equal(explore.order(counts[0]), [2, 0])
    np.testing.assert_array_equal(explore.shares(counts[1])[:3], [[0, 0], [0.5, 0.5], [1, 0]])


def test_chance_is_what_shuffled_recordings_have():
    rng = np.random.RandomState(0)
    labels = np.arange(200) % 4
    own, other = np.repeat(labels, 10), rng.randint(0, 4, 2000)
    found = explore.meaning(clips(np.stack([own, other], 1), [10] * 200, labels), 4, labels, 4)
    np.testing.assert_allclose(found.bits[0], 2.0)
    assert found.entropy == pytest.approx(2.0) and found.counts.sum() == 2 * 2000
    assert found.chance[0] < 0.1 and abs(found.bits[1] - found.chance[1]) < 0.01


def test_order_is_by_kind_then_by_sureness():
    counts = np.array([[1, 9], [8, 2], [0, 0], [0, 5], [10, 0]])
    np.testing.assert_array_equal(explore.order(counts), [4, 1, 3, 0])


def test_a_spectrogram_shows_a_tone_where_it_is():
    for rate, hertz in ((8000, 1000.0), (16000, 3000.0)):
        t = np.arange(rate // 4) / rate
        levels = audio.mu_law(0.5 * np.sin(2 * np.pi * hertz * t))
        found = explore.spectrogram(levels, rate)
        bins = found.shape[0]
        assert found.dtype == np.float32 and found.max() == 0.0 and found.min() >= explore.FLOOR_DB
        assert (found[:, 4:-4].argmax(0) == round(hertz / (rate / 2) * (bins - 1))).all()
        assert found.shape[1] == -(-len(t) // ((bins - 1) * 2 // explore.HOPS))
    assert explore.spectrogram(np.full(1, audio.SILENCE, np.uint8), 8000).shape[1] == 1


def test_some_numbers_are_spread_from_the_first_on():
    assert explore.some_numbers(17, 300, 3) == [17, 117, 217]
    assert explore.some_numbers(2, 3, 5) == [2, 0, 1]


# A run


def test_recordings_are_heard_in_their_own_voice_first(model, source):
    found = explore.listen(model, source, "test", [3, 0], seed=1)
    test = source.splits["test"]
    for number, heard in zip([3, 0], found):
        own = int(test.speakers[number])
        assert (heard.speaker, heard.label, heard.name) == (own, test.labels[number], test.names[number])
        np.testing.assert_array_equal(heard.levels, test.clip(number))
        np.testing.assert_array_equal(heard.codes, model.encode(heard.levels))
        assert heard.voices.tolist() == [own, 1 - own]
        assert [len(v) for v in heard.versions] == [len(heard.levels)] * 2
        for voice, version in zip(heard.voices, heard.versions):
            again = model.decode(heard.codes, int(voice), seed=1)[: len(heard.levels)]
            assert (version[:200] == again[:200]).mean() > 0.9  # a sum rounded otherwise is another draw from there on
    with pytest.raises(VQError, match="guidance: got 2, expected 1: the run was trained without"):
        explore.listen(model, source, "test", [0], guidance=2)
    (alone,) = explore.listen(model, source, "test", [0], most_voices=1, most_seconds=0.01)
    assert len(alone.versions) == 1 and len(alone.levels) == 80


def test_whole_splits_are_encoded_as_single_recordings_are(run, model, source):
    encoded = explore.encode_clips(open_run(run[2]), source, "validation")
    want = [model.encode(source.splits["validation"].clip(i)) for i in range(source.splits["validation"].count)]
    np.testing.assert_array_equal(encoded.codes, np.concatenate(want))
    assert encoded.lengths.tolist() == [len(codes) for codes in want] and encoded.codes.dtype == np.int32


def test_the_command_writes_pictures_and_sounds(run, folder, forked, tmp_path):
    flags = ["--model_dir=" + run[2], "--data_dir=" + folder]
    done = forked.script("explore", *flags, "--image=1", "--out=pictures", cwd=tmp_path)
    assert done.status == 0, done.stderr
    out = tmp_path / "pictures"
    names = {"speech.png", "code_meaning.png", "codebook.png"}
    assert names | {"sounds"} == {p.name for p in out.iterdir()}
    for name in names:
        with Image.open(str(out / name)) as picture:
            low, high = picture.convert("L").getextrema()
            assert high - low > 50, name
    sounds = sorted(p.name for p in (out / "sounds").iterdir())
    assert len(sounds) == 3 * 3 and {name.split("-")[0] for name in sounds} == {"001", "005", "009"}
    for name in sounds:
        assert soundfile.info(str(out / "sounds" / name)).samplerate == spoken.RATE
    assert "speaker and code: " in done.stdout and "projector_config.pbtxt" in done.stdout
    for flag, message in (
        ("--frames=20", "frames: got 20, expected no value (only image models take --frames)"),
        ("--other=1", "other: got 1, expected no value (only image models take --other)"),
        ("--image=12", "image: got 12, expected 0 to 11, a recording of test"),
    ):
        assert forked.script("explore", *flags, flag, cwd=tmp_path).one_line("explore") == message


# Files of codes


def test_codes_to_a_file_and_back(run, model, source, folder, forked, tmp_path):
    flags = ["--model_dir=" + run[2]]
    below = os.path.join(folder, "test")
    done = forked.script("encode", *flags, "--input=" + below, "--out=codes.npz", cwd=tmp_path)
    assert done.status == 0, done.stderr
    assert "12 recordings, one code per 16 samples (500 codes per second)" in done.stdout
    with np.load(str(tmp_path / "codes.npz")) as found:
        codes, lengths, files = found["codes"], found["lengths"], found["files"].tolist()
    assert files[0] == "ann/falling_0.wav" and len(files) == 12 and lengths.sum() == len(codes)
    np.testing.assert_array_equal(codes[: lengths[0]], model.encode(model.read(os.path.join(below, files[0]))))

    done = forked.script("decode", *flags, "--input=codes.npz", "--speaker=bob", "--out=wavs", cwd=tmp_path)
    assert done.status == 0 and "12 recordings in wavs" in done.stdout, done.stderr
    for name, length in zip(files, lengths):
        assert soundfile.info(str(tmp_path / "wavs" / name)).frames == length * spoken.STRIDE
    for more, message in (
        ((), "speaker: got none, expected one of ann, bob"),
        (("--speaker=eve",), "speaker: got 'eve', expected one of ann, bob or a number from 0 to 1"),
        (("--speaker=bob", "--out=wavs"), "out: 'wavs' exists; give the name of a folder to make"),
    ):
        done = forked.script("decode", *flags, "--input=codes.npz", "--out=new", *more, cwd=tmp_path)
        assert done.one_line("decode") == message
    assert not (tmp_path / "new").exists()

    one = os.path.join(below, files[3])
    done = forked.script("encode", *flags, "--input=" + one, "--out=one.npz", cwd=tmp_path)
    assert done.status == 0 and "1 recording" in done.stdout, done.stderr
    done = forked.script("encode", *flags, "--input=/no/file", cwd=tmp_path)
    assert done.one_line("encode").startswith("input: got '/no/file', expected a split, a folder or a WAV, FLAC")


@pytest.mark.slow
def test_ten_minutes(run, model, forked, tmp_path):
    """A long recording is encoded, evaluated and converted as a whole, in bounded memory."""
    samples = 600 * spoken.RATE + 5
    wave = 0.4 * np.sin(0.1 * np.arange(samples)) + 0.01 * np.random.RandomState(0).randn(samples)
    audio.write_wav(str(tmp_path / "long.wav"), wave.astype(np.float32), spoken.RATE)
    flags = ["--model_dir=" + run[2], "--input=long.wav"]
    encoded = forked.script("encode", *flags, "--out=codes.npz", cwd=tmp_path)
    converted = forked.script("convert_speech", *flags, "--speaker=bob", "--out=bob.wav", cwd=tmp_path)
    for done in (encoded, converted):
        assert done.status == 0 and done.megabytes < 3000, (done.stderr, done.megabytes)
    levels = model.read(str(tmp_path / "long.wav"))
    with np.load(str(tmp_path / "codes.npz")) as found:
        codes = found["codes"]
    assert len(codes) == -(-samples // spoken.STRIDE)
    np.testing.assert_array_equal(codes, model.encode(levels))
    np.testing.assert_array_equal(
        codes[-50:], model.encode(levels[-(samples % spoken.STRIDE + 9000 * spoken.STRIDE) :])[-50:]
    )
    assert soundfile.info(str(tmp_path / "bob.wav")).frames == samples
    minute = model.bits_per_sample(levels[: 60 * spoken.RATE], 0)
    assert model.bits_per_sample(levels, 0) == pytest.approx(minute, rel=0.02)


def test_a_split_to_a_file(model, source, tmp_path):
    out = str(tmp_path / "codes.npz")
    assert code_files.encode(model, speech_inputs.of_split(model, source, "validation"), out) == 8
    with np.load(out) as found:
        np.testing.assert_array_equal(found["speakers"], source.splits["validation"].speakers)
        np.testing.assert_array_equal(found["labels"], source.splits["validation"].labels)
    assert len(speech_code_files.load(model, out).codes) == 8
    long = source.splits["test"]._replace(names=("a/b.wav",) * 2 + source.splits["test"].names[2:])
    split = speech_inputs.of_split(model, source._replace(splits={"test": long}), "test")
    names = [str(batch.files[0]) for batch in split.batches()]
    assert names[:2] == ["a/b-part0.wav", "a/b-part1.wav"] and names[2:] == list(long.names[2:])


def test_unreadable_recordings_are_left_out(model, folder, tmp_path):
    shutil.copytree(os.path.join(folder, "test", "ann"), str(tmp_path / "some"))
    (tmp_path / "some" / "zero.wav").write_bytes(b"")
    out = str(tmp_path / "codes.npz")
    assert code_files.encode(model, speech_inputs.of_folder(model, str(tmp_path / "some")), out) == 6
    with pytest.raises(VQError, match=r"input: zero.wav: can't be read: it is empty"):
        code_files.encode(model, speech_inputs.of_folder(model, str(tmp_path / "some"), 0), out)


@pytest.mark.parametrize(
    "arrays, message",
    [
        (dict(codes=np.zeros([4, 1], int)), "no codes and lengths in it"),
        (dict(codes=np.zeros([4, 1], int), lengths=np.array([2, 3])), "its lengths don't sum up to its 4 codes"),
        (dict(codes=np.zeros([4, 1], int), lengths=np.array([5, -1])), "its lengths don't sum up to its 4 codes"),
        (dict(codes=np.zeros([4], int), lengths=np.array([4])), r"its codes are \[4\] and its lengths \[1\]"),
        (dict(codes=np.zeros([4, 1], int), lengths=np.array([4]), files=np.array(["../a"])), "it has a file '../a'"),
        (
            dict(codes=np.zeros([4, 1], int), lengths=np.array([4]), origin=np.array('{"fingerprint": "x"}')),
            "weights x",
        ),
    ],
)
def test_a_file_of_other_codes_is_refused(model, tmp_path, arrays, message):
    np.savez(str(tmp_path / "codes.npz"), **arrays)
    with pytest.raises(VQError, match="codes: .*" + message):
        speech_code_files.load(model, str(tmp_path / "codes.npz"))


def test_codes_that_are_none_leave_nothing_behind(model, tmp_path):
    np.savez(str(tmp_path / "codes.npz"), codes=np.full([4, 1], spoken.K), lengths=np.array([1, 3]))
    codes = speech_code_files.load(model, str(tmp_path / "codes.npz"))
    with pytest.raises(VQError, match="codes: got 8 to 8, expected codes from 0 to 7"):
        speech_code_files.decode(model, codes, str(tmp_path / "out"), "ann")
    assert [p.name for p in tmp_path.iterdir()] == ["codes.npz"]


def test_a_tiny_data_set_of_speakers_with_markup_in_their_names(forked, cache_dir, tmp_path):
    names = ["$x_1$", "K$$ha", "\u65e5\u672c"]
    for split, voices in (("train", names), ("validation", names[1:2]), ("test", names[1:2])):
        for number, voice in enumerate(voices):
            audio.write_wav(str(tmp_path / "data" / split / voice / "0.wav"), spoken.word(300, 1, number), spoken.RATE)
    source = speech_sources.locate("wav", str(tmp_path / "data"), cache_dir, spoken.RATE)
    write_run(tmp_path / "run", "wav", source=source.name, voices=names)
    flags = ["--data_dir=data", "--model_dir=run"]
    done = forked.script("explore", *flags, "--out=pictures", cwd=tmp_path)
    assert done.status == 0 and "Glyph" not in done.stderr and "Warning" not in done.stderr, done.stderr
    out = tmp_path / "pictures"
    assert {"speech.png", "code_meaning.png", "codebook.png"} <= {p.name for p in out.iterdir()}
    assert "000-K$$ha-as-$x_1$.wav" in {p.name for p in (out / "sounds").iterdir()}
