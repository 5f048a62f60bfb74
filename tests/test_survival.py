"""What is left of a run that is killed, and of one whose disk is full."""

import os
import random
import signal
import subprocess
import sys

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from vq_estimator.training import run_folder

HERE = os.path.dirname(os.path.abspath(__file__))
FLAGS = [
    *("--dataset=mnist", "--preset=tuned", "--D=16", "--K=8", "--average_decay=0.9", "--flip", "--deterministic"),
    *("--max_steps=90", "--save_checkpoints_steps=10", "--eval_steps=30", "--save_summary_steps=20"),
]


def train(environment, moment, model_dir, *flags):
    """The exit status of the command, and what it said."""
    command = [sys.executable, os.path.join(HERE, "killed.py"), moment, *FLAGS, *flags, f"--model_dir={model_dir}"]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
    return done.returncode, done.stdout.decode(errors="replace")


def contents(model_dir):
    """Every tensor of the last and of the best checkpoint as bytes, and what evaluation found."""
    found = {}
    for which in ("latest", "best"):
        checkpoint = run_folder.find_checkpoint(model_dir, which)
        reader = tf.train.load_checkpoint(checkpoint.path)
        for name in reader.get_variable_to_shape_map():
            found[which, checkpoint.step, name] = np.asarray(reader.get_tensor(name)).tobytes()
    for name in ("evaluated.json", "best/best.json", "eval/validation.json", "eval/test.json"):
        with open(os.path.join(model_dir, name)) as f:
            found[name] = f.read()
    return found


@pytest.fixture(scope="module")
def undisturbed(environment, tmp_path_factory):
    """What a run that was never killed leaves."""
    model_dir = str(tmp_path_factory.mktemp("undisturbed") / "run")
    status, said = train(environment, "never", model_dir)
    assert status == 0, said
    return contents(model_dir)


def killed_and_resumed(environment, moments, model_dir):
    """Kills the run at each moment in turn, as far as it comes there, and has it go on to its end; counts the kills."""
    kills = 0
    for moment in moments:
        status, said = train(environment, moment, model_dir)
        assert status in (0, -signal.SIGKILL), said
        kills += status != 0
    status, said = train(environment, "never", model_dir)
    assert status == 0, said
    return kills


def test_a_run_that_is_killed_ends_with_the_same_bits(environment, undisturbed, tmp_path):
    model_dir = str(tmp_path / "run")
    assert killed_and_resumed(environment, ["save:4:0.002", "evaluate:0.1", "step:13"], model_dir) == 3
    assert contents(model_dir) == undisturbed


@pytest.mark.slow
def test_a_run_that_is_killed_twenty_times_ends_with_the_same_bits(environment, undisturbed, tmp_path):
    draw, model_dir = random.Random(0), str(tmp_path / "run")
    kinds = [
        lambda: f"step:{draw.randint(1, 12)}",
        lambda: f"save:{draw.randint(1, 2)}:{draw.choice([0, 0.001, 0.003, 0.01, 0.03])}",
        lambda: f"evaluate:{draw.uniform(0, 1):.3f}",
        lambda: f"time:{draw.uniform(0, 1):.3f}",
    ]
    moments = [draw.choice(kinds)() for _ in range(20)]
    assert killed_and_resumed(environment, moments, model_dir) >= 15
    assert contents(model_dir) == undisturbed


def test_a_damaged_checkpoint_is_gone_back_from(environment, undisturbed, tmp_path):
    model_dir = str(tmp_path / "run")
    assert train(environment, "save:5:0", model_dir)[0] == -signal.SIGKILL
    path = run_folder.find_checkpoint(model_dir).path
    with open(path + ".data-00000-of-00001", "r+b") as f:
        f.truncate(100)
    status, said = train(environment, "never", model_dir)
    assert status == 0 and f"{os.path.basename(path)}' can't be read" in said, said
    assert contents(model_dir) == undisturbed
