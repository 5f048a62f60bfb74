import dataclasses
import json

import pytest

from vq_estimator import config as c
from vq_estimator.errors import VQError


def test_original_presets_are_tf_vqvaes():
    mnist = c.make_config("mnist")
    assert (mnist.model.quantizer.K, mnist.model.quantizer.D, mnist.model.grid) == (20, 64, (3, 3, 1))
    assert mnist.model.network == c.NetworkConfig(widths=(16, 32, 64))
    assert (mnist.train.batch_size, mnist.train.max_steps, mnist.optimizer.learning_rate) == (32, 60000, 2e-4)
    assert mnist.objective == c.ObjectiveConfig("squared_error", 0.25)
    assert mnist.model.quantizer.codebook == c.GradientCodebook(kmeans_steps=0, restart_below=0.0)
    cifar = c.make_config("cifar10")
    assert (cifar.model.quantizer.K, cifar.model.quantizer.D, cifar.model.grid) == (10, 256, (8, 8, 1))
    assert cifar.model.network == c.NetworkConfig(widths=(256, 256), residual_blocks=2)
    assert (cifar.train.batch_size, cifar.train.max_steps) == (128, 250000)


@pytest.mark.parametrize("dataset", c.DATASETS)
def test_tuned_keeps_grid_size_K_and_D(dataset):
    original, tuned = c.make_config(dataset).model, c.make_config(dataset, "tuned").model
    assert (tuned.grid, tuned.image_size) == (original.grid, original.image_size)
    assert (tuned.quantizer.K, tuned.quantizer.D) == (original.quantizer.K, original.quantizer.D)
    assert tuned.quantizer.codebook == c.EMACodebook(decay=0.99, kmeans_steps=10, restart_below=0.03)


@pytest.mark.parametrize("dataset", c.DATASETS)
@pytest.mark.parametrize("preset", c.PRESETS)
def test_json_round_trip(dataset, preset):
    config = c.make_config(dataset, preset, K=7, D=32, seed=3, codebook_decay=None)
    assert c.from_json(c.to_json(config)) == config


def test_given_values_override_the_preset():
    config = c.make_config(
        "mnist", K=5, D=32, codebook="ema", codebook_decay=0.9, learning_rate=1e-3, max_steps=10, L=2
    )
    assert config.model.quantizer == c.QuantizerConfig(5, 32, 2, c.EMACodebook(decay=0.9))
    assert config.model.network.widths == (8, 16, 32)
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
        (dict(codebook="emma"), "codebook: got 'emma', expected one of gradient, ema"),
        (
            dict(codebook_decay=0.9),
            "codebook_decay: got 0.9, expected no value: a codebook moved by gradient has no decay",
        ),
        (dict(precision="float16"), "precision: got 'float16', expected one of float32, bfloat16"),
        (dict(restart_below=2.0), "restart_below: got 2.0"),
        (dict(colour=1), "unknown setting 'colour'"),
    ],
)
def test_impossible_values_fail_at_once(given, message):
    with pytest.raises(VQError, match="^" + message.replace("(", r"\(")):
        c.make_config("mnist", **given)


def test_unknown_names_fail():
    with pytest.raises(VQError, match="dataset: got 'mnits', expected one of mnist, fashion_mnist, cifar10"):
        c.make_config("mnits")
    with pytest.raises(VQError, match="preset: got 'best'"):
        c.make_config("mnist", "best")


def edited(change):
    data = json.loads(c.to_json(c.make_config("mnist")))
    change(data)
    return json.dumps(data)


@pytest.mark.parametrize(
    "text, message",
    [
        ("{", "config.json: not JSON"),
        ("[" * 100000, "config.json: not JSON"),
        ("[]", "config.json: got \\[\\], expected an object"),
        (edited(lambda d: d.update(extra=1)), "config.json: got 'extra', expected only dataset"),
        (edited(lambda d: d.pop("model")), "config.json: got 'no model', expected all of"),
        (edited(lambda d: d["model"].update(image_size="24")), "config.json.model.image_size: got '24'"),
        (edited(lambda d: d["model"].update(image_size=True)), "config.json.model.image_size: got True"),
        (edited(lambda d: d["model"].update(image_size=25)), "config.json.model: image_size: got 25"),
        (edited(lambda d: d["model"]["network"].update(widths=[1, "2"])), "config.json.model.network.widths: got"),
        (
            edited(lambda d: d["model"]["quantizer"]["codebook"].update(type="x")),
            "config.json.model.quantizer.codebook.type",
        ),
        (edited(lambda d: d["objective"].update(beta=None)), "config.json.objective.beta: got None, expected a number"),
        (edited(lambda d: d.update(dataset_source=3)), "config.json.dataset_source: got 3"),
    ],
)
def test_strict_json(text, message):
    with pytest.raises(VQError, match=message):
        c.from_json(text)


def test_differences_name_what_matters_and_only_that():
    old = c.make_config("mnist")
    assert c.differences(old, c.make_config("mnist", max_steps=5, eval_steps=7, log_steps=1)) == []
    lines = c.differences(old, c.make_config("mnist", K=5, learning_rate=1e-3, codebook="ema"))
    assert "model.quantizer.K: 20 in the run, 5 asked for" in lines
    assert "optimizer.learning_rate: 0.0002 in the run, 0.001 asked for" in lines
    assert "model.quantizer.codebook.type: 'gradient' in the run, 'ema' asked for" in lines
    assert c.differences(old, dataclasses.replace(old, dataset_source="mnist-5k"))


def test_default_model_dir():
    assert c.default_model_dir(c.make_config("mnist", K=20, D=64)) == "log/mnist-original-K20-D64"
