"""The preset "like" takes the settings and the weights of another run."""

import dataclasses
import json
import logging
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from PIL import Image

from helpers import codec_runs
from helpers.forked import ROOT
from vq_estimator import config as c
from vq_estimator import pretrained
from vq_estimator.errors import VQError
from vq_estimator.models import vqvae
from vq_estimator.training import run_folder, warm_start

pytestmark = pytest.mark.once


@pytest.mark.parametrize("name", pretrained.names())
def test_all_that_a_run_is_is_taken_but_its_data(name):
    source = run_folder.load_config(pretrained.folder(name))
    dataset = {"image": "images", "speech": "wav"}[c.type_name(source.model)]
    config = c.make_config(dataset, "like", warm_start=name)
    assert (config.dataset, config.preset, config.warm_start, config.dataset_source) == (dataset, "like", name, None)
    assert config.data == c.DataConfig(rules=3)
    q = source.model.quantizer
    without_start = dataclasses.replace(q, codebook=dataclasses.replace(q.codebook, kmeans_init_steps=0))
    want = dataclasses.replace(source.model.with_speakers(()), quantizer=without_start)
    rate = source.optimizer.learning_rate
    assert config.model == want and config.objective == source.objective
    assert dataclasses.replace(config.optimizer, learning_rate=rate) == source.optimizer
    assert config.optimizer.learning_rate == pytest.approx(rate / 10, rel=1e-5)
    for setting in ("batch_size", "max_steps", "seed", "flip"):
        assert getattr(config.train, setting) == getattr(source.train, setting)
    assert c.from_json(c.to_json(config)) == config and "like" in c.PRESETS


def test_what_is_given_wins_and_published_data_keep_their_channels():
    given = dict(image_size=64, channels=1, learning_rate=1e-4, max_steps=500, L=2, batch_size=8, beta=0.5, flip=False)
    config = c.make_config("images", "like", warm_start="cifar10-factorised", **given)
    found = {setting.flag: setting.value for setting in c.settings_of(config)}
    assert {name: found[name] for name in given} == given and config.train.eval_steps <= 100
    source = run_folder.load_config(pretrained.folder("cifar10-factorised"))
    assert config.model.network == source.model.network and config.model.likelihood == source.model.likelihood
    config = c.make_config("mnist", "like", warm_start="cifar10")
    assert config.model.channels == 1 and config.model.image_size == 32
    with pytest.raises(VQError, match="channels: got 3, expected 1 as mnist has, or no value"):
        c.make_config("mnist", "like", warm_start="cifar10", channels=3)


def test_a_codebook_of_another_shape_starts_by_k_means():
    def start(name="cifar10-factorised", **given):
        return c.make_config("images", "like", warm_start=name, **given).model.quantizer.codebook.kmeans_init_steps

    kept = run_folder.load_config(pretrained.folder("cifar10-factorised")).model.quantizer
    assert start() == start(K=kept.K, D=kept.D, L=kept.L, quantizer="residual") == 0
    assert start(K=99) == start(L=2) == kept.codebook.kmeans_init_steps > 0
    assert start(kmeans_init_steps=7) == 7


def test_a_run_of_a_finite_quantizer_or_of_another_fine_tuning_is_a_source(tmp_path):
    run = codec_runs.write_run(tmp_path / "fsq", dataset="images", quantizer="fsq", levels="4,4", K=None, D=None)
    config = c.make_config("images", "like", warm_start=run)
    assert config.model.quantizer == run_folder.load_config(run).model.quantizer
    with open(os.path.join(run, "config.json"), "w") as f:
        f.write(c.to_json(dataclasses.replace(config, warm_start="/nowhere")))
    again = c.make_config("images", "like", warm_start=run)
    assert again.model == config.model and again.optimizer == config.optimizer  # at the same rate


REFUSED = [
    ("images", {}, "preset: got 'like', expected --warm_start=RUN with it"),
    (
        "images",
        dict(warm_start="nope"),
        "warm_start: got 'nope', expected a run directory, or one of the provided models cifar10, ",
    ),
    ("images", dict(warm_start=""), "warm_start: got '', expected a run directory"),
    ("images", dict(warm_start=3), "warm_start: got 3, expected a run directory"),
    (
        "images",
        dict(warm_start="fsdd"),
        "warm_start: got 'fsdd', a run of the kind speech, expected image, the kind of",
    ),
    ("wav", dict(warm_start="mnist"), "warm_start: got 'mnist', a run of the kind image, expected speech, the kind of"),
    ("images", dict(warm_start="mnist", image_size=25), "image_size: got 25, expected a multiple of "),
    ("images", dict(warm_start="mnist", wavenet_layers=3), "wavenet_layers: got 3, expected no value"),
]


