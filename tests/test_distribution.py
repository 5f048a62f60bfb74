"""Training by several replicas against training by one."""

import os

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from conftest import small_config

from vq_estimator.training import distribution, run_folder, trainer

SHARED = {  # what is one on all replicas: EMA statistics, k-means start, restart, averages, the clipped norm, flips
    "vq": dict(preset="tuned", restart_below=0.5, kmeans_steps=3, average_decay=0.9, clip_norm=0.05, flip=True),
    "residual": dict(preset="tuned", quantizer="residual", L=2, kmeans_steps=3, restart_below=0.5),
    "gradient": dict(kmeans_steps=2, restart_below=0.5),
    "original": dict(),
}


def tensors(model_dir):
    reader = tf.train.load_checkpoint(run_folder.find_checkpoint(model_dir).path)
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


@pytest.mark.parametrize("settings", sorted(SHARED))
def test_two_replicas_are_one_with_twice_the_batch(digits, tmp_path, settings):
    config = small_config(digits, batch_size=16, max_steps=8, learning_rate=1e-3, **SHARED[settings])
    alone, shared = str(tmp_path / "alone"), str(tmp_path / "shared")
    trainer.train(config, digits, alone)
    result = trainer.train(config, digits, shared, shared=distribution.make("mirrored", cpu_devices=2))
    assert result.step == 8
    with open(os.path.join(shared, "graph.pbtxt")) as f:
        assert "replica_1/" in f.read()
    a, b = tensors(alone), tensors(shared)
    assert set(a) == set(b)
    for name in a:
        np.testing.assert_allclose(a[name], b[name], rtol=1e-3, atol=2e-5, err_msg=name)
    found = [run_folder.load_best(folder) for folder in (alone, shared)]
    assert found[0]["global_step"] == found[1]["global_step"]
    np.testing.assert_allclose(found[0]["value"], found[1]["value"], rtol=1e-4)
