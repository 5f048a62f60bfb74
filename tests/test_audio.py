"""Sound files and mu-law, compared with the formula, SciPy and the written samples."""

import shutil
import struct

import numpy as np
import pytest
import scipy.signal
import soundfile

from helpers.sounds import save, tone
from vq_estimator.data import audio

LEVELS = np.arange(256, dtype=np.uint8)


def test_mu_law_is_wavenets_formula():
    x = np.linspace(-1, 1, 40001)
    want = np.sign(x) * np.log(1 + 255 * np.abs(x)) / np.log(256)
    got = audio.mu_law(x)
    assert got.dtype == np.uint8 and set(got) == set(range(256)) and (np.diff(got.astype(int)) >= 0).all()
    assert np.abs(got * 2.0 / 255 - 1 - want).max() <= 1 / 255 + 1e-9  # half a level
    assert audio.mu_law(0.0) == audio.mu_law(-0.0) == audio.SILENCE == 128
    assert list(audio.mu_law(np.array([-5.0, -1.0, 1.0, 5.0]))) == [0, 0, 255, 255]


def test_a_level_comes_back_from_its_sample():
    x = audio.from_mu_law(LEVELS)
    assert x.dtype == np.float32 and x[0] == -1 and x[255] == 1 and (np.diff(x) > 0).all()
    np.testing.assert_allclose(x, -x[::-1], atol=1e-7)
    np.testing.assert_array_equal(audio.mu_law(x), LEVELS)
    np.testing.assert_array_equal(audio.mu_law(x.reshape(4, 8, 8)), LEVELS.reshape(4, 8, 8))


def test_long_sound_is_brought_to_levels_in_parts(monkeypatch):
    x = np.random.RandomState(0).uniform(-1, 1, [3, 1000])
    whole = audio.mu_law(x)
    monkeypatch.setattr(audio, "BLOCK", 7)
    np.testing.assert_array_equal(audio.mu_law(x), whole)


def test_levels_and_samples_survive_a_file(tmp_path):
    path = str(tmp_path / "new" / "a.wav")
    audio.write_wav(path, LEVELS, 8000)
    np.testing.assert_array_equal(audio.mu_law(audio.read(path, 8000)), LEVELS)
    x = tone()
    audio.write_wav(path, x, 8000)
    assert np.abs(audio.read(path, 8000) - x).max() <= 0.5 / 32768
    assert soundfile.info(path).subtype == "PCM_16" and soundfile.info(path).samplerate == 8000
    audio.write_wav(path, np.array([-2.0, 2.0]), 8000)  # is clipped
    np.testing.assert_allclose(audio.read(path, 8000), [-1, 1], atol=1e-4)


@pytest.mark.parametrize("sound", [np.zeros([2, 2]), np.zeros(3, np.int16), np.array([0.0, np.nan])])
def test_what_is_no_sound_is_not_written(tmp_path, sound):
    with pytest.raises(ValueError, match="sound: "):
        audio.write_wav(str(tmp_path / "a.wav"), sound, 8000)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "kind, subtype, bits",
    [
        *(("WAV", "PCM_U8", 8), ("WAV", "PCM_16", 16), ("WAV", "PCM_24", 24), ("WAV", "PCM_32", 25)),
        *(("WAV", "FLOAT", 25), ("WAV", "DOUBLE", 25), ("WAVEX", "PCM_24", 24)),
        *(("FLAC", "PCM_S8", 8), ("FLAC", "PCM_16", 16), ("FLAC", "PCM_24", 24)),
    ],
)
def test_every_width_is_read(tmp_path, kind, subtype, bits):
    x = tone()
    got = audio.read(save(tmp_path / "a", x, 8000, subtype, kind), 8000)
    assert got.dtype == np.float32 and got.shape == x.shape
    assert np.abs(got - x).max() <= 2.0 ** (1 - bits)


@pytest.mark.parametrize("subtype", ["ULAW", "ALAW"])
def test_the_laws_of_telephony_are_read(tmp_path, subtype):
    x = tone()
    assert np.abs(audio.read(save(tmp_path / "a.wav", x, 8000, subtype), 8000) - x).max() < 0.02


@pytest.mark.parametrize("kind", ["WAV", "FLAC"])
def test_channels_are_averaged(tmp_path, kind):
    x = np.stack([tone(), -tone(), tone(hertz=700)], 1)
    got = audio.read(save(tmp_path / "a", x, 8000, "PCM_24", kind), 8000)
    np.testing.assert_allclose(got, x.mean(1), atol=1e-6)


@pytest.mark.parametrize("rate", [4000, 11025, 16000, 22050, 44100, 48000, 8001, 44056])
def test_any_rate_is_brought_to_the_asked_one(tmp_path, rate, monkeypatch):
    monkeypatch.setattr(audio, "BLOCK", 5000)  # in several blocks
    x = tone(1.0, rate)
    got = audio.read(save(tmp_path / "a.wav", x, rate, "FLOAT"), 8000)
    assert abs(len(got) - 8000) <= 1
    middle = slice(400, 7600)
    np.testing.assert_allclose(got[middle], tone(1.0)[: len(got)][middle], atol=2e-3)
    if rate in (16000, 48000):
        other = scipy.signal.resample_poly(x, 8000, rate)
        np.testing.assert_allclose(got[middle], other[: len(got)][middle], atol=5e-3)


