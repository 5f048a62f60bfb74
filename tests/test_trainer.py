"""Training end to end on the bundled digits: files, resume, warnings."""

import dataclasses
import glob
import json
import logging
import os

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers.hooks import AfterSteps
from helpers.marks import slow
from helpers.sessions import session_scope
from helpers.small_runs import small_config
from vq_estimator.errors import VQError
from vq_estimator.inference import evaluation
from vq_estimator.inference.session import open_run
from vq_estimator.training import checkpoints, hooks, run_folder, trainer


def weights(model_dir):
    path = checkpoints.find_checkpoint(model_dir).path
    return {name: tf.train.load_variable(path, name) for name, _ in tf.train.list_variables(path)}


def longer(config, steps):
    return dataclasses.replace(config, train=dataclasses.replace(config.train, max_steps=steps))


def tags(folder):
    found = set()
    for path in glob.glob(os.path.join(folder, "events*")):
        for event in tf.train.summary_iterator(path):
            found.update(value.tag for value in event.summary.value)
    return found


def test_a_run_leaves_checkpoints_config_best_and_summaries(small_run):
    config, model_dir = small_run
    assert checkpoints.find_checkpoint(model_dir).step == 60
    assert run_folder.load_config(model_dir) == config
    best = checkpoints.load_best(model_dir)
    assert best["global_step"] in (30, 60) and best["metric"] == "loss/reconstruction" and best["value"] > 0
    scalars = {
        "loss/total",
        "loss/reconstruction",
        "loss/codebook",
        "loss/commitment",
        "codebook/used",
        "codebook/perplexity",
    }
    pictures = {"images/original/image/0", "images/reconstruction/image/0", "codebook/codes"}
    train, evaluation = tags(model_dir), tags(os.path.join(model_dir, "eval_validation"))
    plain = {t.replace("images/original", "images/original/image/0") if t == "images/original" else t for t in train}
    assert scalars | {"learning_rate", "mse", "global_step/sec"} <= plain
    assert scalars | {"mse"} <= evaluation
    for found in (train, evaluation):
        assert pictures <= found or {"images/original", "images/reconstruction", "codebook/codes"} <= found
        assert any(t.startswith("config") for t in found)


# `make test` has test_survival.py, where a run goes on after a kill.
@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [dict(), dict(preset="tuned", kmeans_init_steps=5, dead_entry_threshold=0.3), dict(optimizer="soap")],
)
def test_a_resumed_run_comes_to_the_same_weights(digits, tmp_path, settings):
    config = small_config(digits, max_steps=40, save_checkpoints_steps=20, **settings)
    straight, halved = str(tmp_path / "a"), str(tmp_path / "b")
    assert trainer.train(config, digits, straight) == trainer.TrainResult(40, None)
    assert trainer.train(longer(config, 15), digits, halved).step == 15
    assert trainer.train(config, digits, halved).step == 40
    a, b = weights(straight), weights(halved)
    assert a.keys() == b.keys()
    for name in a:
        # Sums over threads may differ in their last bits.
        np.testing.assert_allclose(a[name], b[name], rtol=1e-3, atol=1e-5, err_msg=name)


class Begun(Exception):
    """Ends a training before its first step."""


class InitialWeights(tf.train.SessionRunHook):
    def after_create_session(self, session, coord):
        self.values = session.run({v.op.name: v for v in session.graph.get_collection("trainable_variables")})
        raise Begun


def test_the_initial_weights_depend_on_the_seed_alone(digits, tmp_path):
    def start(**settings):
        hook = InitialWeights()
        with pytest.raises(Begun):
            trainer.train(small_config(digits, **settings), digits, str(tmp_path / "run"), hooks=[hook])
        return hook.values

    a, b, c = start(), start(learning_rate=1e-3, reconstruction_loss="cross_entropy"), start(seed=1)
    drawn = [name for name in a if name.endswith(("/w", "/codebook"))]  # the biases are zeros
    assert len(drawn) > 3
    for name in drawn:
        np.testing.assert_array_equal(a[name], b[name])
        assert (a[name] != c[name]).any()


