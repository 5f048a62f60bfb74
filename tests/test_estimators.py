"""The public Estimators, used without any inner module."""

import json
import os
import shutil

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from tensorflow import estimator as tf_estimator

import vq_estimator as vq
from helpers.small_estimators import config_of, in_order, noise
from vq_estimator.errors import VQError
from vq_estimator.training import checkpoints, run_folder, trainer
from vq_estimator.training.checkpoint_reader import CheckpointReader


def weights(model_dir):
    stored = CheckpointReader(checkpoints.find_checkpoint(str(model_dir)).path)
    return {name: stored.value(name, tf.float32) for name in stored.shapes if name != "global_step"}


def assert_same_weights(one, other):
    one, other = weights(one), weights(other)
    assert sorted(one) == sorted(other)
    for name, value in one.items():
        np.testing.assert_array_equal(value, other[name], err_msg=name)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """(Estimator, its images) of a short training."""
    images = noise(40, 8, 8, 1)
    estimator = vq.VQVAEEstimator(config_of(), str(tmp_path_factory.mktemp("trained") / "run"))
    return estimator.train(vq.inputs.numpy_input_fn(images)), images


def test_bits_under_a_prior_are_those_of_an_open_run(trained):
    estimator, images = trained
    estimator.calibrate(in_order(images))
    with vq.load(estimator.model_dir) as model:
        codes = model.encode(images)
    prior = vq.PriorEstimator.from_run(
        estimator.model_dir, class_conditional=True, classes=3, max_steps=2, layers=1, channels=4
    )
    prior.train(vq.inputs.codes_input_fn(codes, np.arange(40) % 3))
    assert prior.evaluate(vq.inputs.codes_input_fn(codes, np.arange(40) % 3))["bits_per_image"] > 0
    metrics = estimator.evaluate(in_order(images))
    with vq.load(estimator.model_dir) as model:
        bits = model.bits_per_dim(images)
    np.testing.assert_allclose(metrics["bits_per_dim/rate_prior"], bits.rate_prior.mean(), rtol=1e-5)
    total = (bits.distortion + bits.rate_prior).mean()
    np.testing.assert_allclose(metrics["bits_per_dim/total_prior"], total, rtol=1e-5)


def test_an_evaluation_without_a_batch_is_refused(tmp_path):
    """TensorFlow would return zeros, and a prior of 0 bits would stay the best one."""
    estimator = vq.VQVAEEstimator(config_of(), str(tmp_path / "run"))
    estimator.train(vq.inputs.numpy_input_fn(noise(40, 8, 8, 1)))

    def empty():
        return tf.data.Dataset.from_tensor_slices(noise(8, 8, 8, 1)).take(0).batch(8)

    with pytest.raises(VQError, match="^input_fn: got no batch, expected one or more$"):
        estimator.evaluate(empty)
    codes = np.zeros([8, 2, 2, 1], np.int32)
    prior = vq.PriorEstimator.from_run(str(tmp_path / "run"), max_steps=2, layers=1, channels=4)
    prior.train(vq.inputs.codes_input_fn(codes))
    with pytest.raises(VQError, match="^input_fn: got no batch"):
        prior.evaluate(lambda: tf.data.Dataset.from_tensor_slices({"codes": codes}).take(0).batch(8))
    assert checkpoints.load_best(prior.model_dir)["metric"] == "training"  # none is the best by an evaluation
    assert prior.evaluate(vq.inputs.codes_input_fn(codes))["bits_per_image"] > 0


def test_a_training_without_a_batch_is_refused_and_leaves_no_run(tmp_path):
    def empty():
        return tf.data.Dataset.from_tensor_slices(noise(8, 8, 8, 1)).take(0).batch(8)

    with pytest.raises(VQError, match="^input_fn: got no batch, expected one or more$"):
        vq.VQVAEEstimator(config_of(), str(tmp_path / "run")).train(empty)
    assert not os.path.exists(str(tmp_path / "run"))


def test_the_same_steps_as_vq_trains_give_the_same_weights(digits, cache_dir, tmp_path):
    settings = dict(K=8, D=8, image_size=8, batch_size=8, flip=True, codebook="ema", max_steps=6)
    config = vq.make_config("mnist", "tuned", save_checkpoints_steps=6, eval_steps=6, **settings)
    theirs = run_folder_config(config, digits)
    trainer.train(theirs, digits, str(tmp_path / "a"))
    input_fn = vq.inputs.dataset_input_fn("mnist", "train", str(tmp_path / "none"), cache_dir, wanted="mnist-5k")
    vq.VQVAEEstimator(config, str(tmp_path / "b")).train(input_fn)
    assert_same_weights(tmp_path / "a", tmp_path / "b")
    assert run_folder.load_config(str(tmp_path / "b")) == theirs
    # Stopped half way and resumed, by another object, and from an array of the same images.
    images, labels = array_of(digits)
    vq.VQVAEEstimator(config, str(tmp_path / "c")).train(input_fn, max_steps=3)
    vq.VQVAEEstimator(config, str(tmp_path / "c")).train(vq.inputs.numpy_input_fn(images, labels))
    assert_same_weights(tmp_path / "a", tmp_path / "c")


