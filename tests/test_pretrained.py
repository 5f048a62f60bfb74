"""The provided models, and runs in a Python program."""

import dataclasses
import json
import os
import shutil
import sys

import numpy as np
import pytest

from helpers import provided
from helpers.batches import first_images
from helpers.folders import size_of
from vq_estimator import pretrained
from vq_estimator.data import arrays, audio
from vq_estimator.errors import VQError
from vq_estimator.inference import evaluation, sampling
from vq_estimator.inference import trained_prior as prior_lib
from vq_estimator.inference.image_model import ImageModel
from vq_estimator.inference.session import open_run
from vq_estimator.nn.code_prior import CodePrior
from vq_estimator.training import checkpoints, run_folder

NAMES = pretrained.names()
SPEECH = ("fsdd",)
MEGABYTE = 1e6


@pytest.fixture(scope="module")
def opened():
    """A function name -> the provided model, opened once."""
    models = {}

    def find(name):
        if name not in models:
            models[name] = pretrained.load(name)
        return models[name]

    yield find
    for model in models.values():
        model.close()


def test_they_are_small_enough():
    sizes = [size_of(pretrained.folder(name)) for name in NAMES]
    assert sizes and max(sizes) <= 6 * MEGABYTE
    assert sum(sizes) <= 40 * MEGABYTE


def test_they_are_found_by_their_cards():
    of_cifar10 = [f"cifar10{suffix}" for suffix in ("", "-factorised", "-local", "-lossless", "-lossless-fast")]
    others = ("fashion_mnist", "fashion_mnist-28", "fsdd", "mnist", "mnist-28", "mnist-original")
    assert (*of_cifar10, *others, "photographs", "photographs-lossless") == NAMES


@pytest.mark.once
@pytest.mark.parametrize("name", SPEECH)
def test_each_of_speech_encodes_converts_samples_and_prices(name, opened):
    model = opened(name)
    wave = np.sin(np.arange(2000) * 0.3) * np.linspace(0, 0.5, 2000)
    levels = audio.mu_law(wave)
    assert model.encode(levels).shape == (32, 1)
    converted = model.convert(levels, model.speaker("theo"), seed=1)
    assert converted.shape == levels.shape and len(np.unique(converted)) > 10
    assert model.bits_per_sample(levels, 0) < 8
    spoken = model.sample(2, seconds=0.1, label=7, speaker=model.speaker("lucas"))
    assert spoken.levels.shape == (2, 13 * 64) and (spoken.codes[0] != spoken.codes[1]).any()
    assert "vq-evaluate --pretrained=" + name in pretrained.card(name)
    with open(os.path.join(pretrained.folder(name), "eval", "test.json")) as f:
        bits = json.load(f)["bits_per_dim"]
    assert bits["total_prior"] < bits["total_unigram"] < bits["total_uniform"] < 5


@pytest.mark.once
@pytest.mark.parametrize("name", [name for name in NAMES if name not in SPEECH])
def test_each_encodes_decodes_samples_and_prices(name, opened):
    model = opened(name)
    m = model.config.model
    images = np.random.RandomState(0).randint(0, 256, (2, m.image_size, m.image_size, m.channels)).astype(np.uint8)
    codes = model.encode(images)
    assert codes.shape == (2,) + m.grid and codes.dtype == np.int32
    decoded = model.decode(codes, seed=1)
    assert decoded.shape == images.shape and decoded.dtype == np.uint8
    np.testing.assert_array_equal(model.reconstruct(images, seed=1), decoded)
    bits = model.bits_per_dim(images)
    assert (bits.distortion > 0).all() and (bits.rate_uniform < 2).all() and (bits.rate_unigram < 2).all()
    card = pretrained.card(name)
    assert "vq-evaluate --pretrained=" + name in card
    with open(os.path.join(pretrained.folder(name), "eval", "test.json")) as f:
        figures = json.load(f)
    assert figures["examples"] == dict.fromkeys(("photographs", "photographs-lossless"), 3750).get(name, 10000)
    assert figures["global_step"] == model.checkpoint.step
    assert (figures["prior"] is None) == (model.prior is None) == (bits.rate_prior is None)


@pytest.mark.parametrize("name", NAMES)
def test_what_each_computes_stays(name, opened):
    with open(os.path.join(os.path.dirname(__file__), "data", "provided.json")) as f:
        want = json.load(f)[name]
    found = provided.figures(opened(name))
    assert found["codes"] == want["codes"] and set(found["bits"]) == set(want["bits"])
    for term, bits in want["bits"].items():
        np.testing.assert_allclose(found["bits"][term], bits, rtol=1e-4, err_msg=term)