def test_what_a_rate_can_not_hold_is_left_out(tmp_path):
    got = audio.read(save(tmp_path / "a.wav", tone(1.0, 44100, 4300), 44100, "FLOAT"), 8000)
    assert np.abs(got[400:-400]).max() < 1e-3


@pytest.mark.parametrize("kind", ["WAV", "FLAC"])
@pytest.mark.parametrize("rate", [8000, 44100, 1000])
def test_one_sample_is_a_sound(tmp_path, kind, rate):
    got = audio.read(save(tmp_path / "a", np.array([0.25]), rate, "PCM_16", kind), 8000)
    assert len(got) == max(round(8000 / rate), 1) and np.isfinite(got).all()
    assert len(audio.trim(got, 8000)) >= 1


def test_ten_minutes_are_read(tmp_path):
    x = np.tile(tone(1.0), 600)
    got = audio.read(save(tmp_path / "a.wav", x), 8000)
    assert len(got) == 600 * 8000 and np.abs(got - x).max() <= 1 / 32768


def test_a_length_that_was_not_known_is_that_of_the_file(tmp_path):
    path = save(tmp_path / "a.wav", tone())
    with open(path, "r+b") as f:
        at = f.read().index(b"data") + 4
        f.seek(at)
        f.write(b"\xff" * 4)
    assert len(audio.read(path, 8000)) == 4000


def fields(path, riff=None, data=None, cut=0):
    """Rewrites the two lengths of a WAV's header, and cuts off its end."""
    with open(path, "rb") as f:
        content = bytearray(f.read())
    at = content.index(b"data") + 4
    order = ">" if content[:4] == b"RIFX" else "<"
    for place, value in ((4, riff), (at, data)):
        if value is not None:
            content[place : place + 4] = struct.pack(order + "I", value)
    with open(path, "wb") as f:
        f.write(content[: len(content) - cut])
    return path


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "FLOAT", "ULAW"])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("kind", [b"RF64", b"BW64"])
def test_wavs_with_lengths_of_64_bits_are_read(tmp_path, kind, subtype, channels):
    x = np.stack([tone(), tone(hertz=700)], 1)[:, :channels]
    path = save(tmp_path / "a.wav", x, 8000, subtype, "RF64")
    want = soundfile.read(path, dtype="float32", always_2d=True)[0].mean(1)
    with open(path, "r+b") as f:
        f.write(kind)
    np.testing.assert_allclose(audio.read(path, 8000), want, atol=1e-7)
    with open(path, "rb") as f:
        content = f.read()
    for cut in (1, 1000, len(content) - 100, len(content) - 30):
        with open(path, "wb") as f:
            f.write(content[:-cut])
        with pytest.raises(ValueError, match="it ends"):
            audio.read(path, 8000)


@pytest.mark.parametrize("riff", [None, 0, 36, 2**32 - 1])
@pytest.mark.parametrize("data", [0, 2**31 - 4096, 2**31 - 1, 2**31, 2**32 - 1])
@pytest.mark.parametrize("subtype, kind", [("PCM_16", "WAV"), ("PCM_24", "WAV"), ("FLOAT", "WAVEX")])
def test_a_recorder_that_was_killed_leaves_its_samples(tmp_path, riff, data, subtype, kind):
    x = tone()
    path = save(tmp_path / "a.wav", x, 8000, subtype, kind)
    want = soundfile.read(path, dtype="float32")[0]
    np.testing.assert_array_equal(audio.read(fields(path, riff, data), 8000)[:4000], want)
    assert len(audio.read(path, 8000)) - 4000 in range(0, 16)  # what libsndfile writes behind floats
    if kind == "WAV" and subtype == "PCM_16":
        assert len(audio.read(fields(path, riff, data, cut=1001), 8000)) == 4000 - 501


def test_a_recorder_that_was_killed_before_it_wrote_64_bits(tmp_path):
    path = save(tmp_path / "a.wav", tone(), 8000, "PCM_16", "RF64")
    with open(path, "rb") as f:
        content = f.read()
    at = content.index(b"ds64") + 8
    want = soundfile.read(path, dtype="float32")[0]
    for lengths in (bytes(16), b"\xff" * 16):
        with open(path, "wb") as f:
            f.write(content[:at] + lengths + content[at + 16 :])
        np.testing.assert_array_equal(audio.read(path, 8000), want)


def test_a_length_beyond_the_end_is_a_cut_or_a_recorder_that_was_killed(tmp_path):
    """The first length of the header tells them apart: beyond the end of a cut file, and not of an unfinished one."""
    whole = save(tmp_path / "a.wav", tone())
    for riff, cut in ((36, 0), (8036, 0), (0, 1000)):
        path = fields(shutil.copy(whole, str(tmp_path / "b.wav")), riff, 100000, cut)
        assert len(audio.read(path, 8000)) == 4000 - cut // 2
    for riff, data, cut in ((None, None, 2), (100036, 100000, 0), (None, 8000, 7999), (2**32 - 1, 100000, 0)):
        path = fields(shutil.copy(whole, str(tmp_path / "b.wav")), riff, data, cut)
        with pytest.raises(ValueError, match="it ends [0-9]+ bytes before the end of its samples"):
            audio.read(path, 8000)


