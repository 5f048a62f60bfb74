"""Fixtures: a clean graph for each test, the embedded digits, the full data where it lies, one small trained run."""

import dataclasses
import logging
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import hypothesis
import pytest
import tensorflow.compat.v1 as tf

from vq_estimator.config import make_config
from vq_estimator.data import sources
from vq_estimator.training import trainer

tf.disable_eager_execution()
tf.logging.set_verbosity(tf.logging.ERROR)
logging.getLogger("vq_estimator").setLevel(logging.WARNING)

# Examples of each property: the same ones every time in `make test`, others each time in `make test-all`, which says
# --hypothesis-profile=full.
_settings = dict(deadline=None, database=None, suppress_health_check=list(hypothesis.HealthCheck))
hypothesis.settings.register_profile("fast", max_examples=20, derandomize=True, **_settings)
hypothesis.settings.register_profile("full", max_examples=1000, print_blob=True, **_settings)
hypothesis.settings.load_profile("fast")

DATA_DIR = os.environ.get("VQ_DATA_DIR")


def no_network(url, path):
    raise OSError(url + ": no network in tests")


@pytest.fixture(autouse=True)
def clean_graph():
    with tf.Graph().as_default():
        yield


@pytest.fixture(scope="session")
def cache_dir(tmp_path_factory):
    return str(tmp_path_factory.mktemp("cache"))


def slow(*values):
    """Values of a parametrized test that `make test` leaves out and `make test-all` has."""
    return pytest.param(*values, marks=pytest.mark.slow)


@pytest.fixture(scope="session")
def digits(cache_dir, tmp_path_factory):
    """The 5,000 embedded digits: there on any machine."""
    return sources.locate("mnist", str(tmp_path_factory.mktemp("empty")), cache_dir, fetcher=no_network)


@pytest.fixture(scope="session")
def environment(tmp_path_factory, cache_dir, digits):
    """Of a script: no data folder, so that it falls back to the embedded digits, which the cache holds already."""
    return dict(os.environ, VQ_CACHE_DIR=cache_dir, VQ_DATA_DIR=str(tmp_path_factory.mktemp("no_data")))


@pytest.fixture(scope="session")
def full_data(cache_dir):
    """A function name -> Source for the data sets below VQ_DATA_DIR; skips the test where they are not."""

    def find(dataset):
        if not DATA_DIR or not os.path.isdir(os.path.join(DATA_DIR, dataset)):
            pytest.skip("VQ_DATA_DIR has no " + dataset)
        return sources.locate(dataset, DATA_DIR, cache_dir, require_full=True, fetcher=no_network)

    return find


def small_config(source, **settings):
    given = dict(K=8, D=16, max_steps=60, save_checkpoints_steps=30, save_summary_steps=30, eval_steps=30, log_steps=10)
    given.update(settings)
    config = make_config("mnist", given.pop("preset", "original"), **given)
    return dataclasses.replace(config, dataset_source=source.spec.name)


@pytest.fixture(scope="session")
def small_run(digits, tmp_path_factory):
    """(config, model_dir) of a VQ-VAE trained for 60 steps."""
    model_dir = str(tmp_path_factory.mktemp("runs") / "small")
    config = small_config(digits)
    trainer.train(config, digits, model_dir)
    return config, model_dir


@pytest.fixture(scope="session")
def autoregressive_run(digits, tmp_path_factory):
    """(config, model_dir) of a VQ-VAE with an autoregressive decoder, on images of 8 x 8, trained for 40 steps."""
    model_dir = str(tmp_path_factory.mktemp("runs") / "autoregressive")
    given = dict(decoder="autoregressive", decoder_layers=1, decoder_maps=8, decoder_features=8, image_size=8)
    given.update(likelihood="logistic_mixture", objective="elbo", codebook="ema", initializer="he", L=2)
    config = small_config(digits, max_steps=40, learning_rate=2e-3, average_decay=0.9, **given)
    trainer.train(config, digits, model_dir)
    return config, model_dir
