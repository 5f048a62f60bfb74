"""A run that fails before its first step leaves nothing, a replaced run is restored, one process trains at a time."""

import fcntl
import os
import shutil
import subprocess
import sys

import pytest
import tensorflow.compat.v1 as tf

from helpers.forked import ROOT
from helpers.small_runs import save, small_config
from vq_estimator import config as config_lib
from vq_estimator.config import Config
from vq_estimator.errors import VQError
from vq_estimator.training import beginning, checkpoints, lock, run_folder, trainer, warm_start


def contents(folder):
    """The bytes of every file below a folder."""
    found = {}
    for where, folders, names in os.walk(str(folder)):
        for name in names + folders:
            path = os.path.join(where, name)
            found[os.path.relpath(path, str(folder))] = open(path, "rb").read() if os.path.isfile(path) else None
    return found


class FailBefore(tf.train.SessionRunHook):
    """Fails once the first checkpoint is there, before the first step."""

    def __init__(self, error):
        self._error = error

    def before_run(self, run_context):
        raise self._error


@pytest.mark.parametrize("error", [VQError("test: failed"), KeyboardInterrupt(), OSError(28, "No space")])
def test_a_run_that_fails_before_its_first_step_leaves_nothing(digits, tmp_path, error):
    with pytest.raises(VQError if isinstance(error, OSError) else type(error)):
        trainer.train(small_config(digits), digits, str(tmp_path / "a" / "run"), hooks=[FailBefore(error)])
    assert os.listdir(str(tmp_path)) == []
    (tmp_path / "made").mkdir()
    with pytest.raises(VQError):
        trainer.train(small_config(digits), digits, str(tmp_path / "made"), hooks=[FailBefore(VQError("test: x"))])
    assert os.listdir(str(tmp_path)) == ["made"] and os.listdir(str(tmp_path / "made")) == []
    assert trainer.train(small_config(digits, max_steps=2), digits, str(tmp_path / "made")).step == 2
    assert len([n for n in os.listdir(str(tmp_path / "made")) if n.startswith("events")]) == 1


def test_weights_that_do_not_fit_leave_nothing(digits, small_run, tmp_path):
    warm = warm_start.of_run(small_run[1])
    with pytest.raises(VQError, match="warm_start: "):
        trainer.train(small_config(digits, D=32, K=9), digits, str(tmp_path / "run"), warm=warm)
    assert os.listdir(str(tmp_path)) == []


def test_an_overwritten_run_comes_back_where_the_new_one_never_began(digits, small_run, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(small_run[1], str(folder))
    (folder / "notes.txt").write_text("mine")
    before, other = contents(folder), small_config(digits, K=9, max_steps=2)
    with pytest.raises(VQError, match="test: failed"):
        trainer.train(other, digits, str(folder), overwrite=True, hooks=[FailBefore(VQError("test: failed"))])
    assert contents(folder) == before
    assert trainer.train(other, digits, str(folder), overwrite=True).step == 2
    names = set(os.listdir(str(folder)))
    assert "notes.txt" in names and run_folder.load_config(str(folder)) == other
    assert not names & {beginning.ASIDE, beginning.DONE, lock.LOCK} and "model.ckpt-60.index" not in names


def run_of(folder, step=3):
    """A run with a checkpoint and a best one, and a file of the user's."""
    run_folder.prepare(str(folder), config_lib.make_config("mnist"))
    checkpoints.keep_best(str(folder), save(folder, step), step, "mse", 0.1)
    (folder / "notes.txt").write_text("mine")


class Killed(BaseException):
    pass


@pytest.mark.parametrize("act", ["rename", "remove", "rmdir"])
@pytest.mark.parametrize("call", range(12))
def test_a_kill_at_any_moment_of_an_overwrite_is_healed(tmp_path, monkeypatch, act, call):
    """The process is as good as killed at the call-th time that it changes the folder; then it is healed."""
    folder = tmp_path / "run"
    run_of(folder)
    before, real, calls = contents(folder), getattr(os, act), []

    def killed(*args, **given):
        calls.append(args)
        if len(calls) > call:
            raise Killed
        return real(*args, **given)

    try:
        with monkeypatch.context() as patched:
            patched.setattr(os, act, killed)
            with beginning.Beginning(str(folder), Config, overwrite=True) as begun:
                run_folder.prepare(str(folder), config_lib.make_config("mnist", K=5), begun.replaces)
                raise VQError("test: failed")
    except (Killed, VQError):
        pass
    beginning._OPEN.clear()
    beginning.heal(str(folder))
    assert contents(folder) == before


def test_a_new_run_with_a_checkpoint_stays_after_a_kill(tmp_path):
    folder = tmp_path / "run"
    run_of(folder)
    begun = beginning.Beginning(str(folder), Config, overwrite=True)
    begun.__enter__()
    beginning._OPEN.clear()  # killed
    run_folder.prepare(str(folder), config_lib.make_config("mnist", K=5), begun.replaces)
    save(folder, 0)
    assert beginning.needs_healing(str(folder))
    beginning.heal(str(folder))
    assert run_folder.load_config(str(folder)).model.quantizer.K == 5 and not beginning.needs_healing(str(folder))
    assert checkpoints.find_checkpoint(str(folder)).step == 0 and (folder / "notes.txt").read_text() == "mine"


HOLD = """
import sys
from vq_estimator.training import lock
with lock.training(sys.argv[1], sys.argv[2] or None):
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder():
    """A function that has another process train in a folder until its stdin is closed."""
    started = []

    def start(folder, task=""):
        command = [sys.executable, "-c", HOLD, str(folder), task]
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        started.append(process)
        assert process.stdout.readline() == b"ready\n"
        return process

    yield start
    for process in started:
        process.kill()
        with process:  # closes its pipes
            pass


def test_one_process_at_a_time_trains_in_a_folder(holder, digits, small_run, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(small_run[1], str(folder))
    before = contents(folder)
    process = holder(folder)
    for overwrite in (False, True):
        with pytest.raises(VQError, match="model_dir: got .*run', in which another process trains"):
            trainer.train(small_config(digits, K=9), digits, str(folder), overwrite=overwrite)
    with pytest.raises(VQError, match="model_dir: "):
        lock.check_free(str(folder))
    with pytest.raises(VQError, match="model_dir: "):  # a cluster's task
        lock.check_free(str(folder), "worker0")
    assert checkpoints.find_checkpoint(str(folder)).step == 60  # who reads does not wait
    process.kill()
    process.wait()
    lock.check_free(str(folder))
    with lock.training(str(folder)):
        pass
    assert contents(folder) == before


def test_the_tasks_of_a_cluster_share_a_folder(holder, tmp_path):
    folder = tmp_path / "run"
    process = holder(folder, "chief0")
    with lock.training(str(folder), "worker0"):
        with pytest.raises(VQError, match="another process with the task chief0"):
            lock.check_free(str(folder), "chief0")
        with pytest.raises(VQError, match="another process"):
            lock.check_free(str(folder))
    process.stdin.close()
    assert process.wait(60) == 0
    assert not folder.exists()


def test_a_file_system_without_locks_is_one_warning(tmp_path, monkeypatch, caplog):
    def none(*args):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", none)
    with lock.training(str(tmp_path / "run")):
        assert os.path.isdir(str(tmp_path / "run"))
    assert [r.levelname for r in caplog.records] == ["WARNING"] and "can't be locked" in caplog.text