def test_a_loaded_model_samples_what_the_command_does_and_builds_its_graph_once(monkeypatch):
    built, real = [], CodePrior.sample
    monkeypatch.setattr(CodePrior, "sample", lambda *given: built.append(None) or real(*given))
    with pretrained.load("mnist") as model:
        first, other, again = (model.sample(10, seed=1, temperature=heat) for heat in (1.0, 0.5, 1.0))
        assert len(built) == 1
        alone = sampling.sample(open_run(model.model_dir), 10, first.labels, seed=1)
        with pytest.raises(VQError, match="labels: got 3, expected 10: the prior has 10 classes"):
            sampling.sample(model, 10, first.labels[:3])
    for same in (again, alone):
        np.testing.assert_array_equal(first.codes, same.codes)
        np.testing.assert_array_equal(first.images, same.images)
    assert (first.codes != other.codes).any()


def test_a_loaded_model_prices_codes_by_one_graph(monkeypatch):
    built, real = [], CodePrior.log_prob
    monkeypatch.setattr(CodePrior, "log_prob", lambda *given: built.append(None) or real(*given))
    with pretrained.load("mnist") as model:
        codes = np.random.RandomState(0).randint(0, 5, (102,) + model.config.model.grid)
        all_of_them, few = (model.bits_per_dim(np.zeros([n, 24, 24, 1], np.uint8), codes[:n]) for n in (102, 2))
    assert len(built) == 1 and all_of_them.rate_prior.shape == (102,)
    np.testing.assert_allclose(all_of_them.rate_prior[:2], few.rate_prior, rtol=1e-5)


def test_draws_of_many_images_differ_between_batches(opened):
    model = opened("cifar10")
    codes = np.repeat(model.encode(np.zeros([1, 32, 32, 3], np.uint8)), 102, 0)
    drawn = model.decode(codes, seed=1)
    assert (drawn[0] != drawn[1]).any() and (drawn[0] != drawn[100]).any()
    assert (drawn[100:] != model.decode(codes[:2], seed=1)).any()
    np.testing.assert_array_equal(drawn[100:], model.decode(codes[:2], seed=1, first=100))


def test_mnist_has_the_bits_that_its_card_says(opened, full_data):
    source = full_data("mnist")
    model = opened("mnist")
    example = first_images(source, model.config, 500)
    bits = model.bits_per_dim(example)
    assert 0 < bits.rate_prior.mean() < bits.rate_unigram.mean() < bits.rate_uniform.mean()
    with open(os.path.join(pretrained.folder("mnist"), "eval", "test.json")) as f:
        kept = json.load(f)["bits_per_dim"]
    assert abs(bits.distortion.mean() - kept["distortion"]) < 0.1  # 500 of the 10,000
    samples = model.sample(10, seed=3)
    np.testing.assert_array_equal(samples.images, model.sample(10, seed=3).images)
    np.testing.assert_array_equal(model.decode(samples.codes), samples.images)
    np.testing.assert_array_equal(samples.labels, np.arange(10))


def test_a_model_gives_what_its_run_gives(small_run, digits):
    config, model_dir = small_run
    result = evaluation.evaluate(open_run(model_dir), digits, "test")
    with np.load(os.path.join(model_dir, "eval", "test.npz")) as f:
        codes, distortion = f["codes"], f["distortion"]
    with ImageModel(model_dir) as model:
        images = first_images(digits, config, 500)
        np.testing.assert_array_equal(model.encode(images), codes)
        bits = model.bits_per_dim(images)
        np.testing.assert_allclose(bits.distortion, distortion / (576 * np.log(2)), rtol=1e-5)
        np.testing.assert_allclose(bits.distortion.mean(), result["bits_per_dim"]["distortion"], rtol=1e-5)
        np.testing.assert_allclose(bits.rate_unigram.mean(), result["bits_per_dim"]["rate_unigram"], rtol=1e-6)
        error = np.square(model.reconstruct(images) / 255.0 - images / 255.0).mean()
        assert abs(error - result["mse"]) < 1 / 255  # the mean there, rounded to levels here


