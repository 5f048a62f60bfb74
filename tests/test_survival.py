"""A run that is killed, or whose disk is full, can be resumed."""

import errno
import glob
import itertools
import os
import random
import shutil
import signal
import subprocess

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers import spoken
from helpers.codec_runs import images, write_run
from helpers.hooks import AfterSteps
from helpers.small_runs import small_config
from vq_estimator.errors import VQError
from vq_estimator.inference import codec, export
from vq_estimator.training import checkpoints, trainer

HERE = os.path.dirname(os.path.abspath(__file__))
FLAGS = [
    *("--dataset=mnist", "--image_size=8", "--D=16", "--K=8", "--average_decay=0.9", "--flip", "--deterministic"),
    *("--initializer=he", "--codebook=ema", "--kmeans_init_steps=5", "--dead_entry_threshold=0.3"),
    *("--max_steps=60", "--save_checkpoints_steps=10", "--eval_steps=30", "--save_summary_steps=20"),
]


def train(forked, moment, model_dir, flags=FLAGS, script="train"):
    """The exit status of the command, and what it said."""
    done = forked.file(os.path.join(HERE, "helpers", "killed.py"), script, moment, *flags, f"--model_dir={model_dir}")
    return done.status, done.stdout + done.stderr


def contents(model_dir, files=("evaluated.json", "best/best.json", "eval/validation.json", "eval/test.json")):
    """Every tensor of the last and of the best checkpoint as bytes, and what evaluation found."""
    found = {}
    for which in ("latest", "best"):
        checkpoint = checkpoints.find_checkpoint(model_dir, which)
        reader = tf.train.load_checkpoint(checkpoint.path)
        for name in reader.get_variable_to_shape_map():
            found[which, checkpoint.step, name] = np.asarray(reader.get_tensor(name)).tobytes()
    for name in files:
        with open(os.path.join(model_dir, name)) as f:
            found[name] = f.read()
    return found


@pytest.fixture(scope="module")
def undisturbed(forked, tmp_path_factory):
    """What the folder of a run holds that was never killed."""
    model_dir = str(tmp_path_factory.mktemp("undisturbed") / "run")
    status, said = train(forked, "never", model_dir)
    assert status == 0, said
    return contents(model_dir)


def killed_and_resumed(forked, moments, model_dir, flags=FLAGS, script="train"):
    """Kills the run at each moment in turn and has it go on, until it comes to its end; counts the kills."""
    for kills, moment in enumerate(itertools.chain(moments, ["never"])):
        status, said = train(forked, moment, model_dir, flags, script)
        if status == 0:
            return kills
        assert status == -signal.SIGKILL, said


def test_a_run_that_is_killed_and_damaged_ends_with_the_same_bits(forked, undisturbed, tmp_path):
    model_dir = str(tmp_path / "run")
    for moment in ("save:4:0.002", "evaluate:0.1", "step:13"):
        status, said = train(forked, moment, model_dir)
        assert status == -signal.SIGKILL, said
    last = checkpoints.find_checkpoint(model_dir)
    assert last.step == 40
    with open(last.path + ".data-00000-of-00001", "r+b") as f:
        f.truncate(100)
    status, said = train(forked, "never", model_dir)
    assert status == 0 and "model.ckpt-40' can't be read" in said, said
    assert contents(model_dir) == undisturbed


@pytest.mark.slow
def test_a_run_that_is_killed_twenty_times_ends_with_the_same_bits(forked, undisturbed, tmp_path):
    draw = random.Random(0)
    kinds = [
        lambda: f"step:{draw.randint(1, 12)}",
        lambda: f"save:{draw.randint(1, 2)}:{draw.choice([0, 0.001, 0.003, 0.01, 0.03])}",
        lambda: f"evaluate:{draw.uniform(0, 1):.3f}",
        lambda: f"time:{draw.uniform(0, 1):.3f}",
    ]
    kills = 0
    for n in range(10):  # as many runs as it takes: how far each comes between its kills depends on the machine
        model_dir = str(tmp_path / str(n))
        moments = [draw.choice(kinds)() for _ in range(20 - kills)]
        kills += killed_and_resumed(forked, moments, model_dir)
        assert contents(model_dir) == undisturbed
        if kills == 20:
            break
    assert kills == 20


