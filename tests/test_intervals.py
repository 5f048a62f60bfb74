"""Default intervals of summaries, evaluations and checkpoints."""

import dataclasses
import glob
import itertools
import json
import os

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers.image_folders import write_images
from vq_estimator import config as c
from vq_estimator.training import summaries

pytestmark = pytest.mark.once

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ALL = [(dataset, preset) for dataset in c.DATASETS for preset in c.PRESETS_OF[dataset]]
STEPS = [1000, 1001, 1024, 1499, 1500, 1999, 2500, 7777, 9999, 10000, 123456, 10**6 + 1]
CODES = c.CodesConfig((16, 16, 1), 512, 0, "mnist", 100, "0" * 64)


def of_the_prior(**given):
    speech = "stacks" in given
    return c.make_prior_config(dataclasses.replace(CODES, grid=(1, 64, 1)) if speech else CODES, speech, **given)


MAKERS = [lambda d=d, p=p, **given: c.make_config(d, p, **given) for d, p in ALL]
MAKERS += [of_the_prior, lambda **given: of_the_prior(stacks=1, layers=4, **given)]


def evaluations(train):
    """The steps that are evaluated: the checkpoints from the step that is due on, and the end."""
    due, steps = train.eval_steps, []
    for step in range(train.save_checkpoints_steps, train.max_steps + 1, train.save_checkpoints_steps):
        if step >= due:
            steps.append(step)
            due = step - step % train.eval_steps + train.eval_steps
    return sorted({*steps, train.max_steps})


@pytest.mark.parametrize("make", MAKERS)
def test_a_long_run_has_50_points_and_5_evaluations(make):
    for given in [{}] + [{"max_steps": n} for n in STEPS]:
        train = make(**given).train
        points = len(range(1, train.max_steps + 1, train.save_summary_steps))
        assert points >= 50 and len(evaluations(train)) >= 5, train
        assert train.eval_steps % train.save_checkpoints_steps == 0, train
        assert train.log_steps <= train.save_summary_steps


@pytest.mark.parametrize("make", MAKERS)
def test_a_short_run_has_some_too(make):
    for max_steps in (30, 31, 59, 100, 199, 500, 999):
        train = make(max_steps=max_steps).train
        assert len(range(1, max_steps + 1, train.save_summary_steps)) >= 10, train
        assert len(evaluations(train)) >= 3, train
        assert train.eval_steps % train.save_checkpoints_steps == 0
    for max_steps in (1, 2, 9):
        train = make(max_steps=max_steps).train
        assert evaluations(train) == [max_steps] and train.save_summary_steps == 1


def test_a_preset_says_the_largest_intervals():
    for make in MAKERS:
        usual, long = make().train, make(max_steps=10**8).train
        for name in c.INTERVALS:
            assert getattr(usual, name) <= getattr(long, name) == getattr(make(max_steps=10**9).train, name)
    assert c.make_config("cifar10", max_steps=10**8).train.eval_steps == 2500
    assert c.make_config("mnist", max_steps=10**8).train.save_checkpoints_steps == 1000


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("name", c.INTERVALS)
def test_what_is_given_wins_and_evaluations_stay_at_checkpoints(make, name):
    for value, max_steps in itertools.product((1, 7, 640, 7919, 10**6), (20, 2500, None)):
        train = make(max_steps=max_steps, **{name: value}).train
        assert getattr(train, name) == value
        checkpoints, late = train.save_checkpoints_steps, train.eval_steps % train.save_checkpoints_steps
        if name != "eval_steps":
            assert late == 0
        elif late:  # 7,919 is a prime: no checkpoint lies there, and one soon after does
            assert value == 7919 and checkpoints >= 99 and evaluations(train)[0] - value <= 20


def test_both_given_are_kept():
    train = c.make_config("mnist", save_checkpoints_steps=20, eval_steps=5).train
    assert (train.save_checkpoints_steps, train.eval_steps) == (20, 5)


def test_a_longer_run_says_that_it_keeps_a_short_interval(caplog):
    trial, run = (c.make_config("mnist", "tuned", max_steps=steps) for steps in (200, 10000))
    caplog.set_level("INFO", logger="vq_estimator")
    for given in ({"eval_steps": 1000}, {}):
        assert not caplog.records
        c.keep_intervals(run, trial, given)
    c.keep_intervals(trial, run, {})  # a shorter one is as it was
    (record,) = caplog.records
    assert "interval of 50 steps between evaluations (a new run of 10000 steps has 2000)" in record.getMessage()


def test_a_resumed_run_keeps_its_intervals():
    old = c.make_config("mnist", "tuned", max_steps=2500)
    longer = c.make_config("mnist", "tuned", max_steps=90000)
    assert longer.train.eval_steps != old.train.eval_steps
    kept = c.keep_intervals(longer, old, {"max_steps": 90000, "eval_steps": None})
    assert kept == dataclasses.replace(old, train=dataclasses.replace(old.train, max_steps=90000))
    given = {"max_steps": 90000, "save_summary_steps": 7, "eval_steps": 1300}
    train = c.keep_intervals(c.make_config("mnist", "tuned", **given), old, given).train
    assert (train.save_summary_steps, train.eval_steps, train.log_steps) == (7, 1300, old.train.log_steps)
    assert 1300 % train.save_checkpoints_steps == 0 and train.save_checkpoints_steps <= old.train.save_checkpoints_steps
    given["save_checkpoints_steps"] = 33
    assert c.keep_intervals(c.make_config("mnist", **given), old, given).train.save_checkpoints_steps == 33
    prior = of_the_prior(max_steps=1000)
    assert c.keep_intervals(of_the_prior(max_steps=9000), prior, {}).train.eval_steps == prior.train.eval_steps == 200


