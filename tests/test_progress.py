"""Progress bars move while a chunk is coded, and TQDM_DISABLE hides all of them."""

import ast
import io
import os
import subprocess
import sys

import numpy as np
import pytest

from helpers import codec_runs
from vq_estimator import progress
from vq_estimator.inference import codec
from vq_estimator.inference.codec import chunk_workers

pytestmark = pytest.mark.once

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CASES = {
    "factorised": ({}, lambda: codec_runs.images(6, 8, 1)),
    "with a prior": (dict(classes=3), lambda: codec_runs.images(6, 8, 1)),
    "autoregressive": (
        dict(
            decoder="autoregressive",
            decoder_layers=1,
            decoder_channels=8,
            decoder_condition_channels=8,
            likelihood="categorical",
        ),
        lambda: codec_runs.images(6, 8, 1),
    ),
    "speech": (dict(dataset="wav"), lambda: codec_runs.sounds([40, 90, 64])),
}


@pytest.mark.parametrize("case", sorted(CASES))
def test_the_bar_moves_within_a_chunk_up_to_its_end(case, tmp_path, monkeypatch):
    settings, examples = CASES[case]
    run, examples, bars = codec_runs.write_run(tmp_path / "run", **settings), examples(), []

    class Bar(progress.ProgressBar):
        def __init__(self, *given, **named):
            super().__init__(*given, **named)
            self.seen = [0.0]
            bars.append(self)

        def update(self, n=1):
            self.seen.append(self.n + n)
            return super().update(n)

    monkeypatch.setattr(chunk_workers, "ProgressBar", Bar)
    path = str(tmp_path / "a.vqz")
    for verify in (False, True):
        codec.compress(run, examples, path, verify=verify, workers=1)
    back = codec.decompress(run, path, workers=1).images
    assert all(np.array_equal(a, b) for a, b in zip(back, examples))
    assert len(bars) == 3
    for bar in bars:
        steps = np.diff(bar.seen)
        assert len(steps) > 3 and steps.max() < 0.9 * bar.total and steps.min() >= 0
        assert bar.seen[-1] == pytest.approx(len(examples)) and max(bar.seen) <= bar.total == len(examples)


def test_damaged_chunks_reach_the_end_of_the_bar_too():
    moved = []
    part = chunk_workers.ChunkProgress(moved.append, 10, 100)
    part(30)
    part.finish()
    part.finish()
    part(5)
    assert sum(moved) == pytest.approx(10) and moved[0] == pytest.approx(3)


def test_no_bar_overrides_the_environment():
    """`disable` is passed to a bar only as True: False would override the variable TQDM_DISABLE."""
    names = [os.path.join(where, n) for where, _, found in os.walk(ROOT) for n in found if n.endswith(".py")]
    names = [n for n in names if os.path.relpath(n, ROOT).split(os.sep)[0] in ("vq_estimator", "launch", "tools")]
    calls, importing = 0, set()
    for name in names:
        with open(name, encoding="utf-8") as f:
            tree = ast.parse(f.read())
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "ProgressBar":
                calls += 1
                assert not [k for k in node.keywords if k.arg == "disable"], name
            if isinstance(node, ast.ImportFrom) and node.module == "tqdm":
                importing.add(os.path.relpath(name, ROOT))
    assert calls > 5
    assert importing == {os.path.join("vq_estimator", "progress.py"), os.path.join("launch", "shell.py")}


@pytest.mark.parametrize("terminal, lines", [(True, 20), (False, 1)])
def test_a_bar_writes_rarely_into_a_file(terminal, lines, monkeypatch):
    class Stream(io.StringIO):
        isatty = staticmethod(lambda: terminal)

    stream, now = Stream(), [0.0]
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    with progress.ProgressBar(total=100, desc="compress") as bar:
        bar._time = lambda: now[0]  # a second per step
        bar.start_t = bar.last_print_t = 0.0
        for _ in range(45):
            now[0] += 1.0
            bar.update()
        written = stream.getvalue().count("compress:") - 1  # the first line is written at the start
    assert written >= lines if terminal else written == lines
    assert "45%" in stream.getvalue()


CODE = """
import sys
import numpy as np
from helpers import codec_runs
from vq_estimator.inference import codec
from vq_estimator.inference.image_model import ImageModel
from vq_estimator.inference.speech_model import SpeechModel
images = codec_runs.images(150, 8, 1)
with ImageModel(sys.argv[1]) as model:
    model.bits_per_dim(images)
with SpeechModel(sys.argv[2]) as model:
    model.convert(codec_runs.sounds([40])[0], 1, draws=2)
codec.compress(sys.argv[1], images[:3], sys.argv[3])
codec.decompress(sys.argv[1], sys.argv[3])
"""


@pytest.mark.slow
def test_the_environment_hides_every_bar(tmp_path):
    runs = [codec_runs.write_run(tmp_path / "a", classes=2), codec_runs.write_run(tmp_path / "b", dataset="wav")]
    shown = {}
    for hide in ("", "1"):
        environment = dict(os.environ, PYTHONPATH=os.pathsep.join([ROOT, os.path.join(ROOT, "tests")]))
        environment.update({"TQDM_DISABLE": hide} if hide else {}, TF_CPP_MIN_LOG_LEVEL="3", PYTHONWARNINGS="ignore")
        command = [sys.executable, "-c", CODE, *runs, str(tmp_path / "x.vqz")]
        done = subprocess.run(command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
        text = done.stderr.decode()
        assert done.returncode == 0, text
        shown[hide] = [bar for bar in ("prior", "convert", "compress and verify", "decompress") if bar + ":" in text]
    assert shown == {"": ["prior", "convert", "compress and verify", "decompress"], "1": []}
