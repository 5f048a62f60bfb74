"""Configurations: presets, settings that are refused, and sizes."""

import dataclasses
import json
import re

import pytest

from helpers.presets import ALL
from vq_estimator import config as c
from vq_estimator.errors import VQError


def test_original_presets_are_tf_vqvaes():
    mnist = c.make_config("mnist")
    assert (mnist.model.quantizer.K, mnist.model.quantizer.D, mnist.model.grid) == (20, 64, (3, 3, 1))
    assert mnist.model.network == c.NetworkConfig(hidden_channels=(16, 32, 64))
    assert (mnist.train.batch_size, mnist.train.max_steps, mnist.optimizer.learning_rate) == (32, 60000, 2e-4)
    assert mnist.objective == c.ObjectiveConfig("original", "squared_error", 0.25)
    assert mnist.model.quantizer.codebook == c.GradientCodebook(kmeans_init_steps=0, dead_entry_threshold=0.0)
    cifar = c.make_config("cifar10")
    assert (cifar.model.quantizer.K, cifar.model.quantizer.D, cifar.model.grid) == (10, 256, (8, 8, 1))
    assert cifar.model.network == c.NetworkConfig(hidden_channels=(256, 256), residual_blocks=2)
    assert (cifar.train.batch_size, cifar.train.max_steps) == (128, 250000)
    for preset in ("original", "imagenet"):
        images = c.make_config("images", preset)
        assert (images.model.quantizer.K, images.model.quantizer.D, images.model.grid) == (512, 128, (32, 32, 1))
        assert images.model.network == c.NetworkConfig((64, 128), residual_blocks=4, residual_relu=True)
        assert images.optimizer == c.OptimizerConfig(learning_rate=2e-4, decay_steps=25000, decay_rate=0.5)
        assert (images.model.image_size, images.train.batch_size, images.train.max_steps) == (128, 16, 50000)
    assert c.make_config("images", image_size=64, channels=1).model.dims == 64 * 64


@pytest.mark.parametrize("dataset", c.IMAGE_DATASETS)
def test_tuned_keeps_grid_size_K_and_D(dataset):
    original, tuned = c.make_config(dataset).model, c.make_config(dataset, "tuned").model
    assert (tuned.grid, tuned.image_size) == (original.grid, original.image_size)
    assert (tuned.quantizer.K, tuned.quantizer.D) == (original.quantizer.K, original.quantizer.D)
    assert tuned.quantizer.codebook == c.EMACodebook(decay=0.99, kmeans_init_steps=10, dead_entry_threshold=0.03)


def test_every_preset_belongs_to_a_data_set():
    assert {preset for _, preset in ALL} == set(c.PRESETS) - {c.LIKE}
    assert c.make_config("cifar10", "categorical").model.grid == (8, 8, 10)
    assert c.make_config("cifar10", "factorised").model.grid == (8, 8, 6)
    with pytest.raises(VQError, match="preset: got 'sonnet', expected for mnist one of original, tuned, autoreg"):
        c.make_config("mnist", "sonnet")


def test_a_presets_quantizer_stays_unless_another_is_asked_for():
    assert c.make_config("cifar10", "factorised", L=3).model.quantizer == c.ResidualQuantizerConfig(
        1024, 48, 3, c.EMACodebook()
    )
    vq = c.make_config("cifar10", "factorised", quantizer="vq", gradient="rotation").model.quantizer
    assert vq == c.VectorQuantizerConfig(1024, 48, 6, c.EMACodebook(), "rotation")


def test_a_data_set_of_the_family_has_its_row():
    for dataset in ("tfds:mnist", "tfds:cifar10:3.0.2", "tfds:imagenet_resized/32x32", "tfds:a/b-c.d:1.*.*"):
        config = c.make_config(dataset, "tuned", image_size="64x96", channels=4, K=16)
        assert config.model.shape == (64, 96, 4) and c.from_json(c.to_json(config)).dataset == dataset
        assert c.row_of(dataset) == c.TFDS and ":" not in c.default_model_dir(config)
    assert c.tfds_name("tfds:cifar10:3.0.2") == "cifar10:3.0.2"
    assert c.default_model_dir(config) == "log/tfds-a-b-c.d-1.*.*-tuned-K16-D128"
    for bad in ("tfds", "tfds:", "tfds:a b", "tfds:../a", "tfds:a/b/c", "tfds:a:1", "tfds:\u00e9", "TFDS:a", 5, None):
        with pytest.raises(VQError, match="dataset: got .*, expected one of mnist, .*, images, npy, tfds:NAME, fsdd"):
            c.make_config(bad)


