"""Fixtures: a clean graph for each test, the bundled digits, the full data if available, one small trained run."""

import fcntl
import gc
import logging
import os
import shutil

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import hypothesis
import pytest
import tensorflow.compat.v1 as tf

from helpers import spoken
from helpers import tones as tones_lib
from helpers.forked import Forked
from helpers.noise_sounds import noise, own
from helpers.small_runs import small_config
from helpers.sounds import save as save_sound
from helpers.sources import DATA_DIR, no_network
from helpers.speech_models import RATE
from vq_estimator import pretrained
from vq_estimator.data import sources, speech_sources
from vq_estimator.inference import extraction
from vq_estimator.inference.session import open_run
from vq_estimator.inference.speech_model import SpeechModel
from vq_estimator.training import checkpoints, trainer

assert __name__ == "conftest"  # imported once: again, as tests.conftest, it would undo --hypothesis-profile
tf.disable_eager_execution()
tf.logging.set_verbosity(tf.logging.ERROR)
logging.getLogger("vq_estimator").setLevel(logging.WARNING)

# Examples of each property: the same ones every time in `make test`, others each time in `make test-all`, which says
# --hypothesis-profile=full.
_settings = dict(deadline=None, database=None, suppress_health_check=list(hypothesis.HealthCheck))
hypothesis.settings.register_profile("fast", max_examples=20, derandomize=True, **_settings)
hypothesis.settings.register_profile("full", max_examples=1000, print_blob=True, **_settings)
hypothesis.settings.load_profile("fast")

# What is imported by now stays: the garbage collector need not look at it again.
gc.freeze()


LONGEST = ("test_web_page.py", "test_estimators.py", "test_codec.py", "test_survival.py", "test_web_requests.py")


