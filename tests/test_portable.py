"""Portable files: they are read back, cost hardly more, and are refused for models that have no exact form."""

import numpy as np
import pytest

from helpers.codec_runs import images, write_run
from helpers.marks import needs_bfloat16
from helpers.vqz_files import packed, parts
from vq_estimator.config import make_config
from vq_estimator.errors import VQError
from vq_estimator.inference import codec, info
from vq_estimator.inference.codec import portable

RUNS = {
    "mse": dict(classes=0, residual_blocks=1),
    "mixture": dict(
        dataset="cifar10", likelihood="logistic_mixture", components=2, quantizer="residual", L=3, linear_path=True
    ),
    "local": dict(
        dataset="cifar10",
        decoder="local",
        decoder_contrasts=True,
        decoder_residual_coupling=True,
        likelihood="logistic_mixture",
        components=2,
        precision="bfloat16",
    ),
    "levels": dict(decoder="local", decoder_embedded_neighbours=6, likelihood="categorical"),
}
SMALL = dict(decoder_layers=1, decoder_channels=8, decoder_condition_channels=4)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The path of each run."""
    folder = tmp_path_factory.mktemp("portable")
    made = {}
    for name, settings in RUNS.items():
        small = SMALL if "decoder" in settings else {}
        made[name] = write_run(folder / name, hidden_channels=(8, 16), **small, **settings)
    return made


def examples(name):
    return images(5, 8, 3 if "dataset" in RUNS[name] else 1)


@pytest.fixture(scope="module")
def files(runs, tmp_path_factory):
    """The path of a portable file of each run."""
    folder, made = tmp_path_factory.mktemp("files"), {}
    for name, run in runs.items():
        made[name] = str(folder / (name + ".vqz"))
        codec.compress(run, examples(name), made[name], batch=3, workers=2, portable=True, verify=False)
    return made


@pytest.mark.parametrize("name", sorted(RUNS))
def test_a_portable_file_is_read_back(name, runs, files):
    np.testing.assert_array_equal(np.stack(codec.decompress(runs[name], files[name], workers=1).images), examples(name))
    file = codec.read(files[name])
    assert file.header.portable and file.header.version == 3 and file.header.prior == "unigram"
    assert ", portable" in dict(info.describe_compressed(files[name], {}))["coded with"]


@pytest.mark.parametrize("name", ["levels", "mse", "mixture", pytest.param("local", marks=needs_bfloat16)])
def test_a_portable_file_has_the_size_of_an_ordinary_one(name, runs, files, tmp_path):
    file = codec.read(files[name])
    other = codec.compress(runs[name], examples(name), str(tmp_path / "x.vqz"), prior="unigram", batch=3, verify=False)
    assert file.size - file.overhead <= 1.005 * (other.bytes - other.header) + 16


@pytest.mark.parametrize("name", ["local", "levels"])
def test_a_portable_file_of_images_of_any_size(name, runs, tmp_path):
    path, channels = str(tmp_path / "x.vqz"), 3 if name == "local" else 1
    x = [images(1, 13, channels)[0, :, :9], images(1, 8, channels)[0]]
    codec.compress(runs[name], x, path, portable=True, verify=False)
    assert codec.read(path).header.layout == "whole"
    for got, want in zip(codec.decompress(runs[name], path).images, x):
        np.testing.assert_array_equal(got, want)


def test_a_file_with_other_exponents(runs, files, tmp_path):
    with open(files["mse"], "rb") as f:
        version, header, *rest = parts(f.read())
    exponents = header["exponents"]
    for changed, message in (
        (dict(exponents=exponents[:-1]), f"header: got {len(exponents) - 1} exponents, expected {len(exponents)}, one"),
        (dict(exponents=[n - 2 for n in exponents]), "was encoded with probabilities that differ"),
        (dict(exponents=[99] * len(exponents)), "its header has an invalid entry 'exponents'"),
        (dict(exponents="x"), "its header has an invalid entry 'exponents'"),
        (dict(prior="learned"), "its header has an invalid entry 'exponents'"),
        (dict(lossy=True), "its header has an invalid entry 'exponents'"),
        (dict(decoder="autoregressive"), "its header has an invalid entry 'exponents'"),
    ):
        path = tmp_path / "x.vqz"
        path.write_bytes(packed(version, dict(header, **changed), *rest))
        with pytest.raises(VQError, match=message):
            codec.decompress(runs["mse"], str(path))


def test_what_a_portable_file_cannot_have(runs, tmp_path):
    path = tmp_path / "x.vqz"
    for given, message in (
        (dict(prior="learned"), "prior: got 'learned' for a portable file, expected unigram or uniform"),
        (dict(lossy=True), "portable: got it together with lossy, expected only one of them"),
        (dict(portable=1), "portable: got 1"),
    ):
        with pytest.raises(VQError, match=message):
            codec.compress(runs["mse"], examples("mse"), str(path), **dict(dict(portable=True), **given))
    assert not path.exists()


@pytest.mark.parametrize(
    "settings, message",
    [
        (("cifar10", "autoregressive"), "decoder=autoregressive, expected decoder=factorised or decoder=local; others"),
        (("fsdd",), "decoder=wavenet, expected decoder=factorised or decoder=local"),
    ],
)
def test_a_model_without_an_exact_form(settings, message):
    config = make_config(*settings)
    with pytest.raises(VQError, match="portable: got a model with " + message):
        portable.check(config.model)