def test_settings_of_own_files_are_those_that_the_data_set_has():
    assert c.make_config("npy", array="x", value_range="0,255").data == c.DataConfig(3, value_range=(0, 255), array="x")
    assert c.make_config("tfds:mnist", value_range=(0, 255)).data.value_range == (0, 255)
    for dataset, flag, value, want in (
        ("images", "array", "x", "only --dataset=npy has"),
        ("tfds:mnist", "array", "x", "only --dataset=npy has"),
        ("npy", "splits", "hash", "only --dataset=images and wav have"),
        ("wav", "value_range", "0,255", "only --dataset=images, npy and tfds:NAME have"),
    ):
        with pytest.raises(VQError, match=f"{flag}: got .*, expected no value: {want} this setting"):
            c.make_config(dataset, **{flag: value})


def test_given_values_override_the_preset():
    config = c.make_config(
        "mnist", K=5, D=32, codebook="ema", codebook_decay=0.9, learning_rate=1e-3, max_steps=10, L=2
    )
    assert config.model.quantizer == c.VectorQuantizerConfig(5, 32, 2, c.EMACodebook(decay=0.9))
    assert config.model.network.hidden_channels == (8, 16, 32)
    assert (config.optimizer.learning_rate, config.train.max_steps) == (1e-3, 10)