def test_a_finished_run_is_not_trained_further(small_run, digits):
    config, model_dir = small_run
    before = os.stat(checkpoints.find_checkpoint(model_dir).path + ".index").st_mtime_ns
    assert trainer.train(config, digits, model_dir) == trainer.TrainResult(60, None)
    assert os.stat(checkpoints.find_checkpoint(model_dir).path + ".index").st_mtime_ns == before


def spoil_after(runs, name="decoder/conv_transpose_3/b"):
    """A hook that puts NaN into a variable."""

    def spoil(session):
        variable = next(v for v in session.graph.get_collection(tf.GraphKeys.GLOBAL_VARIABLES) if v.op.name == name)
        with session.graph.as_default():
            variable.load(np.array([np.nan], np.float32), session)

    return AfterSteps(runs, spoil)


def test_a_diverging_run_is_one_line_with_the_term_that_broke_and_keeps_its_checkpoint(digits, tmp_path):
    config, folder = small_config(digits, save_checkpoints_steps=5), str(tmp_path / "run")
    message = (
        r"the loss is not finite at step 23: reconstruction failed first \(reconstruction nan, codebook [0-9.]+, "
        r"commitment [0-9.]+, total nan\); the checkpoint of step 20 is from before it; lower --learning_rate"
    )
    with pytest.raises(VQError, match=message) as e:
        trainer.train(config, digits, folder, hooks=[spoil_after(22)])
    assert "\n" not in str(e.value) and checkpoints.find_checkpoint(folder).step == 20
    assert np.isfinite(weights(folder)["decoder/conv_transpose_3/b"]).all()


def test_weights_that_are_no_numbers_are_not_saved(digits, tmp_path):
    config, folder = small_config(digits, save_checkpoints_steps=5), str(tmp_path / "run")
    with pytest.raises(
        VQError, match=r"weights are not finite at step 20: decoder/conv_transpose_3/b.*; the .* step 15"
    ):
        trainer.train(config, digits, folder, hooks=[spoil_after(19, "decoder/conv_transpose_3/b/Adam_1")])
    assert checkpoints.find_checkpoint(folder).step == 15


def test_averaged_weights_are_what_evaluation_and_sessions_use(digits, tmp_path):
    few = dict(max_steps=20, save_checkpoints_steps=20, eval_steps=20)
    config, folder = small_config(digits, average_decay=0.9, learning_rate=3e-3, **few), str(tmp_path / "run")
    trainer.train(config, digits, folder)
    found = weights(folder)
    assert np.abs(found["encoder/conv_1/w"] - found["encoder/conv_1/w/average"]).max() > 1e-5
    path = checkpoints.find_checkpoint(folder).path
    with session_scope(config, path, lambda m: m(tf.zeros([1, 24, 24, 1])) and m.encoder.trainable_variables[0]) as (
        s,
        v,
    ):
        np.testing.assert_array_equal(s.run(v), found["encoder/conv_1/w/average"])
    result = evaluation.evaluate(open_run(folder), digits, "validation")
    events = [
        e for p in glob.glob(os.path.join(folder, "eval_validation", "ev*")) for e in tf.train.summary_iterator(p)
    ]
    mse = [v.simple_value for e in events for v in e.summary.value if v.tag == "mse"]
    assert mse[-1] == pytest.approx(result["mse"], rel=1e-4)


def test_the_error_given_the_true_pixels_is_called_so(autoregressive_run):
    _, folder = autoregressive_run
    for events in (os.path.join(folder, "events*"), os.path.join(folder, "eval_validation", "events*")):
        found = [e for p in glob.glob(events) for e in tf.train.summary_iterator(p)]
        tags = {v.tag for e in found for v in e.summary.value}
        assert "mse_given_pixels" in tags and "mse" not in tags


