"""Portable files: they are read back, cost hardly more, and are refused for models that have no exact form."""

import numpy as np
import pytest

from helpers.codec_runs import images, write_run
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
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The path of each run."""
    folder = tmp_path_factory.mktemp("portable")
    return {name: write_run(folder / name, hidden_channels=(8, 16), **settings) for name, settings in RUNS.items()}


def examples(name):
    return images(5, 8, 3 if name == "mixture" else 1)


@pytest.fixture(scope="module")
def files(runs, tmp_path_factory):
    """The path of a portable file of each run."""
    folder, made = tmp_path_factory.mktemp("files"), {}
    for name, run in runs.items():
        made[name] = str(folder / (name + ".vqz"))
        codec.compress(run, examples(name), made[name], batch=3, workers=2, portable=True, verify=False)
    return made


@pytest.mark.parametrize("name", sorted(RUNS))
def test_a_portable_file_is_read_back_at_the_same_size(name, runs, files, tmp_path):
    x = examples(name)
    np.testing.assert_array_equal(np.stack(codec.decompress(runs[name], files[name], workers=1).images), x)
    other = codec.compress(runs[name], x, str(tmp_path / "x.vqz"), prior="unigram", batch=3, verify=False)
    file = codec.read(files[name])
    assert file.header.portable and file.header.version == 3 and file.header.prior == "unigram"
    assert file.size - file.overhead <= 1.005 * (other.bytes - other.header) + 16
    assert ", portable" in dict(info.describe_compressed(files[name], {}))["coded with"]


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
        (dict(decoder="local"), "its header has an invalid entry 'exponents'"),
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
        (("cifar10", "local"), "decoder=local, expected decoder=factorised; others have no exact form"),
        (("cifar10", "autoregressive"), "decoder=autoregressive, expected decoder=factorised"),
        (("fsdd", None), "decoder=wavenet, expected decoder=factorised"),
        (("mnist", "tuned", "bfloat16"), "precision=bfloat16, expected precision=float32"),
    ],
)
def test_a_model_without_an_exact_form(settings, message):
    dataset, preset, *precision = settings
    given = dict(precision=precision[0]) if precision else {}
    config = make_config(dataset, preset, **given) if preset else make_config(dataset)
    with pytest.raises(VQError, match="portable: got a model with " + message):
        portable.check(config.model)