@pytest.mark.parametrize(
    "given, message",
    [
        (dict(K=0), "K: got 0, expected an integer of 1 or more"),
        (dict(D=-4), "D: got -4, expected an integer of 1 or more"),
        (dict(D=6), "D: got 6, expected a multiple of 4"),
        (dict(L=0), "L: got 0"),
        (dict(image_size=28), "image_size: got 28, expected a multiple of 8"),
        (dict(beta=-1.0), "beta: got -1.0, expected a number of 0 or more"),
        (dict(beta=float("nan")), "beta: got nan"),
        (dict(learning_rate=0.0), "learning_rate: got 0.0, expected a number above 0"),
        (dict(batch_size=0), "batch_size: got 0"),
        (dict(max_steps=0), "max_steps: got 0"),
        (dict(seed=-1), "seed: got -1"),
        (dict(decay_rate=1.5), "decay_rate: got 1.5"),
        (dict(decay_rate=0.1), "decay_rate: got 0.1, expected no value: it needs --decay_steps above 0"),
        (dict(quantizer="fsq", beta=5.0), "beta: got 5.0, expected no value: this quantizer has no commitment loss"),
        (
            dict(residual_blocks=0, residual_channels=8),
            "residual_channels: got 8, expected no value: there are no residual",
        ),
        (
            dict(likelihood="gaussian", reconstruction_loss="squared_error"),
            "reconstruction_loss: got 'squared_error', expected no value: only --likelihood=mse has one",
        ),
        (dict(codebook="emma"), "codebook: got 'emma', expected one of gradient, ema"),
        (
            dict(codebook_decay=0.9),
            "codebook_decay: got 0.9, expected no value: only --codebook=ema has",
        ),
        (dict(precision="float16"), "precision: got 'float16', expected one of float32, bfloat16"),
        (dict(dead_entry_threshold=2.0), "dead_entry_threshold: got 2.0"),
        (dict(likelihood="poisson"), "likelihood: got 'poisson', expected one of mse, bernoulli"),
        (dict(likelihood="bernoulli"), "likelihood: got 'bernoulli', expected --binarize"),
        (dict(components=4), "components: got 4, expected no value: only --likelihood=logistic_mixture"),
        (dict(likelihood="logistic_mixture", components=0), "components: got 0, expected an integer of 1 or more"),
        (dict(decoder="wavenet"), "decoder: got 'wavenet', expected one of factorised, autoregressive"),
        (dict(decoder="autoregressive"), "likelihood: got 'mse', expected another one with --decoder=autoregressive"),
        (
            dict(decoder_channels=8),
            "decoder_channels: got 8, expected no value: only --decoder=autoregressive",
        ),
        (dict(decoder="autoregressive", decoder_layers=0), "decoder_layers: got 0, expected an integer of 1 or more"),
        (dict(hidden_channels="8,x"), "hidden_channels: got '8,x', expected the channels of each layer"),
        (dict(hidden_channels="8,0"), "hidden_channels: got 0, expected an integer of 1 or more"),
        (dict(residual_channels=-1), "residual_channels: got -1, expected 0 or more"),
        (dict(objective="elbo"), "objective: got 'elbo', expected a likelihood other than mse"),
        (dict(objective="vae", likelihood="logistic"), "objective: got 'vae', expected one of original, elbo"),
        (dict(quantizer="rvq"), "quantizer: got 'rvq', expected one of vq, residual, fsq"),
        (dict(gradient="gumbel"), "gradient: got 'gumbel', expected one of straight_through, rotation"),
        (
            dict(quantizer="residual", gradient="rotation"),
            "gradient: got 'rotation', expected no value: only --quantizer=vq has",
        ),
        (
            dict(quantizer="fsq", gradient="rotation"),
            "gradient: got 'rotation', expected no value: only --quantizer=vq has",
        ),
        (dict(levels="8,5"), "levels: got '8,5', expected no value: only --quantizer=fsq has"),
        (dict(quantizer="residual", levels="8,5"), "levels: got '8,5', expected no value: only --quantizer=fsq has"),
        (dict(quantizer="fsq", levels="8,x"), "levels: got '8,x', expected integers of 2 or more, such as 8,5,5,5"),
        (dict(quantizer="fsq", levels=""), "levels: got '', expected integers of 2 or more"),
        (dict(quantizer="fsq", levels="8,1"), "levels: got (8, 1), expected integers of 2 or more"),
        (dict(quantizer="fsq", levels=()), "levels: got (), expected integers of 2 or more"),
        (
            dict(quantizer="fsq", levels=(1024, 1025)),
            "levels: got (1024, 1025), expected a product of at most 1,048,576",
        ),
        (dict(quantizer="fsq", L=0), "L: got 0"),
        (dict(quantizer="fsq", K=512), "K: got 512, expected 1000, the product of the levels of fsq, or no value"),
        (dict(quantizer="fsq", D=64), "D: got 64, expected 4, the number of levels of fsq, or no value"),
        (
            dict(quantizer="fsq", codebook="ema"),
            "codebook: got 'ema', expected no value: only --quantizer=vq and residual have",
        ),
        (
            dict(quantizer="fsq", kmeans_init_steps=0),
            "kmeans_init_steps: got 0, expected no value: only --quantizer=vq and residual have",
        ),
        (
            dict(quantizer="fsq", dead_entry_threshold=0.1),
            "dead_entry_threshold: got 0.1, expected no value: only --quantizer=vq and residual have",
        ),
        (dict(quantizer="residual", L=0), "L: got 0"),
        (dict(channels=3), "channels: got 3, expected 1 as mnist has, or no value"),
        (dict(colour=1), "unknown setting 'colour'"),
    ],
)
def test_impossible_values_fail_at_once(given, message):
    with pytest.raises(VQError, match="^" + re.escape(message)):
        c.make_config("mnist", **given)


def test_unknown_names_fail():
    with pytest.raises(VQError, match="dataset: got 'mnits', expected one of mnist, fashion_mnist, cifar10"):
        c.make_config("mnits")
    with pytest.raises(VQError, match="preset: got 'best'"):
        c.make_config("mnist", "best")


def test_the_tuned_codebook_is_that_of_the_residual_stages_and_of_no_fsq():
    assert c.make_config("mnist", "tuned", quantizer="residual").model.quantizer.codebook == c.EMACodebook()
    assert c.make_config("mnist", "tuned", quantizer="fsq").model.quantizer == c.FiniteScalarConfig()


