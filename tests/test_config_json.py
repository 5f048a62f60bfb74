"""The JSON of a configuration: it comes back as it was, and what is not one is refused."""

import json

import pytest

from helpers.presets import ALL
from vq_estimator import config as c
from vq_estimator.errors import VQError


@pytest.mark.parametrize("dataset, preset", ALL)
def test_json_round_trip(dataset, preset):
    config = c.make_config(dataset, preset, K=7, D=32, seed=3, codebook_decay=None)
    assert c.from_json(c.to_json(config)) == config


@pytest.mark.parametrize("kind", sorted(c.LIKELIHOODS.rows))
def test_every_likelihood_goes_through_json(kind):
    config = c.make_config("cifar10", likelihood=kind, binarize=kind == "bernoulli" or None)
    assert c.type_name(config.model.likelihood) == kind
    assert c.from_json(c.to_json(config)) == config


@pytest.mark.parametrize(
    "given, want",
    [
        (dict(K=8, L=3), c.VectorQuantizerConfig(8, 64, 3)),
        (dict(gradient="rotation"), c.VectorQuantizerConfig(20, 64, gradient="rotation")),
        (dict(quantizer="residual", L=4, codebook="ema"), c.ResidualQuantizerConfig(20, 64, 4, c.EMACodebook())),
        (dict(quantizer="fsq"), c.FiniteScalarConfig((8, 5, 5, 5))),
        (dict(quantizer="fsq", levels="7,5,3", L=2), c.FiniteScalarConfig((7, 5, 3), 2)),
        (dict(quantizer="fsq", levels=(7, 5), K=35, D=2), c.FiniteScalarConfig((7, 5))),
    ],
)
def test_every_quantizer_goes_through_json(given, want):
    config = c.make_config("mnist", **given)
    q = config.model.quantizer
    assert q == want and c.from_json(c.to_json(config)) == config
    name = given.get("quantizer", "vq")
    assert json.loads(c.to_json(config))["model"]["quantizer"]["type"] == name
    assert config.model.grid == (3, 3, q.L) and q.latent_channels == q.D * (1 if name == "residual" else q.L)
    assert config.model.network == c.make_config("mnist").model.network  # the levels of fsq are no widths
    assert q.codebook_by_gradient == (name != "fsq" and q.codebook == c.GradientCodebook())


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
        (
            edited(lambda d: d["model"]["network"].update(hidden_channels=[1, "2"])),
            "config.json.model.network.hidden_channels: got",
        ),
        (edited(lambda d: d["model"]["quantizer"].update(type="x")), "config.json.model.quantizer.type: got 'x'"),
        (
            edited(lambda d: d["model"]["quantizer"].update(type="fsq")),
            "config.json.model.quantizer: got 'K', expected only levels, L",
        ),
        (
            edited(lambda d: d["model"].update(quantizer=dict(type="fsq", levels=[8, 1], L=1))),
            r"config.json.model.quantizer: levels: got \(8, 1\)",
        ),
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


def test_a_run_of_before_a_setting_was_there_has_its_default():
    text = edited(lambda d: d["model"]["network"].pop("residual_relu"))
    assert c.from_json(text) == c.make_config("mnist")
    assert not c.make_config("cifar10").model.network.residual_relu
