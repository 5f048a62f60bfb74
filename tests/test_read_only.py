"""A read-only run directory: results are computed, and one warning says that they are not stored."""

import json
import os
import shutil
import subprocess

import pytest

from vq_estimator.inference import evaluation, extraction, measurement, projector, results
from vq_estimator.inference.calibration import calibrate
from vq_estimator.inference.image_model import ImageModel
from vq_estimator.inference.session import open_run

pytestmark = pytest.mark.once


@pytest.fixture(autouse=True)
def no_warning_yet():
    results._WARNED.clear()


def everything_below(top):
    return sorted(os.path.join(where, name) for where, _, names in os.walk(str(top)) for name in names)


@pytest.fixture
def blocked_run(small_run, tmp_path):
    """(config, model_dir), in which a file replaces each results folder, which stops the superuser too."""
    config, model_dir = small_run
    copy = str(tmp_path / "run")
    shutil.copytree(model_dir, copy)
    for name in ("eval", "calibration", "codes", "projector"):
        shutil.rmtree(os.path.join(copy, name), ignore_errors=True)
        with open(os.path.join(copy, name), "w"):
            pass
    return config, copy


def test_figures_are_computed_and_one_warning_comes_before_the_work(
    small_run, blocked_run, digits, caplog, monkeypatch
):
    model_dir = blocked_run[1]
    before = everything_below(model_dir)
    warned = []
    real = measurement.per_example
    monkeypatch.setattr(evaluation, "per_example", lambda *given: warned.append(len(caplog.records)) or real(*given))
    monkeypatch.setattr(results.log, "propagate", True)
    found = evaluation.evaluate(open_run(model_dir), digits, "test")
    want = evaluation.evaluate(open_run(small_run[1]), digits, "test")
    assert found == want and warned[0] == 1
    messages = [r.getMessage() for r in caplog.records if model_dir in r.getMessage()]
    assert len(messages) == 1 and messages[0].startswith("model_dir: can't write")
    model = ImageModel(model_dir)
    codes = extraction.extract(model, digits, ("test",))["test"]
    assert codes.codes.shape[0] == found["examples"]
    assert projector.write(model, calibrate(model, digits)) is None
    assert everything_below(model_dir) == before


def test_a_write_that_fails_after_the_work_loses_no_figure(small_run, digits, tmp_path, monkeypatch):
    model_dir = str(tmp_path / "run")
    shutil.copytree(small_run[1], model_dir)
    shutil.rmtree(os.path.join(model_dir, "eval"), ignore_errors=True)

    def full(*given):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(evaluation, "write_json", full)
    found = evaluation.evaluate(open_run(model_dir), digits, "test")
    assert found["examples"] > 0 and not os.path.exists(os.path.join(model_dir, "eval", "test.json"))


def test_a_folder_that_can_be_written_to_gets_the_results(small_run, digits, tmp_path):
    assert results.can_write(str(tmp_path), "a/b/c") and os.listdir(str(tmp_path)) == []
    model_dir = small_run[1]
    result = evaluation.evaluate(open_run(model_dir), digits, "test")
    with open(os.path.join(model_dir, "eval", "test.json")) as f:
        assert json.load(f) == result


@pytest.fixture
def read_only(small_run, tmp_path):
    """A run directory that nobody can write to, by the file system for the superuser and by its rights for others."""
    folder = str(tmp_path / "disk")
    os.mkdir(folder)
    if os.geteuid() == 0:
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], check=True)
    try:
        run = os.path.join(folder, "run")
        shutil.copytree(small_run[1], run)
        for name in ("eval", "calibration", "codes", "projector"):
            shutil.rmtree(os.path.join(run, name), ignore_errors=True)
        if os.geteuid() == 0:
            subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        else:
            os.chmod(run, 0o555)
        yield run
    finally:
        if os.geteuid() == 0:
            subprocess.run(["umount", "-l", folder], check=True)
        else:
            os.chmod(os.path.join(folder, "run"), 0o755)


def test_commands_work_on_a_read_only_run(read_only, forked, tmp_path):
    before = everything_below(read_only)
    for script, given in (
        ("evaluate", ["--split=test"]),
        ("encode", ["--input=test", "--out=codes.npz"]),
        ("decode", ["--input=codes.npz", "--out=images.npy"]),
        ("explore", ["--frames=2", "--out=pictures"]),
        ("export", ["--export_dir=exported"]),
    ):
        done = forked.script(script, "--model_dir=" + read_only, *given, cwd=tmp_path)
        assert done.status == 0, done.stderr
        warnings = [line for line in done.stderr.splitlines() if "can't write" in line]
        assert len(warnings) == (script in ("evaluate", "explore")), done.stderr
        if script == "evaluate":
            assert "bits/dim, total (unigram prior)" in done.stdout
    assert everything_below(read_only) == before
    assert {"codes.npz", "images.npy", "pictures", "exported"} <= set(os.listdir(str(tmp_path)))