def test_chunks_behind_no_samples_are_no_samples(tmp_path):
    path = save(tmp_path / "a.wav", np.zeros(0))
    for rest in (b"", b"LIST\x04\0\0\0INFO", b"LIST\x03\0\0\0abc\0id3 \0\0\0\0", b"LIST\x03\0\0\0abc"):
        with open(path, "rb") as f:
            content = f.read()[:44]
        with open(path, "wb") as f:
            f.write(content + rest)
        with pytest.raises(ValueError, match="it has no samples"):
            audio.read(path, 8000)


def bad_files():
    """Name: what is done to a path, and the reason that is given."""

    def content(data):
        return lambda path: path.write_bytes(data)

    def sound(x, *given):
        return lambda path: save(path, x, *given)

    def cut(path, kind="WAV"):
        save(path, tone(), 8000, "PCM_16", kind)
        path.write_bytes(path.read_bytes()[:-1000])

    def header(at, *values):
        def write(path):
            save(path, tone())
            whole = bytearray(path.read_bytes())
            whole[at : at + 4] = struct.pack("<" + "HH"[: len(values)] if len(values) == 2 else "<I", *values)
            path.write_bytes(bytes(whole))

        return write

    return {
        "empty": (content(b""), "it is empty"),
        "text": (content(b"<html>not found</html>"), "it is no WAV, .* file"),
        "other": (sound(tone(), 8000, "PCM_16", "AU"), "it is no WAV, .* file"),
        "packed": (
            sound(tone(), 8000, "IMA_ADPCM"),
            "its samples are IMA_ADPCM, expected PCM, floats, mu-law or A-law",
        ),
        "header": (content(b"RIFF\x04\0\0\0WAVE"), "it ends before its samples"),
        "chunks": (content(b"RIFF\xff\xff\0\0WAVE" + bytes(100000)), "it has no samples in its first 1000 chunks"),
        "cut": (cut, "it ends 1000 bytes before the end of its samples"),
        "cut_flac": (lambda path: cut(path, "FLAC"), "it can't be decoded .*flac"),
        "none": (sound(np.zeros(0)), "it has no samples"),
        "nan": (sound(np.array([0.0, np.nan]), 8000, "FLOAT"), "it holds samples that are not finite"),
        "infinity": (sound(np.array([0.0, -np.inf]), 8000, "DOUBLE"), "it holds samples that are not finite"),
        "loud": (sound(np.array([0.0, 20000.0]), 8000, "FLOAT"), "its samples reach 20000, expected -1 to 1"),
        "slow": (header(24, 1), "its sample rate is 1, expected 1000 to 768000"),
        "fast": (header(24, 2**31 - 1), "its sample rate is 2147483647, expected 1000 to 768000"),
        "channels": (header(20, 1, 200), "it can't be decoded|it has 200 channels, expected 1 to 64"),
        "long": (sound(np.zeros(3601 * 1000), 1000, "PCM_16", "FLAC"), "it has 3,601 seconds, expected at most 3,600"),
    }


@pytest.mark.parametrize("name", sorted(bad_files()))
def test_what_can_not_be_read_says_why_in_one_line(tmp_path, name):
    make, why = bad_files()[name]
    make(tmp_path / "a")
    with pytest.raises(ValueError, match=why) as e:
        audio.read(str(tmp_path / "a"), 8000)
    assert str(e.value).isprintable()


def test_a_rate_that_can_not_be_made_is_refused(tmp_path):
    with pytest.raises(ValueError, match="its sample rate is 0, expected 1000 to"):
        audio.read(save(tmp_path / "a.wav", tone()), 0)


@pytest.mark.parametrize("noise", [0.0, 1e-4])
def test_silence_is_trimmed_at_both_ends(noise):
    rng = np.random.RandomState(0)
    x = np.concatenate([np.zeros(3000), tone(0.25), np.zeros(1000), tone(0.25, size=0.1), np.zeros(2000)])
    x = (x + noise * rng.randn(len(x))).astype(np.float32)
    got = audio.trim(x, 8000)
    kept = 80 * audio.TRIM_KEPT
    assert 5000 + 2 * kept <= len(got) <= 5000 + 2 * kept + 2 * 80
    begin = next(i for i in range(len(x)) if np.array_equal(x[i : i + len(got)], got))
    assert 3000 - kept - 80 <= begin <= 3000 - kept


@pytest.mark.parametrize("length", [1, 79, 80, 8000])
def test_silence_alone_leaves_something(length):
    assert len(audio.trim(np.zeros(length, np.float32), 8000)) == min(length, 80)
    x = tone(length / 8000)
    np.testing.assert_array_equal(audio.trim(x + 0.2, 8000), x + 0.2)  # nothing to trim
