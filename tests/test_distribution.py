"""Training with several replicas equals training with one."""

import contextlib
import dataclasses
import json
import os
import shutil

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers import spoken
from helpers.marks import slow
from helpers.ports import free_port
from helpers.small_runs import small_config
from vq_estimator.config import make_config
from vq_estimator.errors import VQError
from vq_estimator.training import checkpoints, distribution, run_folder, trainer, warm_start

MEMBER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "helpers", "member.py")
# What is one on all replicas: EMA statistics, k-means start, restart, averages, the clipped norm, flips.
SETTINGS = dict(codebook="ema", dead_entry_threshold=0.5, kmeans_init_steps=3, average_decay=0.9, clip_norm=0.05)
SETTINGS.update(flip=True, initializer="he", image_size=8, K=8, D=16, batch_size=16, learning_rate=1e-3)
SETTINGS.update(max_steps=8, save_checkpoints_steps=4, log_steps=4)
OTHERS = {
    "tuned": dict(preset="tuned", dead_entry_threshold=0.5, kmeans_init_steps=3, average_decay=0.9, flip=True),
    "residual": dict(preset="tuned", quantizer="residual", L=2, kmeans_init_steps=3, dead_entry_threshold=0.5),
    "gradient": dict(kmeans_init_steps=2, dead_entry_threshold=0.5),
    "original": dict(),
    "soap": dict(optimizer="soap", clip_norm=0.05),
}


def tensors(model_dir):
    reader = tf.train.load_checkpoint(checkpoints.find_checkpoint(model_dir).path)
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def close(model_dir, alone, tolerance=2e-3):
    """Both runs came to the same tensors, up to this fraction of the largest number in each."""
    a, b = tensors(alone), tensors(model_dir)
    assert set(a) == set(b) and a["global_step"] == b["global_step"] == 8
    for name in a:
        if name.endswith("_basis"):  # directions without gradient may turn
            continue
        most = np.abs(a[name]).max()
        np.testing.assert_allclose(a[name], b[name], rtol=0, atol=max(tolerance * most, 1e-12), err_msg=name)


@pytest.fixture(scope="module")
def alone(digits, tmp_path_factory):
    """(config, folder) of the run of SETTINGS by one process."""
    folder = str(tmp_path_factory.mktemp("runs") / "alone")
    config = dataclasses.replace(make_config("mnist", **SETTINGS), dataset_source=digits.spec.name)
    trainer.train(config, digits, folder)
    return config, folder


def two_replicas_are_one(config, alone, digits, shared, tolerance=2e-3):
    assert trainer.train(config, digits, shared, shared=distribution.make("mirrored", cpu_devices=2)).step == 8
    with open(os.path.join(shared, "graph.pbtxt")) as f:
        assert "replica_1/" in f.read()
    close(shared, alone, tolerance)
    found = [checkpoints.load_best(folder) for folder in (alone, shared)]
    assert found[0]["global_step"] == found[1]["global_step"]
    np.testing.assert_allclose(found[0]["value"], found[1]["value"], rtol=1e-4)


def test_two_replicas_are_one_with_twice_the_batch(digits, alone, tmp_path):
    two_replicas_are_one(*alone, digits, str(tmp_path / "shared"))


@pytest.mark.once
@pytest.mark.parametrize("kinds", [("mirrored",), slow(("mirrored", "none"))])
def test_a_run_goes_on_under_another_distribution(digits, alone, tmp_path, kinds):
    config, folder = alone
    for kind in kinds:
        stopped = str(tmp_path / kind)
        shutil.copytree(folder, stopped)
        for name in os.listdir(stopped):
            if name.startswith("model.ckpt-8."):
                os.remove(os.path.join(stopped, name))
        assert checkpoints.find_checkpoint(stopped).step == 4
        shared = distribution.make(kind, cpu_devices=2 if kind == "mirrored" else 1)
        assert trainer.train(config, digits, stopped, shared=shared).step == 8
        close(stopped, folder)
        folder = stopped  # so the last one began alone, and went on by two replicas, and went on alone


def test_replicas_begin_with_no_other_run(digits, alone, tmp_path):
    config, folder = alone
    shared, model_dir = distribution.make("mirrored", cpu_devices=2), tmp_path / "run"
    want = "warm_start: got it with --distribution=mirrored, expected "
    with pytest.raises(VQError, match=want):
        trainer.train(config, digits, str(model_dir), warm=warm_start.of_run(folder), shared=shared)
    assert not model_dir.exists()


def test_no_process_of_a_cluster_removes_a_run(server, environment, alone, tmp_path):
    shutil.copytree(alone[1], str(tmp_path / "run"))
    task = {"cluster": {"chief": ["127.0.0.1:1"], "worker": ["127.0.0.1:2"]}, "task": {"type": "worker", "index": 0}}
    commands = server.within(dict(environment, TF_CONFIG=json.dumps(task)))
    flags = ["--distribution=multi_worker", "--overwrite", f"--model_dir={tmp_path / 'run'}"]
    done = commands.script("train", *flags)
    assert done.one_line("train").startswith("overwrite: got it in a cluster")
    assert checkpoints.find_checkpoint(str(tmp_path / "run")).step == 8


