"""Damaged and hostile recordings and their levels: a sound, or a reason in one line, within bounds."""

import io
import json
import os
import struct

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from helpers.hostile import damaged, damaged_json, write
from helpers.ogg import page, pages, vorbis_bomb, with_checksums
from vq_estimator.config import SPLITS
from vq_estimator.data import (
    audio,
    speech_sources,
)

pytestmark = pytest.mark.usefixtures("quiet")


def sound_bytes(kind, subtype, channels=1, rate=8000, length=2000):
    x = np.random.RandomState(2).uniform(-0.5, 0.5, [length, channels])
    out = io.BytesIO()
    soundfile.write(out, x, rate, subtype, format=kind)
    return out.getvalue()


SOUNDS = [
    sound_bytes("WAV", "PCM_16"),
    sound_bytes("WAV", "PCM_24", 2, 44100),
    sound_bytes("WAV", "FLOAT"),
    sound_bytes("WAV", "ULAW"),
    sound_bytes("WAVEX", "PCM_32", 2),
    sound_bytes("FLAC", "PCM_16"),
    sound_bytes("FLAC", "PCM_24", 2, 22050),
    sound_bytes("AIFF", "PCM_16"),
    sound_bytes("AIFF", "FLOAT", 2),
    sound_bytes("OGG", "VORBIS"),
    sound_bytes("OGG", "VORBIS", 2, 44100),
    sound_bytes("OGG", "OPUS", 2),
    sound_bytes("MP3", "MPEG_LAYER_III", 2, 44100),
    sound_bytes("MP3", "MPEG_LAYER_III", length=8000),
]


def sound_or_reason(path):
    """The length of what a file holds, or why it can't be read; anything else is the test's failure."""
    try:
        x = audio.read(path, 8000)
    except ValueError as e:
        assert str(e) and str(e).isprintable() and len(str(e)) < 300, e
        return str(e)
    assert x.dtype == np.float32 and x.ndim == 1 and len(x) and np.abs(x).max() <= 1
    assert 1 <= len(audio.mu_law(audio.trim(x, 8000))) <= len(x)
    return len(x)