def test_an_image_costs_more_with_the_codes_of_another(opened, digits):
    images = arrays.load(digits, "test", 24, 120).images
    model = opened("mnist")
    codes, own = model.encode(images), model.bits_per_dim(images)
    given, other = model.bits_per_dim(images, codes), model.bits_per_dim(images, np.roll(codes, 1, 0))
    np.testing.assert_array_equal(given.distortion, own.distortion)
    assert other.distortion.mean() > own.distortion.mean() + 0.5
    np.testing.assert_allclose(other.rate_unigram, np.roll(own.rate_unigram, 1))
    with pytest.raises(VQError, match="codes: got 3 maps, expected 120, one for each image"):
        model.bits_per_dim(images, codes[:3])


def test_no_training_goes_on_from_weights_alone(digits, tmp_path):
    model_dir = str(tmp_path / "run")
    shutil.copytree(pretrained.folder("mnist"), model_dir)
    config = run_folder.load_config(model_dir)
    longer = dataclasses.replace(config, train=dataclasses.replace(config.train, max_steps=10**6))
    before = (tmp_path / "run" / "config.json").read_text()
    with pytest.raises(VQError, match=r"model_dir: the checkpoint of step 10000 .* has weights alone.*--warm_start="):
        run_folder.prepare(model_dir, longer)
    assert (tmp_path / "run" / "config.json").read_text() == before
    assert run_folder.prepare(model_dir, config) == 10000  # with no step to make it is as good as any


def test_prepare_resizes_as_the_data_was(digits, small_run):
    config, model_dir = small_run
    raw = first_images(digits, with_size(config, 28), 500)
    with ImageModel(model_dir) as model:
        np.testing.assert_array_equal(model.prepare(raw), first_images(digits, config, 500))


def with_size(config, size):
    import dataclasses

    network = dataclasses.replace(config.model.network, hidden_channels=(16,))
    return dataclasses.replace(config, model=dataclasses.replace(config.model, image_size=size, network=network))


def test_wrong_input_is_one_line(small_run):
    with ImageModel(small_run[1]) as model:
        for images, hint in (
            (np.zeros([1, 28, 28, 1], np.uint8), "; prepare"),
            (np.zeros([1, 24, 24, 1]), ", levels 0 to 255: multiply floats of 0 to 1 by 255"),
            (np.zeros([0, 24, 24, 1], np.uint8), ""),
        ):
            with pytest.raises(VQError, match=r"images: got .*, expected uint8 \[N, 24, 24, 1\]" + hint):
                model.encode(images)
        with pytest.raises(VQError, match=r"images: got float64 \[1\], expected uint8 or uint16 \[N, H, W, C\]"):
            model.prepare(np.zeros([1]))
        with pytest.raises(VQError, match=r"codes: got int64 \[1, 2, 3, 1\], expected integers \[N, 3, 3, 1\]"):
            model.decode(np.zeros([1, 2, 3, 1], np.int64))
        with pytest.raises(VQError, match="codes: got -1 to 8, expected codes from 0 to 7"):
            model.decode(np.array([-1, 8] + [0] * 7).reshape(1, 3, 3, 1))
        with pytest.raises(VQError, match="prior: the run has none"):
            model.sample(1)
    with pytest.raises(VQError, match="pretrained: got 'nist', expected one of"):
        pretrained.load("nist")


def test_placed_it_is_a_run_folder(tmp_path):
    target = str(tmp_path / "run")
    pretrained.copy_to_run_dir("mnist", target)
    first = sorted(os.listdir(target))
    assert "eval" not in first and "config.json" in first and "prior" in first
    pretrained.copy_to_run_dir("mnist", target)  # again is nothing new
    assert sorted(os.listdir(target)) == first
    assert prior_lib.find(target, checkpoints.find_checkpoint(target)) is not None
    other = tmp_path / "other"
    other.mkdir()
    (other / "mine").write_text("x")
    with pytest.raises(VQError, match="not empty and not the provided model 'mnist'"):
        pretrained.copy_to_run_dir("mnist", str(other))
    assert os.listdir(str(other)) == ["mine"]


EAGER = """
import numpy as np, tensorflow as tf
from vq_estimator import pretrained
assert tf.executing_eagerly()
model = pretrained.load("mnist")
codes = model.encode(np.zeros([1, 24, 24, 1], np.uint8))
images = model.decode(codes)
assert tf.executing_eagerly() and (tf.constant(1) + 1).numpy() == 2
print(codes.shape, images.shape, len(model.sample(10).images))
"""


@pytest.mark.skipif(sys.version_info < (3, 8), reason="TensorFlow 1.15 is not eager")
def test_it_works_in_an_eager_process(forked):
    done = forked.code(EAGER)
    assert done.stdout.strip() == "(1, 3, 3, 1) (1, 24, 24, 1) 10", done.stderr[-2000:]