def run_folder_config(config, source):
    from vq_estimator.config import with_data

    return with_data(config, source.name)


def array_of(digits):
    from vq_estimator.data import arrays

    found = arrays.load(digits, "train", 8)
    return found.images, found.labels


def test_train_and_evaluate_with_hooks_exporters_and_a_run_config(tmp_path):
    images, steps = noise(40, 8, 8, 1), []

    class Count(tf.train.SessionRunHook):
        def after_run(self, run_context, run_values):
            steps.append(run_context)

    run_config = tf_estimator.RunConfig(save_checkpoints_steps=3, keep_checkpoint_max=1, tf_random_seed=5)
    estimator = vq.VQVAEEstimator(config_of(), str(tmp_path / "run"), run_config)

    def receiver():
        given = tf.placeholder(tf.uint8, [None, 8, 8, 1], "given")
        return tf_estimator.export.ServingInputReceiver({"image": given}, {"image": given})

    exporter = tf_estimator.LatestExporter("latest", receiver)
    train = tf_estimator.TrainSpec(vq.inputs.numpy_input_fn(images), max_steps=6, hooks=[Count()])
    evaluate = tf_estimator.EvalSpec(
        in_order(images), steps=None, name="held_out", exporters=[exporter], start_delay_secs=0, throttle_secs=0
    )
    metrics, exported = tf_estimator.train_and_evaluate(estimator, train, evaluate)
    assert metrics["global_step"] == 6 and len(steps) == 6
    assert len([name for name in os.listdir(estimator.model_dir) if name.endswith(".index")]) == 1
    with tf.Graph().as_default(), tf.Session() as session:
        found = tf.saved_model.load(session, ["serve"], exported[0]).signature_def["serving_default"]
        out = session.run(found.outputs["codes"].name, {found.inputs["image"].name: images})
    np.testing.assert_array_equal(out, [p["codes"] for p in estimator.predict(in_order(images))])


def test_a_plain_estimator_takes_the_model_fn(tmp_path):
    images, config = noise(40, 8, 8, 1), config_of()
    plain = tf_estimator.Estimator(vq.model_fn, str(tmp_path / "plain"), params={"config": config})
    plain.train(vq.inputs.numpy_input_fn(images), max_steps=6)
    ours = vq.VQVAEEstimator(config, str(tmp_path / "ours")).train(vq.inputs.numpy_input_fn(images))
    assert_same_weights(plain.model_dir, ours.model_dir)
    assert plain.evaluate(in_order(images))["mse"] > 0


def test_plain_tf_data_of_a_dictionary_or_of_the_tensor_alone(trained):
    estimator, images = trained
    want = [p["codes"] for p in estimator.predict(in_order(images))]
    for dataset in (
        lambda: tf.data.Dataset.from_tensor_slices(images),
        lambda: tf.data.Dataset.from_tensor_slices({"image": images}),
    ):
        found = [p["codes"] for p in estimator.predict(lambda dataset=dataset: dataset().batch(9))]
        np.testing.assert_array_equal(found, want)


@pytest.mark.parametrize(
    "batch, message",
    [
        (np.zeros([2, 8, 8, 3], np.uint8), r"image: got uint8 \[2, 8, 8, 3\], expected uint8 \[B, 8, 8, 1\]"),
        (np.zeros([2, 8, 4, 1], np.uint8), r"image: got uint8 \[2, 8, 4, 1\]"),
        (np.zeros([2, 8, 8], np.uint8), r"image: got uint8 \[2, 8, 8\]"),
        (np.zeros([2, 8, 8, 1], np.float32), r"image: got float32 \[2, 8, 8, 1\], expected uint8"),
        ({"picture": np.zeros([2, 8, 8, 1], np.uint8)}, "features: got picture, expected 'image' among them"),
    ],
)
def test_features_that_do_not_fit_are_one_line(trained, tmp_path, batch, message):
    def input_fn():
        return tf.data.Dataset.from_tensors(batch)

    for call in (
        lambda: trained[0].evaluate(input_fn),
        lambda: vq.VQVAEEstimator(config_of(), str(tmp_path / "x")).train(input_fn),
    ):
        with pytest.raises(vq.VQError, match=message) as e:
            call()
        assert "\n" not in str(e.value)
    assert not os.path.exists(tmp_path / "x")  # nothing is left of a run that never began