def test_older_runs_are_read_with_the_intervals_that_they_have():
    paths = glob.glob(os.path.join(ROOT, "results", "*", "*", "config.json"))
    assert len(paths) > 5
    for path in paths:
        with open(path) as f:
            text = f.read()
        if "codes" in json.loads(text):
            old = c.from_json(text, path, c.PriorConfig)
            new = c.make_prior_config(old.codes, bool(old.network.stacks), max_steps=2 * old.train.max_steps)
        else:
            old = c.from_json(text, path)
            if old.warm_start:
                continue  # its preset, `like`, needs the run that it began with
            new = c.make_config(old.dataset, old.preset, max_steps=2 * old.train.max_steps)
        written = json.loads(text)["train"]
        for train in (old.train, c.keep_intervals(new, old, {}).train):
            assert {name: getattr(train, name) for name in c.INTERVALS} == {name: written[name] for name in c.INTERVALS}


def steps_of(folder, tag):
    """The steps of a tag in the event files of a folder."""
    steps = set()
    for path in glob.glob(os.path.join(folder, "events.out.tfevents.*")):
        for event in tf.train.summary_iterator(path):
            steps.update(event.step for value in event.summary.value if value.tag == tag)
    return sorted(steps)


def intervals_in(folder):
    with open(os.path.join(folder, "config.json")) as f:
        train = json.load(f)["train"]
    return {name: train[name] for name in c.INTERVALS}


CONFIGURED = """
import runpy, sys
from vq_estimator import config
from vq_estimator.training import prior_trainer, trainer

def train(given, *rest, **more):
    print(config.to_json(given))
    sys.exit()

prior_trainer.train = trainer.train = train
sys.argv.pop(0)
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_the_commands_write_so_often_and_go_on_so(forked, tmp_path):
    def configured(script, *flags):
        """The intervals with which a command would train."""
        done = forked.code(CONFIGURED, os.path.join(ROOT, "launch", script + ".py"), *flags)
        assert done.status == 0, done.stderr
        train = json.loads(done.stdout)["train"]
        return {name: train[name] for name in c.INTERVALS}

    run, prior = str(tmp_path / "run"), str(tmp_path / "run" / "prior")
    write_images(tmp_path / "data", {"train": 12, "validation": 3, "test": 3}, 8)
    data = "--data_dir=" + str(tmp_path / "data")
    flags = ["--dataset=images", data, "--K=4", "--D=4", "--image_size=8", "--batch_size=1", "--model_dir=" + run]
    done = forked.script("train", *flags, "--max_steps=30")
    assert done.status == 0, done.stderr
    train, first = c.read_config(os.path.join(run, "config.json")).train, intervals_in(run)
    assert steps_of(run, "loss/total") == list(range(1, 31, train.save_summary_steps))
    validations = steps_of(os.path.join(run, "eval_validation"), "loss/total")
    assert validations == evaluations(train) and done.stderr.count("validation mse") == len(validations)
    assert configured("train", *flags, "--max_steps=1000", "--log_steps=3") == dict(first, log_steps=3)

    flags = ["--model_dir=" + run, data, "--layers=1", "--channels=2", "--embedding=2", "--batch_size=1"]
    done = forked.script("train_prior", *flags, "--max_steps=11")
    assert done.status == 0 and "step 10: validation" in done.stderr, done.stderr
    first = intervals_in(prior)
    assert first["eval_steps"] == first["save_checkpoints_steps"] == 10
    longer = ["--max_steps=1000", "--save_summary_steps=7"]
    assert configured("train_prior", *flags, *longer) == dict(first, save_summary_steps=7)
    assert configured("train_prior", *flags, *longer, "--overwrite")["eval_steps"] == 200


def best_shape(num, most):
    """The largest number of cells without an empty one, and at most 4 x 8."""
    return max(r * q for r in range(1, 5) for q in range(1, 9) if r * q <= min(num, most))


@pytest.mark.parametrize(
    "size, most", [(8, 32), (24, 32), (128, 32), (181, 32), (256, 16), (500, 4), (1024, 1), (1200, 1)]
)
def test_a_grid_has_no_empty_cell(size, most):
    assert summaries.max_images(size, size) == most
    images = tf.placeholder(tf.uint8, [None, size, size, 1])
    grid = summaries.image_grid(images)
    with tf.Session() as session:
        for num in range(1, 40) if size < 100 else (1, 3, 16, 33):
            value = np.random.RandomState(num).randint(1, 256, (num, size, size, 1)).astype(np.uint8)
            drawn = session.run(grid, {images: value})
            rows, columns = drawn.shape[1] // size, drawn.shape[2] // size
            assert drawn.shape == (1, rows * size, columns * size, 1) and rows <= 4 and columns <= 8
            assert rows * columns == best_shape(num, most) and drawn.min() > 0
            for i in range(rows * columns):
                r, q = divmod(i, columns)
                cell = drawn[0, r * size : (r + 1) * size, q * size : (q + 1) * size]
                np.testing.assert_array_equal(cell, value[i])


def test_grids_of_the_usual_batches():
    shapes = summaries.grid_shapes(32)
    assert [shapes[n] for n in (1, 2, 4, 8, 16, 32)] == [(1, 1), (1, 2), (2, 2), (2, 4), (4, 4), (4, 8)]
