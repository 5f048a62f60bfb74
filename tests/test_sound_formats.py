"""The formats of sound files: each is read at its length, and a missing one is named."""

import numpy as np
import pytest
import soundfile

from helpers.sounds import save, tone
from vq_estimator.data import audio
from vq_estimator.data import folder as folder_lib

SOUNDS = {
    "a.wav": ("WAV", "PCM_16", 8000, 1e-4),
    "a.RF64": ("RF64", "PCM_24", 8000, 1e-4),
    "a.wave": ("WAVEX", "FLOAT", 8000, 1e-4),
    "a.flac": ("FLAC", "PCM_16", 8000, 1e-4),
    "a.aiff": ("AIFF", "PCM_16", 8000, 1e-4),
    "a.aifc": ("AIFF", "FLOAT", 8000, 1e-4),
    "a.aif": ("AIFF", "ULAW", 8000, 0.02),
    "a.ogg": ("OGG", "VORBIS", 8000, 0.1),
    "a.oga": ("OGG", "VORBIS", 44100, 0.1),
    "a.opus": ("OGG", "OPUS", 48000, 0.1),
    "a.mp3": ("MP3", "MPEG_LAYER_III", 44100, 0.1),
    "b.MP3": ("MP3", "MPEG_LAYER_III", 8000, 0.1),
}


def test_every_sound_format_is_read_at_its_length(tmp_path):
    want = tone(1.0)
    for name, (kind, subtype, rate, error) in SOUNDS.items():
        save(tmp_path / name, tone(1.0, rate), rate, subtype, kind)
        got = audio.read(str(tmp_path / name), 8000)
        assert abs(len(got) - 8000) <= 1 and np.abs(got[100:7900] - want[100:7900]).max() < error, name
    assert folder_lib.paths(str(tmp_path), folder_lib.SOUNDS) == sorted(SOUNDS)


def frames_of(content):
    """The frames of an MP3 at 16 kHz without tags, by its headers."""
    found, at = [], 0
    while at < len(content):
        bits = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)[content[at + 2] >> 4]
        size = 72 * bits * 1000 // 16000 + (content[at + 2] >> 1 & 1)
        found.append(content[at : at + size])
        at += size
    return found


@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
def test_an_mp3_without_a_header_for_its_length_is_read_to_its_end(tmp_path, mode):
    """libsndfile guesses the length of such a file from its first frame, and reads no further."""
    x = np.concatenate([tone(2.0, 16000), np.random.RandomState(0).uniform(-0.4, 0.4, 32000)])
    try:
        soundfile.write(str(tmp_path / "a.mp3"), x, 16000, "MPEG_LAYER_III", format="MP3", bitrate_mode=mode)
    except TypeError:
        pytest.skip("this soundfile does not choose the bitrate")
    whole = audio.read(str(tmp_path / "a.mp3"), 16000)
    assert len(whole) == len(x)
    frames = frames_of((tmp_path / "a.mp3").read_bytes())
    bare, tag = b"".join(frames[1:]), b"ID3\4\0\0\0\0\x0f\0" + bytes(15 * 128)
    for content in (bare, bare + b"TAG" + bytes(125), tag + bare, tag + tag + bytes(99) + bare, bare + bytes(5000)):
        (tmp_path / "b.mp3").write_bytes(content)
        got = audio.read(str(tmp_path / "b.mp3"), 16000)
        assert len(got) == 576 * (len(frames) - 1) - 529  # the decoder's delay
        delay = len(got) - len(whole)
        assert any(np.abs(got[d : d + 60000] - whole[:60000]).max() < 1e-3 for d in range(delay + 1))
    for content, why in (
        (bare[:-9], "it ends 9 bytes before the end of its last frame"),
        (bare + b"junk", "it holds what is no frame of MP3"),
        (b"".join([*frames, *frames]), "frames, expected"),
        (tag, "it holds no frame of MP3"),
    ):
        (tmp_path / "b.mp3").write_bytes(content)
        with pytest.raises(ValueError, match=why):
            audio.read(str(tmp_path / "b.mp3"), 16000)


def test_a_libsndfile_without_a_format_says_so(tmp_path, monkeypatch):
    save(tmp_path / "a.mp3", tone(), 8000, "MPEG_LAYER_III", "MP3")
    save(tmp_path / "a.opus", tone(), 8000, "OPUS", "OGG")
    save(tmp_path / "a.ogg", tone(), 8000, "VORBIS", "OGG")
    known = {name: text for name, text in soundfile.available_formats().items() if name != "MP3"}
    monkeypatch.setattr(soundfile, "available_formats", lambda: known)
    monkeypatch.setattr(soundfile, "available_subtypes", lambda kind: {"VORBIS": ""})
    for name, kind in (("a.mp3", "MP3"), ("a.opus", "Opus")):
        with pytest.raises(
            ValueError, match=f"^it is {kind}, which libsndfile [0-9.]+ does not read; .* 0.12 or later"
        ):
            audio.read(str(tmp_path / name), 8000)
    assert len(audio.read(str(tmp_path / "a.ogg"), 8000)) == 4000
