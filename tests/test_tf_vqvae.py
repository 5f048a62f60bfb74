"""tf-vqvae's checkpoints are imported as run directories by their variable names, completely or not at all."""

import json
import os

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers.marks import slow
from helpers.reference import REFERENCE
from helpers.sessions import features_of, session_scope
from helpers.their_checkpoints import names_of, write
from vq_estimator import config as c
from vq_estimator.errors import VQError
from vq_estimator.inference import evaluation, image_codes, sampling, tf_vqvae
from vq_estimator.inference import trained_prior as prior_lib
from vq_estimator.inference.exploration import encode_first
from vq_estimator.inference.image_model import ImageModel
from vq_estimator.inference.session import open_run
from vq_estimator.training import checkpoints, prior_trainer, run_folder, trainer


@pytest.mark.parametrize("dataset, D", [("mnist", 16), ("mnist", 8), ("cifar10", 12), ("images", 6)])
def test_every_variable_finds_its_place(dataset, D, tmp_path):
    path, model_dir = str(tmp_path / "last.ckpt"), str(tmp_path / "run")
    values = write(path, names_of(dataset, D))
    config = tf_vqvae.import_checkpoint(path, dataset, None if dataset == "images" else dataset, model_dir)
    assert (config.model.quantizer.K, config.model.quantizer.D, config.preset) == (7, D, "original")
    assert run_folder.load_config(model_dir) == config
    checkpoint = checkpoints.find_checkpoint(model_dir)
    assert checkpoint.step == 0
    ours = [n for n, _ in tf.train.list_variables(checkpoint.path) if "Adam" not in n and "/" in n]
    assert len(ours) == len(values)
    for name in ours:
        theirs = values[tf_vqvae.their_name(name, dataset)]
        np.testing.assert_array_equal(tf.train.load_variable(checkpoint.path, name).reshape(theirs.shape), theirs)


def imagenet_by_hand(values, images):
    """tf-vqvae's ImageNet set-up from its variables by their names: codes, and the images that they are decoded to."""
    v = {name[len("train/params/") :]: tf.constant(value) for name, value in values.items()}

    def conv(x, name, stride=1):
        return tf.nn.conv2d(x, v[name + "/w"], strides=[1, stride, stride, 1], padding="SAME") + v[name + "/b"]

    def up(x, name):
        w, shape = v[name + "/w"], tf.shape(x)
        to = tf.stack([shape[0], 2 * shape[1], 2 * shape[2], int(w.shape[2])])
        return tf.nn.conv2d_transpose(x, w, to, strides=[1, 2, 2, 1], padding="SAME") + v[name + "/b"]

    def residual(x, side):
        for i in range(4):
            x += conv(tf.nn.relu(conv(tf.nn.relu(x), f"{side}/res_{i}_3")), f"{side}/res_{i}_1")
        return x

    z = tf.nn.relu(conv(tf.cast(images, tf.float32) / 255.0, "enc/conv2d_1", 2))
    z = residual(tf.nn.relu(conv(z, "enc/conv2d_2", 2)), "enc")
    embed = v["embed/embed"]
    codes = tf.argmin(tf.reduce_sum(tf.squared_difference(z[..., tf.newaxis, :], embed), -1), -1)
    x = tf.nn.relu(residual(tf.gather(embed, codes), "dec"))  # the ReLU that the other set-ups do not have
    return codes, tf.nn.sigmoid(up(tf.nn.relu(up(x, "dec/tconv2d_1")), "dec/tconv2d_2"))


@pytest.mark.slow
def test_an_imported_imagenet_model_computes_what_tf_vqvae_would(tmp_path):
    path, model_dir = str(tmp_path / "last.ckpt"), str(tmp_path / "run")
    values = write(path, names_of("images", 8))
    config = tf_vqvae.import_checkpoint(path, "images", None, model_dir)
    assert config.dataset_source is None and config.model.grid == (32, 32, 1)
    images = np.random.RandomState(1).randint(0, 256, [2, 128, 128, 3]).astype(np.uint8)

    def build(model):
        out = model(tf.constant(images))
        return out.quantized.codes[..., 0], out.likelihood.mean()

    with tf.Session() as session:
        codes, decoded = session.run(imagenet_by_hand(values, images))
    assert len(np.unique(codes)) > 1
    with session_scope(config, checkpoints.find_checkpoint(model_dir).path, build) as (session, tensors):
        ours, mean = session.run(tensors)
    np.testing.assert_array_equal(ours, codes)
    np.testing.assert_allclose(mean, decoded, atol=1e-5)


