import dataclasses
import os

import pytest
import tensorflow.compat.v1 as tf

from helpers.small_runs import overwrite_with, save
from vq_estimator import config as config_lib
from vq_estimator import pretrained
from vq_estimator.config import Config
from vq_estimator.errors import VQError
from vq_estimator.training import beginning, checkpoints, run_folder


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
    assert overwrite_with(folder, config_lib.make_config("mnist", K=5)) == 0
    assert checkpoints.latest_checkpoint(folder) is None


def test_the_folder_of_a_prior_is_refused_as_a_run():
    run = pretrained.folder("mnist")
    with pytest.raises(VQError, match="the prior of a run, expected the run: '.*mnist'$"):
        run_folder.load_config(os.path.join(run, "prior"))


def test_a_run_without_data_gets_the_first_that_it_is_given_and_keeps_it(tmp_path):
    without, folder = config_lib.make_config("images"), str(tmp_path)
    first, other = (dataclasses.replace(without, dataset_source="images-" + name) for name in "ab")
    run_folder.prepare(folder, without)
    run_folder.prepare(folder, first)
    assert run_folder.load_config(folder) == first
    with pytest.raises(VQError, match="dataset_source: 'images-a' in the run, 'images-b' asked for"):
        run_folder.prepare(folder, other)


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_that_is_no_run_is_never_touched(tmp_path, overwrite):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(VQError, match="which is not empty and no run"):
        with beginning.Beginning(str(tmp_path), Config, overwrite) as begun:
            run_folder.prepare(str(tmp_path), config_lib.make_config("mnist"), begun.replaces)
    assert os.listdir(str(tmp_path)) == ["thesis.txt"]


@pytest.mark.parametrize("content", ['{"name": "my web app"}', "[]", "no json"])
def test_overwrite_leaves_the_folders_of_other_programs_alone(tmp_path, content):
    (tmp_path / "config.json").write_text(content)
    (tmp_path / "eval").mkdir()
    with pytest.raises(VQError, match="whose config.json is not of a run"):
        overwrite_with(str(tmp_path), config_lib.make_config("mnist"))
    assert sorted(os.listdir(str(tmp_path))) == ["config.json", "eval"]


def test_overwrite_removes_what_a_run_wrote_and_nothing_else(tmp_path):
    folder = str(tmp_path)
    run_folder.prepare(folder, config_lib.make_config("mnist"))
    checkpoints.keep_best(folder, save(folder, 3), 3, "mse", 0.1)
    (tmp_path / "my_notes.txt").write_text("x")
    assert overwrite_with(folder, config_lib.make_config("mnist", K=5)) == 0
    assert sorted(os.listdir(folder)) == ["config.json", "my_notes.txt"]


def damage(path, how):
    name = path + (".index" if how == "index" else ".data-00000-of-00001")
    with open(name, "rb") as f:
        content = f.read()
    if how == "bit":
        content = content[:2] + bytes([content[2] ^ 4]) + content[3:]
    with open(name, "wb") as f:
        f.write(content if how == "bit" else content[: len(content) // 2])


@pytest.mark.parametrize("how", ["index", "data", "bit"])
def test_a_damaged_checkpoint_is_left_out_with_a_warning(tmp_path, caplog, how):
    folder = str(tmp_path)
    config = config_lib.make_config("mnist")
    run_folder.prepare(folder, config)
    save(folder, 3)
    damage(save(folder, 7), how)
    assert checkpoints.find_checkpoint(folder).step == 3
    assert [r.getMessage().split(" (")[0] for r in caplog.records] == [
        f"checkpoint: {os.path.join(folder, 'model.ckpt-7')!r} can't be read"
    ]
    assert run_folder.prepare(folder, config) == 3
    assert tf.train.latest_checkpoint(folder) == os.path.join(folder, "model.ckpt-3")  # an Estimator resumes from it
    damage(os.path.join(folder, "model.ckpt-3"), how)
    for use in (checkpoints.find_checkpoint, lambda folder: run_folder.prepare(folder, config)):
        with pytest.raises(VQError, match="model.ckpt-7' can't be read"):
            use(folder)


def test_what_a_killed_run_was_writing_is_removed_and_its_checkpoints_are_found(tmp_path):
    folder, config = str(tmp_path), config_lib.make_config("mnist")
    run_folder.prepare(folder, config)
    checkpoints.keep_best(folder, save(folder, 3), 3, "mse", 0.1)
    save(folder, 7)
    kept = {n for _, _, names in os.walk(folder) for n in names}
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "mod')
    (tmp_path / "model.ckpt-9_temp").mkdir()
    for name in (
        "model.ckpt-9.data-00000-of-00001",
        "model.ckpt-8.data-00000-of-00001.tempstate123",
        "checkpoint.tmp5e",
    ):
        (tmp_path / name).write_text("x")
    for name in (".config.json.a1b2c3d4", "best/.best.json.a1b2c3d4", "best/model.ckpt-7.data-00000-of-00001"):
        (tmp_path / name).write_text("x")
    (tmp_path / "notes.tmp").write_text("mine")
    assert run_folder.prepare(folder, config) == 7
    assert {n for _, _, names in os.walk(folder) for n in names} == kept | {"notes.tmp"}
    assert tf.train.latest_checkpoint(folder) == os.path.join(folder, "model.ckpt-7")


def test_a_run_that_was_moved_goes_on_from_its_own_checkpoints(tmp_path):
    config = config_lib.make_config("mnist")
    old, new = str(tmp_path / "old"), str(tmp_path / "new")
    run_folder.prepare(old, config)
    save(old, 3)
    os.rename(old, new)
    assert run_folder.prepare(new, config) == 3
    assert tf.train.latest_checkpoint(new) == os.path.join(new, "model.ckpt-3")


@pytest.mark.parametrize("name", ["run[1]", "a*b", "a?", "a\\b", "a\udcff"])
def test_a_path_that_tensorflow_takes_for_a_pattern_is_refused(tmp_path, name):
    with pytest.raises(VQError, match="model_dir: got .*, expected a path"):
        run_folder.prepare(str(tmp_path / name), config_lib.make_config("mnist"))
    assert os.listdir(str(tmp_path)) == []


@pytest.mark.parametrize("content", [None, "{", '{"dataset": "mnist"}'])
def test_a_folder_without_a_good_config_is_one_line(tmp_path, content):
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(VQError, match="config.json") as e:
        run_folder.load_config(str(tmp_path))
    assert "\n" not in str(e.value)
