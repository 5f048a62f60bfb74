"""If TensorFlow cannot be used, a command fails with one line, whatever the import raises."""

import os
import subprocess
import sys

import pytest

from helpers.forked import ROOT
from vq_estimator.errors import VQError
from vq_estimator_launch import tensorflow_import

BROKEN = {
    "absent": "raise ModuleNotFoundError(\"No module named 'tensorflow'\")",
    "no library": "raise ImportError('libstdc++.so.6: cannot open shared object file')",
    "another protobuf": "raise TypeError('Descriptors cannot be created directly.\\nIf this call came from a _pb2.py')",
    "another NumPy": "raise AttributeError('_ARRAY_API not found')",
    "no text": "raise ImportError()",
    "no version": "",
    "too new": "__version__ = '2.16.1'",
    "too old": "__version__ = '1.14.0'",
}


@pytest.fixture(params=sorted(BROKEN))
def broken(request, tmp_path):
    """A folder with a TensorFlow that can't be used."""
    (tmp_path / "tensorflow" / "compat" / "v1").mkdir(parents=True)
    for inner in ("", "compat", "compat/v1"):
        (tmp_path / "tensorflow" / inner / "__init__.py").write_text("")
    (tmp_path / "tensorflow" / "__init__.py").write_text(BROKEN[request.param])
    return tmp_path


@pytest.mark.parametrize("script", ["evaluate", "train"])
def test_a_command_says_in_one_line_that_it_needs_another_tensorflow(broken, script):
    command = [sys.executable, os.path.join(ROOT, "launch", script + ".py"), f"--model_dir={broken / 'run'}"]
    environment = dict(os.environ, PYTHONPATH=str(broken), VQ_CACHE_DIR=str(broken / "cache"))
    done = subprocess.run(command, cwd=str(broken), env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1 and done.stdout == "" and done.stderr.count("\n") == 1
    assert done.stderr.startswith(script + ".py: error: TensorFlow: got ")
    assert done.stderr.endswith(tensorflow_import.WANTED + "\n")
    assert sorted(os.listdir(str(broken))) == ["tensorflow"]


def test_help_and_version_need_no_tensorflow(broken):
    environment = dict(os.environ, PYTHONPATH=str(broken))
    for flag in ("--help", "--version"):
        command = [sys.executable, os.path.join(ROOT, "launch", "evaluate.py"), flag]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0 and done.stdout and done.stderr == ""


def test_a_tensorflow_without_its_estimator_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_estimator", None)
    with pytest.raises(VQError, match=r"TensorFlow: got .* without tensorflow_estimator"):
        tensorflow_import.import_tensorflow()


def test_the_tensorflow_here_is_taken():
    import tensorflow.compat.v1 as tf

    assert tensorflow_import.import_tensorflow() is tf


@pytest.mark.parametrize(
    "version, good",
    [("1.15.0", True), ("1.15.5", True), ("2.12.0", True), ("2.15.1", True), ("2.15.0rc1", True)]
    + [(v, False) for v in ("1.14.0", "2.0.0", "2.11.1", "2.16.1", "2.21.0", "3.0.0", "", "unknown")],
)
def test_which_releases_are_taken(version, good):
    assert tensorflow_import.supported(version) == good