@pytest.mark.parametrize(
    "change, message",
    [
        (
            lambda s: s.pop("train/params/enc/conv2d_2/w"),
            "train/params/enc/conv2d_2/w of .*: got nothing, expected shape",
        ),
        (
            lambda s: s.update({"train/params/dec/tconv2d_1/w": [4, 4, 9, 16]}),
            r"train/params/dec/tconv2d_1/w of .*: got shape \[4, 4, 9, 16\], expected shape \[4, 4, 8, 16\]",
        ),
        (lambda s: s.update({"train/params/enc/res_1_3/w": [3, 3, 16, 16]}), "enc/res_1_3/w of .* belongs to no layer"),
        (
            lambda s: s.pop("train/params/embed/embed"),
            "is not a checkpoint of tf-vqvae: got no train/params/embed/embed",
        ),
    ],
)
def test_what_does_not_fit_is_named_and_leaves_nothing(change, message, tmp_path):
    shapes = names_of("mnist", 16)
    change(shapes)
    (tmp_path / "there").mkdir()
    write(str(tmp_path / "there" / "last.ckpt"), shapes)
    with pytest.raises(VQError, match=message):
        tf_vqvae.import_checkpoint(str(tmp_path / "there" / "last.ckpt"), "mnist", "mnist", str(tmp_path / "run"))
    assert [p.name for p in tmp_path.iterdir()] == ["there"]


def test_no_checkpoint_and_an_existing_folder_are_refused(tmp_path):
    with pytest.raises(VQError, match="can't be read"):
        tf_vqvae.import_checkpoint(str(tmp_path / "no.ckpt"), "mnist", "mnist", str(tmp_path / "run"))
    with pytest.raises(VQError, match="exists; give the name of a folder to make"):
        tf_vqvae.import_checkpoint(str(tmp_path / "no.ckpt"), "mnist", "mnist", str(tmp_path))


def test_an_imported_run_trains_on_and_is_evaluated(digits, tmp_path):
    import dataclasses

    path, model_dir = str(tmp_path / "last.ckpt"), str(tmp_path / "run")
    write(path, names_of("mnist", 8))
    config = tf_vqvae.import_checkpoint(path, "mnist", digits.spec.name, model_dir)
    result = evaluation.evaluate(open_run(model_dir), digits, "test")
    assert result["global_step"] == 0
    longer = dataclasses.replace(config, train=dataclasses.replace(config.train, max_steps=5))
    assert trainer.train(longer, digits, model_dir).step == 5


@pytest.mark.skipif(not os.path.isdir(REFERENCE), reason="no reference checkpoint here")
def test_tf_vqvaes_own_mnist_model_by_the_path_of_evaluation(full_data, tmp_path):
    source, model_dir = full_data("mnist"), str(tmp_path / "run")
    path = os.path.join(REFERENCE, "tf_vqvae_mnist", "last.ckpt")
    config = tf_vqvae.import_checkpoint(path, "mnist", "mnist", model_dir)
    checkpoint = checkpoints.find_checkpoint(model_dir)
    want = np.load(os.path.join(REFERENCE, "first100.npz"))
    np.testing.assert_array_equal(encode_first(ImageModel(model_dir), source, 100).codes[..., 0], want["codes"])

    def build(model):
        return model(features_of(config, source, "test", 100)["image"]).likelihood.mean()

    with session_scope(config, checkpoint.path, build) as (session, mean):
        np.testing.assert_allclose(session.run(mean), want["recon"], atol=1e-5)
    evaluation.evaluate(open_run(model_dir), source, "test")
    with open(os.path.join(model_dir, "eval", "test.json")) as f:
        result = json.load(f)
    assert result["mse"] == pytest.approx(0.02467, abs=5e-5) and result["codebook"]["size"] == 5
    np.testing.assert_array_equal(
        np.load(os.path.join(model_dir, "eval", "test.npz"))["codes"][:100, :, :, 0], want["codes"]
    )