@pytest.mark.parametrize("dataset, given, message", REFUSED)
def test_bad_sources_are_one_line(dataset, given, message):
    with pytest.raises(VQError, match="^" + message) as e:
        c.make_config(dataset, "like", **given)
    assert str(e.value).isprintable()


def test_a_source_whose_configuration_is_damaged_is_one_line(tmp_path):
    (tmp_path / "config.json").write_text('{"dataset": 3}')
    with pytest.raises(VQError, match="^warm_start: .*config.json: "):
        c.make_config("images", "like", warm_start=str(tmp_path))


def test_no_tensorflow_is_needed_to_read_a_source():
    text = (
        "import sys; from vq_estimator.config import make_config; make_config('images', 'like', warm_start='cifar10')"
    )
    subprocess.run([sys.executable, "-c", text + "; assert 'tensorflow' not in sys.modules"], cwd=ROOT, check=True)


def test_help_and_print_config_show_the_sources_values(forked, tmp_path):
    given = ["--preset=like", "--warm_start=cifar10-factorised", "--dataset=images", "--K=77"]
    done = forked.script("train", *given, "--help", cwd=tmp_path)
    assert done.status == 0 and "[77]" in done.stdout and "[logistic_mixture]" in done.stdout
    done = forked.script("train", *given, "--print_config", cwd=tmp_path)
    config = json.loads(done.stdout)
    assert config["model"]["quantizer"]["K"] == 77 and config["model"]["network"]["linear_path"] is True
    done = forked.script("train", "--preset=like", "--warm_start=fsdd", "--print_config", cwd=tmp_path)
    assert json.loads(done.stdout)["dataset"] == "fsdd"  # the source's, where none is given


def test_the_same_command_resumes_when_the_source_has_gone(forked, tmp_path):
    codec_runs.write_run(tmp_path / "source", dataset="images", residual_blocks=0)
    for split in ("train", "validation", "test"):
        (tmp_path / "photos" / split).mkdir(parents=True)
        for i in range(4):
            array = np.random.RandomState(i).randint(0, 256, (8, 8, 3)).astype(np.uint8)
            Image.fromarray(array).save(str(tmp_path / "photos" / split / f"{i}.png"))
    same = ["--dataset=images", "--data_dir=photos", "--warm_start=source", "--preset=like", "--batch_size=2"]

    def run(steps, *more):
        return forked.script("train", *same, f"--max_steps={steps}", *more, cwd=tmp_path)

    done = run(2)
    assert done.status == 0 and re.search(r"warm start: (\d+) of \1 variables from source", done.stderr), done.stderr
    (made,) = os.listdir(str(tmp_path / "log"))
    assert made == "images-like-K8-D16"
    with open(str(tmp_path / "log" / made / "config.json")) as f:
        config = json.load(f)
    assert (config["preset"], config["warm_start"], config["model"]["image_size"]) == ("like", "source", 8)
    os.rename(str(tmp_path / "source"), str(tmp_path / "moved"))
    done = run(4)
    assert done.status == 0 and "step 4" in done.stdout and "warm start" not in done.stderr, done.stderr
    assert run(4, "--learning_rate=0.5").one_line("train").count("optimizer.learning_rate") == 1
    assert run(4, "--overwrite").one_line("train").startswith("warm_start: got 'source', expected a run directory")


def test_other_speakers_begin_anew_and_are_named_with_their_shapes(spoken_run, caplog):
    old, checkpoint, model_dir = spoken_run
    m = c.with_data(c.make_config("wav", "like", warm_start=model_dir), "wav-others", ("ann", "bob", "cleo")).model
    assert m.decoder == old.model.decoder and m.window == old.model.window
    with tf.Graph().as_default(), tf.Session() as session, caplog.at_level(logging.INFO, "vq_estimator"):
        model, x = vqvae.make(m, 0), tf.zeros([1, 1, m.window, 1], tf.uint8)
        model.likelihood(model.encode(x), x, tf.zeros([1], tf.int32))
        load = warm_start.Loader(warm_start.of_run(model_dir)).init_fn()
        session.run(tf.global_variables_initializer())
        load(None, session)
        began = {v.op.name: session.run(v) for v in tf.global_variables()}
    before = tf.train.load_checkpoint(checkpoint.path)
    (name,) = (name for name in began if name.endswith("/speakers"))
    channels = m.decoder.condition_channels
    assert f"; new: {name} [3, {channels}] (there [2, {channels}])" in caplog.text
    assert len(began) > 10 and began[name].shape == (3, channels)
    for weight in set(began) - {name, "global_step"}:
        np.testing.assert_array_equal(began[weight], before.get_tensor(weight), weight)
