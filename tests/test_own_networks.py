"""Estimators with the caller's own networks."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import vq_estimator as vq
from helpers.small_estimators import config_of, in_order, noise
from vq_estimator.training import run_folder


def encoder(images, features, training):
    h = tf.layers.conv2d(images, 6, 4, strides=2, padding="same", activation=tf.nn.relu)
    h = tf.layers.batch_normalization(h, training=training)
    return tf.layers.conv2d(h, features, 4, strides=2, padding="same")


def decoder(z_q, outputs, training):
    del training
    h = tf.layers.conv2d_transpose(z_q, 6, 4, strides=2, padding="same", activation=tf.nn.relu)
    return tf.layers.conv2d_transpose(h, outputs, 4, strides=2, padding="same")


def test_networks_of_ones_own_train_evaluate_export_and_reload(tmp_path):
    images, run = noise(40, 8, 8, 1), str(tmp_path / "run")
    config = config_of(likelihood="logistic", objective="elbo")
    own = dict(encoder_fn=encoder, decoder_fn=decoder)
    estimator = vq.VQVAEEstimator(config, run, label="two layers", **own).train(vq.inputs.numpy_input_fn(images))
    assert not any("residual" in name for name in estimator.get_variable_names())
    moving = [n for n in estimator.get_variable_names() if n.endswith("moving_mean")]
    assert moving and np.abs(estimator.get_variable_value(moving[0])).max() > 0  # UPDATE_OPS have run
    assert estimator.evaluate(in_order(images))["bits_per_dim/total_uniform"] > 0
    codes = [p["codes"] for p in estimator.predict(in_order(images))]
    with vq.load(run, **own) as model:
        np.testing.assert_array_equal(model.encode(images), codes)
        want = model.reconstruct(images)
    path = estimator.export_saved_model(str(tmp_path / "export"))
    with tf.Graph().as_default(), tf.Session() as session:
        tf.saved_model.load(session, ["serve"], path)
        np.testing.assert_array_equal(session.run("reconstruct:0", {"images:0": images}), want)
    model = run_folder.load_config(run).model
    assert (model.custom_encoder, model.custom_decoder) == ("two layers", "two layers")
    for call in (
        lambda: vq.load(run),
        lambda: vq.load(run, encoder_fn=encoder),
        lambda: vq.VQVAEEstimator(run_folder.load_config(run), run).evaluate(in_order(images)),
    ):
        with pytest.raises(
            vq.VQError, match=r"model: got a run of custom networks \(\w+ 'two layers'\), expected .*vq.load"
        ):
            call()
    with pytest.raises(vq.VQError, match="encoder_fn: got a function, expected None"):
        vq.load("mnist", encoder_fn=encoder)


def test_a_network_of_another_shape_is_one_line(tmp_path):
    def flat(images, features, training):
        return tf.layers.conv2d(images, features, 4, strides=2, padding="same")

    estimator = vq.VQVAEEstimator(config_of(), str(tmp_path / "run"), encoder_fn=flat)
    with pytest.raises(
        vq.VQError, match=r"encoder_fn: got a tensor of shape \(\w+, 4, 4, 8\), expected \[B, 2, 2, 8\]"
    ):
        estimator.train(vq.inputs.numpy_input_fn(noise(40, 8, 8, 1)))
