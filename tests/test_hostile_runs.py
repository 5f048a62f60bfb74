"""Damaged and hostile run directories: what was there, or a one-line error; nothing outside, and the process lives."""

import dataclasses
import json
import os
import shutil

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from hypothesis import given
from hypothesis import strategies as st

from helpers.hostile import damaged, damaged_json, everything_below, fewer, refused, write
from vq_estimator import config as config_lib
from vq_estimator.inference import calibration, comparison
from vq_estimator.inference.image_model import ImageModel
from vq_estimator.inference.session import open_run
from vq_estimator.training import checkpoints, run_folder

pytestmark = pytest.mark.usefixtures("quiet")


def load(path):
    with open(str(path), encoding="utf-8") as f:
        return json.load(f)


CONFIGS = [
    config_lib.make_config("mnist", "tuned"),
    config_lib.make_config("cifar10", "autoregressive"),
    config_lib.make_config("images", quantizer="fsq"),
    config_lib.make_prior_config(config_lib.CodesConfig((3, 3, 1), 20, 10, "mnist", 100, "0" * 64)),
]


@pytest.mark.parametrize("config", CONFIGS, ids=["mnist", "autoregressive", "fsq", "prior"])
def test_a_damaged_config_is_a_config_or_refused(config):
    @given(damaged_json(config_lib.to_dict(config)))
    def check(content):
        text = content.decode("utf-8", "replace")
        bad, found = refused(config_lib.from_json, text, "config.json", type(config))
        assert bad or config_lib.from_json(config_lib.to_json(found), kind=type(config)) == found

    check()


def test_a_model_of_a_damaged_config_is_the_same_or_refused(mnist_run):
    whole = load(mnist_run / "config.json")
    images = np.random.RandomState(0).randint(0, 256, [2, 24, 24, 1]).astype(np.uint8)
    with ImageModel(str(mnist_run)) as mnist_model:
        want = mnist_model.encode(images)

    def encode():
        with ImageModel(str(mnist_run)) as mnist_model:
            return mnist_model.encode(images)

    @fewer(3)
    @given(damaged_json(whole))
    def check(content):
        write(mnist_run / "config.json", content)
        bad, codes = refused(encode)
        assert bad or codes.shape == want.shape

    check()


@given(st.data())
def test_a_damaged_best_json_is_the_same_or_none(small_run, tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("best")
    shutil.copytree(os.path.join(small_run[1], "best"), str(folder / "best"))
    whole = load(folder / "best" / "best.json")
    write(folder / "best" / "best.json", data.draw(damaged_json(whole)))
    best = checkpoints.load_best(str(folder))
    assert best is None or isinstance(best["value"] + best["global_step"], (int, float))
    bad, found = refused(checkpoints.find_checkpoint, str(folder), "best")
    assert bad or os.path.dirname(found.path) == str(folder / "best")
    newest = os.path.join(small_run[1], "model.ckpt-60")
    checkpoints.keep_best(str(folder), newest, 60, "mse", -1e300)
    assert checkpoints.find_checkpoint(str(folder), "best").step == 60


@given(damaged_json({"global_step": 60}))
def test_a_damaged_note_of_the_last_evaluation_is_a_step(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("evaluated")
    write(folder / checkpoints.EVALUATED, content)
    step = checkpoints.evaluated(str(folder))
    assert type(step) is int and 0 <= step < 2**63


def test_a_damaged_calibration_is_fitted_anew(mnist_run):
    opened = open_run(str(mnist_run))
    path = calibration.kept_path(opened)
    whole, q = load(path), opened.config.model.quantizer

    @given(damaged_json(whole))
    def check(content):
        write(path, content)
        found = calibration.kept(opened)
        if found is not None:
            assert found.counts.shape == (q.L, q.K) and found.counts.min() >= 0 and 0 < found.scale < 1000
            assert abs(found.code_probabilities().sum() - q.L) < 1e-6

    check()


@given(damaged_json(["ant", "bee", "cat"]))
def test_damaged_class_names_can_be_printed(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("names")
    write(folder / "classes.json", content)
    for name in run_folder.class_names(str(folder), config_lib.make_config("images")):
        assert name.isprintable() and name.encode("utf-8") is not None


def test_damaged_evaluations_are_compared_or_refused(mnist_run):
    whole = load(mnist_run / "eval" / "test.json")

    def compare():
        rows = comparison.load([str(mnist_run)])
        return comparison.source(rows), comparison.table(rows)

    @given(damaged_json(whole))
    def check(content):
        write(mnist_run / "eval" / "test.json", content)
        bad, found = refused(compare)
        assert bad or found[0].isprintable()

    check()


@given(st.data())
def test_a_damaged_list_of_checkpoints_stays_in_the_folder(small_run, tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("state") / "run"
    shutil.copytree(small_run[1], str(folder))
    with open(os.path.join(small_run[1], "checkpoint"), "rb") as f:
        whole = f.read()
    if data.draw(st.booleans()):
        name = data.draw(st.sampled_from([small_run[1] + "/model.ckpt-60", "../run/../x", "*", "/dev/zero", "", "\0"]))
        content = whole.replace(b"model.ckpt-60", name.encode())
    else:
        content = data.draw(damaged(whole))
    write(folder / "checkpoint", content)
    assert checkpoints.find_checkpoint(str(folder)).step == 60
    assert run_folder.prepare(str(folder), small_run[0]) == 60
    state = tf.train.get_checkpoint_state(str(folder))
    assert {os.path.dirname(path) for path in state.all_model_checkpoint_paths} == {str(folder)}
    assert state.model_checkpoint_path == str(folder / "model.ckpt-60")


def test_training_removes_nothing_that_a_list_of_checkpoints_names_elsewhere(small_run, digits, tmp_path):
    from vq_estimator.training import trainer

    folder, elsewhere = tmp_path / "run", tmp_path / "thesis"
    for target in (folder, elsewhere):
        shutil.copytree(small_run[1], str(target))
    with open(str(folder / "checkpoint"), "a") as f:
        f.write(f'all_model_checkpoint_paths: "{elsewhere}/model.ckpt-30"\n')
    before = everything_below(elsewhere)
    config = small_run[0]
    longer = dataclasses.replace(config, train=dataclasses.replace(config.train, max_steps=180, eval_steps=180))
    assert trainer.train(longer, digits, str(folder)).step == 180
    assert not (folder / "model.ckpt-30.index").exists()  # of five that are kept
    assert everything_below(elsewhere) == before
