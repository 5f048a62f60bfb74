import json
import os

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from vq_estimator import config as config_lib
from vq_estimator.errors import VQError
from vq_estimator.training import run_folder


def save(folder, step):
    with tf.Graph().as_default(), tf.Session() as session:
        tf.get_variable("global_step", initializer=np.int64(step), use_resource=True)
        session.run(tf.global_variables_initializer())
        return tf.train.Saver().save(session, os.path.join(str(folder), "model.ckpt"), global_step=step)


def test_a_new_folder_gets_its_config_and_a_run_is_resumed(tmp_path):
    config, folder = config_lib.make_config("mnist"), str(tmp_path / "a" / "run")
    assert run_folder.prepare(folder, config) == 0
    assert run_folder.load_config(folder) == config
    save(folder, 70)
    longer = config_lib.make_config("mnist", max_steps=99)
    assert run_folder.prepare(folder, longer) == 70
    assert run_folder.load_config(folder) == longer


def test_another_run_is_refused_with_the_difference_shown_and_left_as_it_was(tmp_path):
    folder = str(tmp_path)
    run_folder.prepare(folder, config_lib.make_config("mnist"))
    save(folder, 7)
    before = {n: os.stat(os.path.join(folder, n)).st_mtime_ns for n in os.listdir(folder)}
    with pytest.raises(
        VQError, match="holds a run that differs: model.quantizer.K: 20 in the run, 5 asked for.*--overwrite"
    ):
        run_folder.prepare(folder, config_lib.make_config("mnist", K=5))
    assert before == {n: os.stat(os.path.join(folder, n)).st_mtime_ns for n in os.listdir(folder)}
    assert run_folder.prepare(folder, config_lib.make_config("mnist", K=5), overwrite=True) == 0
    assert run_folder.latest_checkpoint(folder) is None


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_that_is_no_run_is_never_touched(tmp_path, overwrite):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(VQError, match="which is not empty and no run"):
        run_folder.prepare(str(tmp_path), config_lib.make_config("mnist"), overwrite)
    assert os.listdir(str(tmp_path)) == ["thesis.txt"]


def test_a_file_in_the_folders_place_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(VQError, match="model_dir: can't write"):
        run_folder.prepare(str(tmp_path / "file" / "run"), config_lib.make_config("mnist"))


def test_finding_checkpoints(tmp_path):
    folder = str(tmp_path)
    with pytest.raises(VQError, match="holds none; train first"):
        run_folder.find_checkpoint(folder)
    with pytest.raises(VQError, match="has no best one yet"):
        run_folder.find_checkpoint(folder, "best")
    first, second = save(folder, 3), save(folder, 9)
    assert run_folder.find_checkpoint(folder) == run_folder.Checkpoint(second, 9)
    assert run_folder.find_checkpoint(folder, first).step == 3
    assert run_folder.find_checkpoint(folder, first + ".index").step == 3
    with pytest.raises(VQError, match="expected latest, best or the path of a checkpoint"):
        run_folder.find_checkpoint(folder, os.path.join(folder, "model.ckpt-4"))
    with open(first + ".index", "wb") as f:
        f.write(b"damaged")
    with pytest.raises(VQError, match="can't be read"):
        run_folder.find_checkpoint(folder, first)


def test_the_best_checkpoint_survives_a_restart_and_a_worse_value(tmp_path):
    folder = str(tmp_path)
    a, b, c = save(folder, 1), save(folder, 2), save(folder, 3)
    assert run_folder.keep_best(folder, a, 1, "mse", 0.5)
    assert not run_folder.keep_best(folder, b, 2, "mse", 0.6)
    assert not run_folder.keep_best(folder, b, 2, "mse", float("nan"))
    assert run_folder.find_checkpoint(folder, "best").step == 1
    assert run_folder.keep_best(folder, c, 3, "mse", 0.4)
    assert run_folder.find_checkpoint(folder, "best").step == 3
    names = sorted(os.listdir(os.path.join(folder, "best")))
    assert names == ["best.json", "model.ckpt-3.data-00000-of-00001", "model.ckpt-3.index"]
    with open(os.path.join(folder, "best", "best.json")) as f:
        assert json.load(f) == {"checkpoint": "model.ckpt-3", "global_step": 3, "metric": "mse", "value": 0.4}


@pytest.mark.parametrize("content", [None, "{", '{"dataset": "mnist"}'])
def test_a_folder_without_a_good_config_is_one_line(tmp_path, content):
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(VQError, match="config.json") as e:
        run_folder.load_config(str(tmp_path))
    assert "\n" not in str(e.value)