@pytest.mark.skipif(not os.path.isdir(REFERENCE), reason="no reference checkpoint here")
def test_tf_vqvaes_own_prior(full_data, tmp_path):
    """Far below the 20.9 bits of a uniform prior, which weights put together in another way would not be."""
    source, model_dir = full_data("mnist"), str(tmp_path / "run")
    path, of_prior = (os.path.join(REFERENCE, "tf_vqvae_mnist", name) for name in ("last.ckpt", "last-pixelcnn.ckpt"))
    tf_vqvae.import_checkpoint(path, "mnist", "mnist", model_dir, of_prior)
    checkpoint = checkpoints.find_checkpoint(model_dir)
    prior = prior_lib.find(model_dir, checkpoint)
    assert (prior.config.network.layers, prior.config.network.kind, prior.config.codes.classes) == (12, "tf_vqvae", 10)
    model = ImageModel(model_dir)
    _, labels, codes = encode_first(model, source, 200)
    cost = image_codes.cost(model, codes, labels)
    assert cost.given_class.mean() / np.log(2) < 12.5 and cost.nats.mean() / np.log(2) < 15.5
    labels = np.arange(10, dtype=np.int32)
    samples = sampling.sample(model, 10, labels, seed=1)
    assert samples.images.shape == (10, 24, 24, 1) and len(np.unique(samples.codes.reshape(10, -1), axis=0)) == 10
    with pytest.raises(VQError, match="holds a prior that differs: .*network.kind"):
        prior_trainer.check(c.make_prior_config(prior.config.codes), model_dir, overwrite=False)
    with pytest.raises(VQError, match="prior_checkpoint: got .*last.ckpt', which holds no PixelCNN, expected"):
        tf_vqvae.import_checkpoint(path, "mnist", "mnist", str(tmp_path / "other"), path)
    assert not os.path.exists(str(tmp_path / "other"))


def pixelcnn_names(K, D, layers=2, maps=4, classes=3):
    found = {}
    for i in range(layers):
        side, inputs = (3, maps) if i else (7, D)
        for stack, height in (("v", side), ("h", 1)):
            for half in "vh":
                found[f"{stack}_stack{i}/{half}_W"] = [height, side, inputs, maps]
                found[f"{stack}_stack{i}/{half}_V"] = [classes, maps]
            found.update({f"{stack}_stack_1{i}/W": [1, 1, maps, maps], f"{stack}_stack_1{i}/b": [maps]})
    found.update({"fc_1/W": [1, 1, maps, maps], "fc_1/b": [maps], "fc_2/W": [1, 1, maps, K], "fc_2/b": [K]})
    return {"pixelcnn/" + name: shape for name, shape in found.items()}


@pytest.mark.parametrize("dataset, D", [("mnist", 8), slow("cifar10", 12)])
def test_every_variable_of_a_prior_finds_its_place(dataset, D, tmp_path):
    path, of_prior, model_dir = (str(tmp_path / name) for name in ("last.ckpt", "last-pixelcnn.ckpt", "run"))
    values = write(path, names_of(dataset, D))
    values.update(write(of_prior, pixelcnn_names(7, D)))
    tf_vqvae.import_checkpoint(path, dataset, dataset, model_dir, of_prior)
    prior = prior_lib.find(model_dir, checkpoints.find_checkpoint(model_dir))
    names = {name for name, _ in tf.train.list_variables(prior.checkpoint.path)} - {"global_step"}
    assert len(names) == len(pixelcnn_names(7, D)) + 1
    for name in names:
        theirs = name.replace("prior/", "pixelcnn/")
        theirs = "train/params/embed/embed" if theirs == "pixelcnn/embedding" else theirs
        np.testing.assert_array_equal(tf.train.load_variable(prior.checkpoint.path, name), values[theirs])

    for changed, message in (
        (
            {"pixelcnn/fc_2/W": [1, 1, 4, 6]},
            r"prior_checkpoint: pixelcnn/fc_2/W of .*: got shape \[1, 1, 4, 6\]",
        ),
        ({"pixelcnn/h_stack1/h_W": [3, 3, 4, 4]}, r"h_stack1/h_W of .*got shape \[3, 3, 4, 4\], expected shape \[1, 3"),
    ):
        write(of_prior, dict(pixelcnn_names(7, D), **changed))
        with pytest.raises(VQError, match=message):
            tf_vqvae.import_checkpoint(path, dataset, dataset, str(tmp_path / "other"), of_prior)
        assert not os.path.exists(str(tmp_path / "other"))