def test_another_configuration_is_refused(small_run, digits):
    _, model_dir = small_run
    with pytest.raises(VQError, match="model.quantizer.K: 8 in the run, 9 asked for"):
        trainer.train(small_config(digits, K=9), digits, model_dir)


@pytest.mark.parametrize("codebook", ["gradient", slow("ema")])
def test_training_lowers_the_error(digits, tmp_path, codebook):
    config = small_config(
        digits,
        max_steps=400,
        eval_steps=400,
        save_checkpoints_steps=400,
        codebook=codebook,
        learning_rate=1e-3,
        reconstruction_loss="cross_entropy",
    )
    folder = str(tmp_path / "run")
    trainer.train(config, digits, folder)
    # The mean image of the digits gives 0.09.
    events = [
        e for p in glob.glob(os.path.join(folder, "eval_validation", "events*")) for e in tf.train.summary_iterator(p)
    ]
    mse = [v.simple_value for e in events for v in e.summary.value if v.tag == "mse"]
    assert mse[-1] < 0.07


def test_a_collapse_to_black_images_is_warned_of_once(caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("vq_estimator"), "propagate", True)
    images = hooks.BlackImages(every=5)
    for brightest in 0.5 ** np.arange(20.0):
        images.look(brightest)
    messages = [r.message for r in caplog.records if "black" in r.message]
    assert len(messages) == 1 and "--learning_rate" in messages[0] and "--preset=tuned" in messages[0]
    assert "for 15 steps" in messages[0]


def test_a_dark_but_living_batch_is_no_collapse(caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("vq_estimator"), "propagate", True)
    images = hooks.BlackImages(every=5)
    for brightest in [0.01, 0.02, 0.9] * 10:
        images.look(brightest)
    assert not [r for r in caplog.records if "black" in r.message]


class SeenSteps(tf.train.SessionRunHook):
    """The steps that a hook sees; with `of_rounds` not all of them."""

    def __init__(self, of_rounds):
        self.of_rounds, self.steps = of_rounds, []

    def after_run(self, run_context, run_values):
        self.steps.append(int(run_context.session.run(tf.train.get_global_step(run_context.session.graph))))


def test_steps_between_two_rounds_are_the_same_steps(digits, tmp_path, monkeypatch):
    monkeypatch.setattr(hooks.TrainingLoopHook, "MAX_SECONDS", 1e9)
    schedule = dict(log_steps=9, save_checkpoints_steps=20, save_summary_steps=14, eval_steps=60)
    small = dict(image_size=8, codebook="ema", dead_entry_threshold=0.3, kmeans_init_steps=3)
    config = small_config(digits, max_steps=60, **small, **schedule)
    found = {}
    for of_rounds in (False, True):
        seen, folder = SeenSteps(of_rounds), str(tmp_path / str(of_rounds))
        trainer.train(config, digits, folder, hooks=[seen])
        found[of_rounds] = seen.steps, weights(folder), summary_steps(folder)
    assert found[False][0] == list(range(1, 61))
    # Figures at 1, 10 .., checkpoints at 20 .., summaries at 1, 15 .. and the round before each, and the last step.
    rounds = {*range(1, 61, 9), 20, 40, 60, *range(15, 61, 14), *range(14, 61, 14)}
    assert found[True][0] == sorted(rounds)
    assert found[False][2] == found[True][2] == [1, 15, 29, 43, 57]
    assert set(found[False][1]) == set(found[True][1])
    for name, value in found[False][1].items():
        np.testing.assert_array_equal(value, found[True][1][name], err_msg=name)


def summary_steps(folder):
    """The steps of the summaries of the loss."""
    events = [e for p in sorted(glob.glob(os.path.join(folder, "events*"))) for e in tf.train.summary_iterator(p)]
    return [e.step for e in events if any(v.tag == "loss/total" for v in e.summary.value)]


def test_the_config_file_is_plain_json(small_run):
    with open(os.path.join(small_run[1], "config.json")) as f:
        assert json.load(f)["dataset_source"] == "mnist-5k"