@pytest.mark.slow
@pytest.mark.parametrize("settings", sorted(OTHERS))
def test_so_they_are_of_other_codebooks(digits, tmp_path, settings):
    config = small_config(digits, batch_size=16, max_steps=8, learning_rate=1e-3, **OTHERS[settings])
    trainer.train(config, digits, str(tmp_path / "alone"))
    tolerance = 0.05 if settings == "soap" else 2e-3  # it divides small gradients, which are rounding errors early on
    two_replicas_are_one(config, str(tmp_path / "alone"), digits, str(tmp_path / "shared"), tolerance)


@pytest.mark.slow
def test_so_they_are_of_speech_of_which_some_windows_are_told_nothing(spoken_source, tmp_path):
    given = dict(batch_size=8, wavenet_condition_dropout=0.5, max_steps=8, save_checkpoints_steps=8, eval_steps=8)
    config = spoken.tiny_config(spoken_source[1], **given)
    trainer.train(config, spoken_source[1], str(tmp_path / "alone"))
    two_replicas_are_one(config, str(tmp_path / "alone"), spoken_source[1], str(tmp_path / "shared"))


def test_a_batch_that_can_not_be_shared_out_is_one_line(digits, tmp_path):
    with pytest.raises(VQError, match="batch_size: got 15, expected a multiple of the 2 replicas"):
        shared = distribution.make("mirrored", cpu_devices=2)
        trainer.train(small_config(digits, batch_size=15), digits, str(tmp_path / "run"), shared=shared)


@pytest.mark.parametrize(
    "kind, tf_config",
    [
        ("multi_worker", None),
        ("multi_worker", "{"),
        ("multi_worker", "[]"),
        ("multi_worker", {"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 0}}),
        ("multi_worker", {"cluster": {"chief": ["a:1"], "ps": ["b:1"]}, "task": {"type": "chief", "index": 0}}),
        ("multi_worker", {"cluster": {"chief": ["a:1"]}, "task": {"type": "worker", "index": 0}}),
        ("multi_worker", {"cluster": {"chief": ["a:1"], "worker": ["b:1"]}, "task": {"type": "worker", "index": 1}}),
        ("parameter_server", {"cluster": {"chief": ["a:1"]}, "task": {"type": "chief", "index": 0}}),
        ("parameter_server", {"cluster": {"chief": ["a:1"], "ps": ["b:1"]}}),
    ],
)
def test_a_cluster_that_does_not_fit_is_one_line(kind, tf_config):
    text = tf_config if tf_config is None or isinstance(tf_config, str) else json.dumps(tf_config)
    with pytest.raises(
        VQError, match="TF_CONFIG: got .*, expected a cluster of chief, worker.* --distribution=" + kind
    ):
        distribution.make(kind, text)


@contextlib.contextmanager
def cluster(server, environment, kind, jobs, model_dir):
    """The processes of a cluster on this machine, by their tasks; those that still run at the end are killed."""
    flags = [f"--{k}={v}" for k, v in SETTINGS.items()] + [f"--distribution={kind}", f"--model_dir={model_dir}"]
    addresses = {job: [f"127.0.0.1:{free_port()}" for _ in range(n)] for job, n in jobs.items()}
    processes = {}
    try:
        for job, n in dict(jobs, evaluator=1).items():
            for index in range(n):
                task = json.dumps({"cluster": addresses, "task": {"type": job, "index": index}})
                output = f"{model_dir}-{job}{index}.log"
                commands = server.within(dict(environment, TF_CONFIG=task))
                processes[f"{job}{index}"] = commands.start(MEMBER, "--dataset=mnist", *flags, output=output)
        yield processes
    finally:
        for process in processes.values():
            process.kill()
            process.wait()


def finished(processes, model_dir):
    """Waits for the tasks that end by themselves."""
    for name, process in processes.items():
        if not name.startswith("ps"):
            status = process.wait()
            with open(f"{model_dir}-{name}.log", errors="replace") as f:
                assert status == 0, f.read()


def test_two_workers_in_step_are_one_with_twice_the_batch(server, environment, alone, tmp_path):
    model_dir = str(tmp_path / "run")
    with cluster(server, environment, "multi_worker", {"chief": 1, "worker": 1}, model_dir) as processes:
        finished(processes, model_dir)
    assert run_folder.load_config(model_dir) == alone[0]
    close(model_dir, alone[1])
    assert checkpoints.evaluated(model_dir) == 8 and checkpoints.load_best(model_dir)["global_step"] == 8
    assert os.path.isfile(os.path.join(model_dir, "eval", "test.json"))


def test_workers_of_a_parameter_server_train_one_model(server, environment, alone, tmp_path):
    model_dir = str(tmp_path / "run")
    jobs = {"chief": 1, "worker": 1, "ps": 1}
    with cluster(server, environment, "parameter_server", jobs, model_dir) as processes:
        finished(processes, model_dir)
        assert processes["ps0"].poll() is None  # it never ends by itself
    found = tensors(model_dir)
    assert found["global_step"] >= 8 and all(np.isfinite(x).all() for x in found.values())
    assert run_folder.load_config(model_dir) == alone[0]
    values = [checkpoints.load_best(folder)["value"] for folder in (alone[1], model_dir)]
    assert 0.7 < values[1] / values[0] < 1.4