def pytest_collection_modifyitems(items):
    """The longest files come first: with one of them last, a process of `make test` would wait for the other."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


@pytest.fixture(autouse=True)
def clean_graph():
    with tf.Graph().as_default():
        yield


@pytest.fixture(scope="session")
def cache_dir(tmp_path_factory):
    return str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def digits(cache_dir, tmp_path_factory):
    """The 5,000 embedded digits: there on any machine."""
    return sources.locate("mnist", str(tmp_path_factory.mktemp("empty")), cache_dir, fetcher=no_network)


@pytest.fixture(scope="session")
def environment(tmp_path_factory, cache_dir, digits):
    """Of a script: no data folder and no network, so that it has the embedded digits, which the cache holds already."""
    nowhere = "http://127.0.0.1:9"  # nothing listens there
    found = dict(os.environ, VQ_CACHE_DIR=cache_dir, VQ_DATA_DIR=str(tmp_path_factory.mktemp("no_data")))
    found["no_proxy"] = "127.0.0.1,localhost"  # the members of a cluster reach each other
    return dict(found, **dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), nowhere))


@pytest.fixture(scope="session")
def server():
    """A Forked."""
    with Forked() as running:
        yield running


@pytest.fixture(scope="module")
def forked(server, environment):
    """Commands with no data but the embedded digits, and with no network."""
    return server.within(environment)


@pytest.fixture
def quiet(monkeypatch):
    """No warnings of ours: of thousands of damaged files each has one."""
    monkeypatch.setattr(logging.getLogger("vq_estimator"), "disabled", True)


@pytest.fixture
def logged(caplog, monkeypatch):
    """The log records of the package from INFO on."""
    monkeypatch.setattr(logging.getLogger("vq_estimator"), "propagate", True)
    caplog.set_level(logging.INFO, "vq_estimator")
    return caplog


@pytest.fixture
def warnings(logged):
    """The log records of the package from WARNING on."""
    logged.set_level(logging.WARNING, "vq_estimator")
    return logged


@pytest.fixture(scope="session")
def full_data(cache_dir):
    """A function name -> Source for the data sets below VQ_DATA_DIR; skips the test where they are not."""

    def find(dataset):
        if not DATA_DIR or not os.path.isdir(os.path.join(DATA_DIR, dataset)):
            pytest.skip("VQ_DATA_DIR has no " + dataset)
        return sources.locate(dataset, DATA_DIR, cache_dir, require_full=True, fetcher=no_network)

    return find


@pytest.fixture(scope="session")
def made_once(tmp_path_factory):
    """A function name, make -> a folder of that name that `make(folder)` filled.

    The processes of pytest-xdist each have a copy of what one of them made.
    """

    def find(name, make):
        own = str(tmp_path_factory.mktemp("once") / name)
        if "PYTEST_XDIST_WORKER" not in os.environ:
            make(own)
            return own
        shared = str(tmp_path_factory.getbasetemp().parent / name)
        with open(shared + ".lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not os.path.isdir(shared):
                shutil.rmtree(shared + ".made", ignore_errors=True)
                make(shared + ".made")
                os.rename(shared + ".made", shared)
        shutil.copytree(shared, own)
        return own

    return find


@pytest.fixture(scope="session")
def small_run(digits, made_once):
    """(config, model_dir) of a VQ-VAE trained for 60 steps."""
    config = small_config(digits)
    return config, made_once("small", lambda folder: trainer.train(config, digits, folder))


@pytest.fixture(scope="session")
def autoregressive_run(digits, made_once):
    """(config, model_dir) of a VQ-VAE with an autoregressive decoder, on images of 8 x 8, trained for 40 steps."""
    given = dict(
        decoder="autoregressive", decoder_layers=1, decoder_channels=8, decoder_condition_channels=8, image_size=8
    )
    given.update(likelihood="logistic_mixture", objective="elbo", codebook="ema", initializer="he", L=2)
    config = small_config(digits, max_steps=40, learning_rate=2e-3, average_decay=0.9, **given)
    return config, made_once("autoregressive", lambda folder: trainer.train(config, digits, folder))


@pytest.fixture(scope="session")
def spoken_source(cache_dir, made_once):
    """(folder, SpeechSource) of the recordings of `spoken.say`."""
    folder = made_once("recordings", spoken.say)
    return folder, spoken.source_of(folder, cache_dir)


@pytest.fixture(scope="session")
def spoken_run(spoken_source, made_once):
    """(config, checkpoint, model_dir) of a tiny model of those recordings, after 5 steps."""
    _, source = spoken_source
    config = spoken.tiny_config(source)
    model_dir = made_once("spoken", lambda folder: trainer.train(config, source, folder))
    return config, checkpoints.find_checkpoint(model_dir), model_dir


@pytest.fixture(scope="session")
def tones(tmp_path_factory):
    """A folder of the recordings of `helpers.tones`."""
    folder = tmp_path_factory.mktemp("tones")
    tones_lib.write(folder)
    return str(folder)


@pytest.fixture(scope="session")
def tones_source(tones, cache_dir):
    return speech_sources.locate("wav", tones, cache_dir, RATE)


@pytest.fixture(scope="session")
def tones_run(tones_source, made_once):
    """(config, checkpoint, model_dir) of a model of those recordings and its prior."""
    model_dir = made_once("tones_run", lambda folder: tones_lib.train(tones_source, folder))
    return tones_lib.config_of(tones_source), checkpoints.find_checkpoint(model_dir), model_dir


@pytest.fixture(scope="session")
def tones_model(tones_run):
    """That model, opened."""
    with SpeechModel(tones_run[2]) as opened:
        yield opened


@pytest.fixture(scope="session")
def tuned_run(digits, made_once):
    """(config, model_dir, codes by split) of a VQ-VAE that uses its codes, trained for 60 steps."""
    config = small_config(digits, preset="tuned", eval_steps=60)
    model_dir = made_once("tuned", lambda folder: trainer.train(config, digits, folder))
    return config, model_dir, extraction.extract(open_run(model_dir), digits)


@pytest.fixture
def mnist_run(tmp_path):
    """A copy of a provided run, with a prior, a calibration and evaluations."""
    pretrained.copy_to_run_dir("mnist", str(tmp_path / "run"))
    shutil.copytree(os.path.join(pretrained.folder("mnist"), "eval"), str(tmp_path / "run" / "eval"))
    return tmp_path / "run"


@pytest.fixture(scope="session")
def mnist_model():
    """The provided model of MNIST, opened."""
    with pretrained.load("mnist") as opened:
        yield opened


@pytest.fixture(scope="session")
def noise_folder(tmp_path_factory):
    """90 recordings of noise by two speakers, some outside of the folders of the speakers, and other files."""
    folder = tmp_path_factory.mktemp("voices")
    for i in range(90):
        name = ("eve/%02d.wav", "dan/deep/%02d.FLAC", "%02d.wav")[i % 3] % i
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        save_sound(folder / name, noise(i, 300 + 7 * i), 8000, "PCM_16", "FLAC" if name.endswith("FLAC") else "WAV")
    (folder / "readme.txt").write_text("voices")
    (folder / "eve" / ".hidden.wav").write_bytes(b"")
    return folder


@pytest.fixture(scope="session")
def noise_cache(tmp_path_factory):
    """The cache folder of `noise_source`."""
    return tmp_path_factory.mktemp("speech_cache")


@pytest.fixture(scope="session")
def noise_source(noise_folder, noise_cache):
    """The recordings in `noise_folder`, a SpeechSource."""
    return own(noise_folder, noise_cache)