@given(st.data())
def test_a_damaged_sound_is_a_sound_or_a_reason(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("sounds")
    for i, whole in enumerate(SOUNDS):
        content = data.draw(damaged(whole))
        if data.draw(st.booleans()):  # in the header
            content = data.draw(damaged(whole[:64])) + whole[64:]
        packed = whole.startswith((b"OggS", b"\xff"))
        if whole.startswith(b"OggS") and data.draw(st.booleans()):  # within the packets, so that a decoder sees them
            _, start, end = data.draw(st.sampled_from(pages(whole)))
            content = (
                whole[:start] + data.draw(damaged(whole[start:end]))[: end - start].ljust(end - start) + whole[end:]
            )
            content = with_checksums(content)
        found = sound_or_reason(write(folder / str(i), content))
        # At 1,000 samples per second, the lowest rate, there are eight times as many; some 8-bit files have four.
        assert isinstance(found, str) or found <= (2000 if packed else 40) * len(content)


@pytest.mark.parametrize("whole", SOUNDS, ids=range(len(SOUNDS)))  # a float WAV holds the time it was written at
def test_a_sound_that_was_cut_off_is_refused(tmp_path, whole):
    assert isinstance(sound_or_reason(write(tmp_path / "a", whole)), int)
    for cut in [*range(0, 100, 7), *range(100, len(whole) - 1, len(whole) // 10), len(whole) - 1]:
        assert isinstance(sound_or_reason(write(tmp_path / "a", whole[:cut])), str), cut


def test_a_damaged_or_missing_page_of_ogg_is_refused(tmp_path):
    whole = sound_bytes("OGG", "OPUS", length=30000)
    found = pages(whole)
    assert len(found) >= 5
    for at, body, end in found[:-1]:
        flipped = bytearray(whole)
        flipped[(body + end) // 2] ^= 1
        assert "is damaged" in sound_or_reason(write(tmp_path / "a", bytes(flipped)))
        assert isinstance(sound_or_reason(write(tmp_path / "a", whole[:at] + whole[end:])), str)
    assert sound_or_reason(write(tmp_path / "a", whole + whole)) == "it holds several streams, expected one"
    assert sound_or_reason(write(tmp_path / "a", whole + b"TAG" + bytes(125))) == 30000


def wav_header(channels=1, rate=8000, bits=16, size=100, kind=1):
    frame = channels * bits // 8 & 0xFFFF
    form = struct.pack("<HHIIHH", kind, channels, rate, rate * frame & 0xFFFFFFFF, frame, bits)
    return b"RIFF\xff\xff\xff\x7fWAVEfmt \x10\0\0\0" + form + b"data" + struct.pack("<I", size)


NOISES = {
    "channels": wav_header(65535, size=1 << 20) + bytes(1 << 20),
    "none": wav_header(0) + bytes(100),
    "fast": wav_header(rate=2**32 - 1) + bytes(100),
    "still": wav_header(rate=0) + bytes(100),
    "wide": wav_header(bits=65535) + bytes(100),
    "claims": wav_header(size=0x7FFE0000) + bytes(100),
    "unknown": wav_header(kind=0x1234) + bytes(100),
    "chunks": b"RIFF\0\0\0\0WAVE" + bytes(8 << 20),
    "books": vorbis_bomb(250, 1 << 22),  # gigabytes
    "stack": vorbis_bomb(1, 1 << 20),
    "aiff": b"FORM\0\0\0\0AIFF" + b"SSND\xff\xff\xff\xff" + bytes(100),
    "chain": b"FORM\0\0\0\0AIFF" + bytes(8 << 20),
    "tags": (b"ID3\4\0\0" + bytes(4)) * 10**6,
    "opus": page(2, 0, [b"OpusHead\1\xff" + bytes(9) + b"\xff\xff" + bytes(255)])
    + page(4, 1, [b"OpusTags", b""], 10**15),
    "slow": wav_header(rate=1000, bits=8, size=16 << 20) + bytes(16 << 20),  # 4.7 hours
}
READ = """
import sys
from vq_estimator.data import audio
for path in sys.argv[1:]:
    try:
        print(len(audio.read(path, 768000)))
    except ValueError as e:
        print("refused:", e)
"""


def test_a_sound_can_not_ask_for_memory_or_time(tmp_path, forked):
    for name, content in NOISES.items():
        write(tmp_path / name, content)
    hours = tmp_path / "hours.flac"  # of silence: small
    with soundfile.SoundFile(str(hours), "w", 1000, 8, "PCM_16", format="FLAC") as f:
        for _ in range(4):
            f.write(np.zeros([10**6, 8], np.int16))
    done = forked.code(READ, *NOISES, "hours.flac", cwd=tmp_path)
    assert done.status == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == len(NOISES) + 1 and all(line.startswith("refused: it") for line in lines), lines
    assert done.megabytes < 900, done.megabytes


def test_what_is_no_file_is_no_sound(tmp_path):
    folder = tmp_path / "folder"
    for split in SPLITS:
        (folder / split).mkdir(parents=True)
        write(folder / split / "a.wav", SOUNDS[0])
    os.mkfifo(str(folder / "train" / "pipe.wav"))
    os.symlink("/dev/zero", str(folder / "train" / "zero.wav"))
    os.symlink("..", str(folder / "train" / "up"))
    with pytest.raises(OSError, match="no regular file"):
        audio.read(str(folder / "train" / "pipe.wav"), 8000)
    source = speech_sources.locate("wav", str(folder), str(tmp_path / "cache"), 8000, max_bad_files=0)
    assert [source.splits[split].names for split in SPLITS] == [(s + "/a.wav",) for s in SPLITS]


def test_a_damaged_cache_of_recordings_is_made_anew(tmp_path):
    for i in range(9):
        path = tmp_path / "data" / SPLITS[i % 3] / f"voice{i % 2}" / f"{i}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, sound_bytes("WAV", "PCM_16", length=300 + i))

    def locate():
        return speech_sources.locate("wav", str(tmp_path / "data"), str(tmp_path / "cache"), 8000)

    def contents(source):
        return [[a.tobytes() for a in source.splits[s][:4]] + [source.splits[s].names] for s in SPLITS]

    first = locate()
    want = contents(first)
    (made,) = (tmp_path / "cache" / "speech").iterdir()
    good = {path.name: path.read_bytes() for path in made.iterdir()}
    manifest = json.loads(good["speech.json"].decode("utf-8"))

    @given(st.data())
    def check(data):
        name = data.draw(st.sampled_from(["speech.json", "speech.json", *sorted(good)]))
        damage = damaged_json(manifest) if name == "speech.json" else damaged(good[name])
        content = data.draw(damage)
        os.remove(str(made / name))  # a source may have it open
        write(made / name, content)
        found = locate()
        assert found[:4] == first[:4] and contents(found) == want

    check()
