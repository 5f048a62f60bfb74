"""Recordings of files and arrays through the codec, with their names and speakers."""

import numpy as np
import pytest
import soundfile

from helpers import hostile
from helpers.codec_runs import sounds, write_run
from vq_estimator.data import audio
from vq_estimator.errors import VQError
from vq_estimator.inference import codec
from vq_estimator.inference.codec import recordings
from vq_estimator.inference.speech_model import SpeechModel

RATE = 8000  # of `wav`


@pytest.fixture(scope="module")
def folder_of_run(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("codec") / "run", "wav", quantizer="residual", L=2)


def test_files_and_their_speakers(folder_of_run, tmp_path, caplog):
    """A folder of sounds, whose folders name the speaker or not, to a file and back."""
    x, folder = sounds((300, 120, 250)), tmp_path / "in"
    for name, levels in zip(("test/ben/a", "who/knows/b", "c"), x):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        audio.write_wav(str(folder / name) + ".wav", levels, RATE)
    wide = np.stack([audio.from_mu_law(x[0])] * 2, 1)
    soundfile.write(str(folder / "test" / "ben" / "wide.flac"), wide, RATE)
    (folder / "c.txt").write_text("no sound")
    (folder / "d.wav").write_text("no sound")
    run, path, out = codec.open_run(folder_of_run), str(tmp_path / "x.vqz"), str(tmp_path / "out")
    m = run.config.model
    with pytest.raises(VQError, match="input: d.wav: can't be compressed: it is no WAV, .* file"):
        recordings.of_folder(str(folder), m)
    codec.compress(run, recordings.of_folder(str(folder), m, max_bad_files=1), path)
    assert "d.wav can't be compressed and is left out" in caplog.text
    found = codec.read(path).items
    assert [item.name for item in found] == ["c.wav", "test/ben/a.wav", "test/ben/wide.flac", "who/knows/b.wav"]
    assert [item.speaker for item in found[1:3]] == [1, 1]
    with SpeechModel(folder_of_run) as model:
        assert found[0].speaker == model.likeliest_speaker(x[2])
    codec.decompress(run, path, out)
    names = ["c.wav", "test/ben/a.wav", "test/ben/wide.wav", "who/knows/b.wav"]
    for name, levels in zip(names, (x[2], x[0], x[0], x[1])):
        again = recordings.of_files(out, [name], m, "carl")  # what is compressed again is the same levels
        assert again.items[0].speaker == 2
        np.testing.assert_array_equal(again.read(0)[0, :, 0], levels)


@pytest.mark.once
def test_an_array_of_levels(folder_of_run, tmp_path):
    run, path = codec.open_run(folder_of_run), str(tmp_path / "x.vqz")
    x = np.stack(sounds((40, 40)))
    np.save(str(tmp_path / "x.npy"), x)
    given = recordings.of_npy(str(tmp_path / "x.npy"), run.config.model, "anna")
    codec.compress(run, given, path, prior="uniform", batch=1)
    codec.decompress(run, path, str(tmp_path / "y.npy"))
    np.testing.assert_array_equal(np.load(str(tmp_path / "y.npy")), x)
    with open(path, "rb") as f:
        content = f.read()
    hostile.write(path, content[:-1] + bytes([content[-1] ^ 1]))
    assert codec.decompress(run, path, str(tmp_path / "y.npy"), keep_going=True).lost == [1]
    np.testing.assert_array_equal(np.load(str(tmp_path / "y.npy")), [x[0], np.full(40, audio.SILENCE)])
    np.save(str(tmp_path / "x.npy"), x[0])
    assert recordings.of_npy(str(tmp_path / "x.npy"), run.config.model).items[0].width == 40
    np.save(str(tmp_path / "x.npy"), np.float32(x))
    with pytest.raises(VQError, match=r"input: got float32 \[40\], expected levels uint8 \[T\]"):
        recordings.of_npy(str(tmp_path / "x.npy"), run.config.model)


@pytest.mark.parametrize("flags, remark", [((), ", which are restored exactly)"), (("--lossy",), ")")])
def test_only_the_levels_of_a_lossless_file_are_said_to_be_restored(folder_of_run, tmp_path, forked, flags, remark):
    np.save(str(tmp_path / "x.npy"), sounds((300,))[0])
    run = (f"--model_dir={folder_of_run}", "--prior=uniform", "--speaker=ben")
    done = forked.script("compress", *run, "--input=x.npy", "--out=x.vqz", *flags, cwd=tmp_path)
    assert done.status == 0 and f"(8-bit mu-law levels at 8,000 Hz{remark} in x.vqz: " in done.stdout, done.stderr