STEPS = [
    "--deterministic",
    "--max_steps=30",
    "--save_checkpoints_steps=10",
    "--eval_steps=20",
    "--save_summary_steps=20",
]
OTHERS = {
    "autoregressive": [
        *("--dataset=mnist", "--preset=tuned", "--image_size=8", "--L=2", "--quantizer=residual", "--K=8", "--D=8"),
        *("--decoder=autoregressive", "--decoder_layers=1", "--decoder_channels=8", "--decoder_condition_channels=8"),
        *("--likelihood=logistic_mixture", "--objective=elbo", "--dead_entry_threshold=0.5"),
    ],
    "speech": ["--dataset=wav", *(f"--{name}={value}" for name, value in spoken.TINY.items() if "steps" not in name)],
}


@pytest.mark.slow
@pytest.mark.parametrize("model", sorted(OTHERS))
def test_so_do_other_models(forked, spoken_source, tmp_path, model):
    flags = OTHERS[model] + STEPS + [f"--data_dir={spoken_source[0]}"] * (model == "speech")
    for name, moments in (("alone", []), ("killed", ["save:2:0.002", "step:3", "evaluate:0.1"])):
        assert killed_and_resumed(forked, moments, str(tmp_path / name), flags) == len(moments)
    assert contents(str(tmp_path / "killed")) == contents(str(tmp_path / "alone"))


@pytest.mark.slow
def test_so_does_a_prior(forked, small_run, tmp_path):
    flags = ["--class_conditional", "--layers=2", "--channels=8", "--dropout=0.2", *STEPS]
    found = []
    for name, moments in (("alone", []), ("killed", ["save:2:0.002", "step:3", "evaluate:0.1"])):
        shutil.copytree(small_run[1], str(tmp_path / name))
        assert killed_and_resumed(forked, moments, str(tmp_path / name), flags, "train_prior") == len(moments)
        found.append(contents(str(tmp_path / name / "prior"), ("evaluated.json", "best/best.json")))
    assert found[0] == found[1]


@pytest.fixture
def small_disk(tmp_path):
    """A function that mounts a disk with a number of bytes and returns its folder."""
    mounted = []

    def mount(size):
        folder = str(tmp_path / f"disk{len(mounted)}")
        os.mkdir(folder)
        if shutil.which("mount") is None or os.geteuid() != 0:
            pytest.skip("only root mounts a disk")
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True)
        if done.returncode:
            pytest.skip("no disk can be mounted here: " + done.stderr.decode().strip())
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "-l", folder], check=True)


def fill(folder, leave):
    """Has no more than about `leave` bytes free."""
    free = os.statvfs(folder)
    size = free.f_bavail * free.f_frsize - leave
    with open(os.path.join(folder, "ballast"), "wb") as f:
        f.write(bytes(size))


@pytest.mark.once
def test_a_full_disk_is_one_line_and_the_last_checkpoint_stays(digits, small_disk):
    disk = small_disk("8m")
    config, folder = small_config(digits, max_steps=30, save_checkpoints_steps=10), os.path.join(disk, "run")
    with pytest.raises(
        VQError, match=r"model_dir: can't write .*: No space left on device; .* step 20 is complete"
    ) as e:
        trainer.train(config, digits, folder, hooks=[AfterSteps(25, lambda _: fill(disk, 4096))])
    assert "\n" not in str(e.value)
    os.remove(os.path.join(disk, "ballast"))
    assert trainer.train(config, digits, folder).step == 30
    assert not glob.glob(os.path.join(folder, "*temp*"))


def test_an_export_to_a_full_disk_is_one_line_and_leaves_nothing(small_run, small_disk):
    config, model_dir = small_run
    disk = small_disk("20k")
    with pytest.raises(VQError, match="export_dir: can't write .*: No space left on device"):
        export.export(config, checkpoints.find_checkpoint(model_dir), os.path.join(disk, "model"))
    assert os.listdir(disk) == []


@pytest.mark.once
def test_decompression_to_a_full_disk_is_an_error_and_leaves_nothing(small_disk, tmp_path):
    run, path = codec.open_run(write_run(tmp_path / "run")), str(tmp_path / "x.vqz")
    codec.compress(run, images(100, 8, 1), path, prior="uniform", verify=False)
    disk = small_disk("4k")  # a page; the array has two
    with pytest.raises(OSError) as e:
        codec.decompress(run, path, os.path.join(disk, "x.npy"))
    assert e.value.errno == errno.ENOSPC and os.listdir(disk) == []


def test_a_folder_that_can_not_be_written_is_one_line(digits, small_disk):
    disk = small_disk("8m")
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    with pytest.raises(VQError, match="model_dir: can't write .*: Read-only file system"):
        trainer.train(small_config(digits), digits, os.path.join(disk, "run"))