def test_arrays_that_do_not_fit_are_one_line(trained):
    estimator, images = trained
    for bad, message in (
        (lambda: vq.inputs.numpy_input_fn(images[0]), r"images: got uint8 \[8, 8, 1\], expected uint8 \[N, H, W, C\]"),
        (lambda: vq.inputs.numpy_input_fn(images / 255.0), "images: got float64"),
        (lambda: vq.inputs.numpy_input_fn(images, np.zeros(3, int)), "labels: got int64"),
        (lambda: vq.inputs.numpy_input_fn(images, batch_size=0), "batch_size: got 0"),
        (lambda: vq.inputs.numpy_input_fn(images, shuffle=1), "shuffle: got 1"),
        (
            lambda: estimator.train(vq.inputs.numpy_input_fn(images, batch_size=9), steps=1),
            "batch_size: got 9, expected 8",
        ),
        (lambda: estimator.train(vq.inputs.numpy_input_fn(noise(9, 8, 4, 1)), steps=1), r"images: got \[9, 8, 4, 1\]"),
        (lambda: vq.inputs.dataset_input_fn("imagenet"), "dataset: got 'imagenet'"),
        (lambda: vq.inputs.dataset_input_fn("mnist", "dev"), "split: got 'dev'"),
        (lambda: vq.inputs.codes_input_fn(images[0]), "codes: got uint8"),
    ):
        with pytest.raises(vq.VQError, match=message):
            bad()


def test_arrays_stay_outside_of_the_graph(trained):
    estimator, _ = trained
    images = noise(4000, 8, 8, 1)
    with tf.Graph().as_default() as graph:
        for mode in (tf_estimator.ModeKeys.TRAIN, tf_estimator.ModeKeys.EVAL):
            input_fn = vq.inputs.numpy_input_fn(images)
            tf.data.make_one_shot_iterator(input_fn(estimator.params, estimator.config, mode)).get_next()
        assert graph.as_graph_def().ByteSize() < 100000


@pytest.mark.once
def test_max_steps_of_train_only_stops(tmp_path):
    images = noise(40, 8, 8, 1)
    config = config_of(final_decay=0.5)
    parts = vq.VQVAEEstimator(config, str(tmp_path / "a"))
    for until in (2, 6):
        parts.train(vq.inputs.numpy_input_fn(images), max_steps=until)
    vq.VQVAEEstimator(config, str(tmp_path / "b")).train(vq.inputs.numpy_input_fn(images))
    assert_same_weights(tmp_path / "a", tmp_path / "b")


def test_a_run_keeps_its_configuration_and_its_data(trained, cache_dir, tmp_path):
    estimator, images = trained
    other = vq.VQVAEEstimator(config_of(K=4), estimator.model_dir)
    with pytest.raises(vq.VQError, match="model.quantizer.K: 8 in the run, 4 asked for"):
        other.train(vq.inputs.numpy_input_fn(images), steps=1)


def test_a_scale_is_fitted_on_training_data_alone(tmp_path, caplog):
    estimator = vq.VQVAEEstimator(config_of(), str(tmp_path / "run"))
    images = noise(40, 8, 8, 1)
    estimator.train(vq.inputs.numpy_input_fn(images))
    metrics = estimator.evaluate(in_order(images))
    assert "bits_per_dim/distortion" not in metrics and "bits_per_dim/rate_unigram" not in metrics
    assert [r.message for r in caplog.records if "estimator.calibrate" in r.message]
    assert not os.path.exists(tmp_path / "run" / "calibration")
    estimator.calibrate(in_order(images))
    assert estimator.evaluate(in_order(images))["bits_per_dim/total_unigram"] > 0


def test_a_folder_or_a_provided_model(tmp_path, monkeypatch, trained):
    monkeypatch.chdir(tmp_path)
    os.symlink(trained[0].model_dir, "mine")
    with vq.load("mine") as mine, vq.load("mnist") as provided:
        assert mine.config.model.image_size == 8 and provided.config.model.image_size == 24
    os.symlink(trained[0].model_dir, "mnist")
    with pytest.raises(
        vq.VQError, match="run: got 'mnist', which is a provided model and a folder too, expected ./mnist"
    ):
        vq.load("mnist")
    with vq.load("./mnist") as mine:
        assert mine.config.model.image_size == 8
    with pytest.raises(vq.VQError, match="run: got 'nothing', expected a run directory, or one of the provided models"):
        vq.load("nothing")


def test_commands_take_such_a_run(trained, tmp_path, forked):
    """vq-evaluate does not know the data of an array: --calibrate names some, and --input what is evaluated."""
    estimator, images = trained
    run = str(tmp_path / "run")
    shutil.copytree(estimator.model_dir, run)
    shutil.rmtree(os.path.join(run, "calibration"), ignore_errors=True)
    for name, array in (("train", images), ("other", images[:10])):
        np.save(tmp_path / f"{name}.npy", array)
    given = ["--model_dir=" + run, f"--input={tmp_path}/other.npy"]
    assert forked.script("evaluate", *given).one_line("evaluate").startswith("calibration: ")
    done = forked.script("evaluate", *given, f"--calibrate={tmp_path}/train.npy")
    assert done.status == 0, done.stderr
    assert len(os.listdir(os.path.join(run, "calibration"))) == 1
    with vq.load(run) as model:
        bits = model.bits_per_dim(images[:10])
    (result,) = [name for name in os.listdir(os.path.join(run, "eval")) if name.endswith(".json")]
    found = json.load(open(os.path.join(run, "eval", result)))["bits_per_dim"]
    np.testing.assert_allclose(found["distortion"], bits.distortion.mean(), rtol=1e-5)