def test_a_linear_path_has_a_largest_stride():
    assert c.make_config("mnist", hidden_channels="4,4,4", linear_path=True).model.network.linear_path
    with pytest.raises(
        VQError, match="hidden_channels: got .4, 4, 4, 4, 4, 4., expected at most 5 of them with linear_path"
    ):
        c.NetworkConfig((4,) * 6, linear_path=True)
    with pytest.raises(VQError, match="linear_path: got True, expected no value: fsdd has no such setting"):
        c.make_config("fsdd", linear_path=True)


def test_images_have_1_to_16_channels():
    assert [c.make_config("images", channels=n).model.shape for n in (1, 4, 16)] == [(128, 128, n) for n in (1, 4, 16)]
    for bad in (0, 17):
        with pytest.raises(VQError, match=f"channels: got {bad}, expected"):
            c.make_config("images", channels=bad)


def test_a_size_is_a_side_or_height_and_width():
    square, wide = (c.make_config("images", image_size=size).model for size in ("64", "64x96"))
    assert (square.image_size, square.shape, square.grid) == (64, (64, 64, 3), (16, 16, 1))
    assert (wide.image_size, wide.shape, wide.grid) == ((64, 96), (64, 96, 3), (16, 24, 1))
    for same in ((64, 96), [64, 96], "64X96"):
        assert c.make_config("images", image_size=same).model == wide
    for same in (64, (64, 64), "64x64"):
        assert c.make_config("images", image_size=same).model == square
    for model in (square, wide):
        config = dataclasses.replace(c.make_config("images"), model=model)
        assert c.from_json(c.to_json(config)) == config
    assert (
        json.loads(c.to_json(dataclasses.replace(c.make_config("images"), model=square)))["model"]["image_size"] == 64
    )


@pytest.mark.parametrize(
    "size, nearest", [("50", "48 or 52"), ("3", "4"), ("50x96", "48x96 or 52x96"), ("1x98", "4x96 or 4x100")]
)
def test_a_size_that_the_strides_do_not_divide_names_the_nearest_that_they_do(size, nearest):
    with pytest.raises(VQError, match=f"a multiple of 4 .* such as {nearest}$"):
        c.make_config("images", image_size=size)
    for text in nearest.split(" or "):
        c.make_config("images", image_size=text)


def test_differences_name_what_matters_and_only_that():
    old = c.make_config("mnist")
    assert c.differences(old, c.make_config("mnist", max_steps=5, eval_steps=7, log_steps=1)) == []
    lines = c.differences(old, c.make_config("mnist", K=5, learning_rate=1e-3, codebook="ema"))
    assert "model.quantizer.K: 20 in the run, 5 asked for" in lines
    assert "optimizer.learning_rate: 0.0002 in the run, 0.001 asked for" in lines
    assert "model.quantizer.codebook.type: 'gradient' in the run, 'ema' asked for" in lines
    assert c.differences(old, dataclasses.replace(old, dataset_source="mnist-5k"))


def test_networks_of_no_layers_which_would_not_see_their_condition_are_refused():
    for call in (
        lambda: c.PriorNetworkConfig(layers=0),
        lambda: c.PriorNetworkConfig(layers=0, stacks=1),
        lambda: c.AutoregressiveDecoder(layers=0),
    ):
        with pytest.raises(VQError, match="layers: got 0, expected an integer of 1 or more"):
            call()


def test_default_model_dir():
    assert c.default_model_dir(c.make_config("mnist", K=20, D=64)) == "log/mnist-original-K20-D64"
    assert c.default_model_dir(c.make_config("mnist", quantizer="residual")) == "log/mnist-original-residual-K20-D64"
    factorised = c.default_model_dir(c.make_config("cifar10", "factorised"))
    assert factorised == "log/cifar10-factorised-residual-L6-K1024-D48"
    assert c.default_model_dir(c.make_config("cifar10", "factorised", L=1)) == factorised.replace("L6-", "")
    assert c.default_model_dir(c.make_config("mnist", quantizer="fsq")) == "log/mnist-original-fsq-K1000-D4"
