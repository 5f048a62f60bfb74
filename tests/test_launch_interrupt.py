"""Ctrl-C: a command that is interrupted saves or leaves nothing, and says so in one line."""

import functools
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from vq_estimator.data import audio

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def await_text(process, said, wanted):
    """Waits until a process has said something; it fails where that ends, and after two minutes."""
    end = time.time() + 120
    while wanted not in said.read_text():
        assert process.poll() is None and time.time() < end, said.read_text()
        time.sleep(0.02)


def interrupt(process, said, wanted):
    """Presses Ctrl-C once a process has said something; returns all that it said."""
    try:
        await_text(process, said, wanted)
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130, said.read_text()
    finally:
        process.kill()
    text = said.read_text()
    assert "Traceback" not in text, text
    return text


def test_ctrl_c_in_the_codec_leaves_nothing(forked, tmp_path):
    np.save(str(tmp_path / "x.npy"), np.random.RandomState(0).randint(0, 256, (300, 32, 32, 3)).astype(np.uint8))
    flags, said = ["--pretrained=cifar10", "--input=x.npy", "--out=out.vqz", "--batch=50"], tmp_path / "said"
    process = forked.start(os.path.join(ROOT, "launch", "compress.py"), *flags, output=said, cwd=tmp_path)
    text = interrupt(process, said, "tile/s")
    assert text.strip().endswith("error: interrupted"), text
    assert sorted(os.listdir(str(tmp_path))) == ["log", "said", "x.npy"]


@pytest.mark.slow
def test_ctrl_c_while_a_long_recording_is_drawn(environment, tmp_path):
    """One graph call that takes minutes, which neither TensorFlow nor XLA can stop."""
    levels = (128 + 60 * np.sin(0.3 * np.arange(8000 * 1200))).astype(np.uint8)
    audio.write_wav(str(tmp_path / "in.wav"), levels, 8000)
    script = os.path.join(ROOT, "launch", "convert_speech.py")
    flags = ["--pretrained=fsdd", "--input=in.wav", "--speaker=theo", "--out=out.wav"]
    given = dict(env=environment, cwd=str(tmp_path), stderr=subprocess.PIPE, universal_newlines=True)
    heard = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen([sys.executable, script, *flags], preexec_fn=heard, **given)
    try:
        time.sleep(30)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, text = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 130 and text.strip().endswith("convert_speech.py: error: interrupted"), text
    assert sorted(os.listdir(str(tmp_path))) == ["in.wav", "log"]


def test_ctrl_c_saves_and_says_how_to_resume(forked, tmp_path):
    flags, said = ["--save_checkpoints_steps=100000", "--max_steps=100000", "--log_steps=5"], tmp_path / "said"
    train = os.path.join(ROOT, "launch", "train.py")
    process = forked.start(train, "--K=8", "--D=16", *flags, "--model_dir=run", output=said, cwd=tmp_path)
    text = interrupt(process, said, "loss=")
    assert "stopping after this step and saving a checkpoint" in text, text
    (step,) = re.findall(r"stopped at step (\d+); run the same command to resume", text)
    assert int(step) > 0 and (tmp_path / "run" / f"model.ckpt-{step}.index").is_file()
