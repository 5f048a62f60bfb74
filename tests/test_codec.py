"""The codec restores images at the model's bits, under each decoder, likelihood, quantizer and prior."""

import json
import os
import shutil
import zlib

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from PIL import Image

from helpers.codec_runs import images, write_run
from helpers.marks import slow
from vq_estimator.errors import VQError
from vq_estimator.inference import codec
from vq_estimator.inference.codec import chunk_workers, network
from vq_estimator.inference.codec import images as images_lib
from vq_estimator.inference.codec.chunk import Chunk
from vq_estimator.inference.image_model import ImageModel

SMALL = dict(decoder="autoregressive", decoder_layers=1, decoder_channels=8, decoder_condition_channels=8)
RESIDUAL = dict(dataset="cifar10", quantizer="residual", L=3)
LOCAL = dict(decoder="local", decoder_reach=2, decoder_layers=1, decoder_channels=8, decoder_condition_channels=8)
# Settings of the run, classes of its prior, and the prior that codes are under.
CASES = {
    "mse": (dict(), None, "unigram"),
    "mse, learned": (dict(), 0, "learned"),
    "mse, classes": (dict(), 3, "learned"),
    "gaussian": (dict(likelihood="gaussian", objective="elbo"), None, "uniform"),
    "logistic": (dict(likelihood="logistic", objective="elbo", L=2), 2, "learned"),
    "mixture": (dict(dataset="cifar10", likelihood="logistic_mixture", components=2), None, "unigram"),
    "categorical": (dict(dataset="cifar10", likelihood="categorical", quantizer="residual", L=3), None, "unigram"),
    "categorical, learned": (
        dict(dataset="cifar10", likelihood="categorical", quantizer="residual", L=3),
        0,
        "learned",
    ),
    "bernoulli": (dict(likelihood="bernoulli", binarize=True), None, "uniform"),
    "fsq": (dict(quantizer="fsq", levels=(3, 3), K=None, D=2), None, "unigram"),
    "one code": (dict(K=1), None, "uniform"),
    "autoregressive": (dict(SMALL, dataset="cifar10", likelihood="logistic_mixture", L=2), 3, "learned"),
    "autoregressive, residual": (dict(SMALL, decoder_kind="residual", likelihood="logistic"), None, "unigram"),
    "autoregressive, categorical": (dict(SMALL, likelihood="categorical", quantizer="residual", L=2), 0, "learned"),
    "local": (dict(LOCAL, dataset="cifar10", likelihood="logistic_mixture", components=3, L=2), 3, "learned"),
    "local, grey": (dict(LOCAL, likelihood="logistic_mixture", image_size="8x16"), None, "unigram"),
    "local, categorical": (dict(LOCAL, likelihood="categorical", decoder_embedded_neighbours=3), None, "uniform"),
    "local, bernoulli": (dict(LOCAL, likelihood="bernoulli", binarize=True), None, "uniform"),
    "autoregressive, bernoulli": (dict(SMALL, likelihood="bernoulli", binarize=True), None, "uniform"),
}
SLOW = {"mse, classes", "gaussian", "logistic", "categorical, learned"}
SLOW |= {
    "local, categorical",
    "local, bernoulli",
    "autoregressive, residual",
    "autoregressive, categorical",
    "autoregressive, bernoulli",
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A function name -> (run directory, images [7, 8, 8, C], prior), made once."""
    folder, made = tmp_path_factory.mktemp("codec"), {}

    def find(name):
        if name not in made:
            settings, classes, prior = CASES[name]
            path = write_run(folder / str(len(made)), classes=classes, **settings)
            channels = 3 if settings.get("dataset") == "cifar10" else 1
            x = images(7, 8, channels, binary="binarize" in settings)
            made[name] = path, np.concatenate([x, x[::-1]], 2) if "image_size" in settings else x, prior
        return made[name]

    return find


@pytest.mark.parametrize("name", [slow(n) if n in SLOW else n for n in sorted(CASES)])
def test_images_come_back_and_cost_what_the_model_says(name, runs, tmp_path):
    run, x, prior = runs(name)
    path = str(tmp_path / "x.vqz")
    done = codec.compress(run, x, path, prior=prior, batch=3, workers=2, verify=False)
    assert (done.images, done.dims, done.bytes, done.prior) == (7, x.size, os.path.getsize(path), prior)
    found = codec.decompress(run, path)
    assert found.lost == [] and found.number == 7
    np.testing.assert_array_equal(np.stack(found.images), x)
    with ImageModel(run) as model:
        bits = model.bits_per_dim(x)
    rate = {"learned": bits.rate_prior, "unigram": bits.rate_unigram, "uniform": bits.rate_uniform}[prior]
    want = (bits.distortion + rate).sum() * x[0].size / 8
    # The end of each of the three streams is rounded to words. Of a table a level costs at most 24 bits, and untrained
    # models are surprised a lot: so it may be less than the likelihood says, but for that not more.
    bytes_of_code = done.bytes - done.header
    assert bytes_of_code <= want * 1.001 + 3 * 8, (bytes_of_code, want)
    surprised = (bits.distortion > 12).any()
    assert surprised or bytes_of_code >= want * 0.999 - 4, (bytes_of_code, want)


def test_a_file_does_not_depend_on_the_workers(runs, tmp_path):
    run, x, _ = runs("autoregressive")
    for workers in (1, 3):
        codec.compress(run, x[:5], str(tmp_path / f"{workers}.vqz"), batch=2, workers=workers, verify=False)
    one, three = ((tmp_path / f"{workers}.vqz").read_bytes() for workers in (1, 3))
    assert one == three


def test_a_model_can_be_given_and_the_best_prior_is_taken(runs, tmp_path):
    path = str(tmp_path / "x.vqz")
    for name, best in (("mse", "unigram"), ("mse, learned", "learned")):
        run, x, _ = runs(name)
        with ImageModel(run) as model:
            assert codec.compress(model, x, path).prior == best
            np.testing.assert_array_equal(np.stack(codec.decompress(model, path).images), x)
    run, x, _ = runs("mse")
    with pytest.raises(
        VQError, match="prior: got 'learned', which the run does not have; train it with vq-train-prior"
    ):
        codec.compress(run, x, path, prior="learned")
    with pytest.raises(VQError, match="prior: got 'best', expected one of auto, learned, unigram, uniform"):
        codec.compress(run, x, path, prior="best")


@pytest.mark.parametrize("name", [slow("autoregressive"), slow("categorical, learned"), "mixture"])
def test_images_of_other_sizes_are_tiled(name, runs, tmp_path):
    run, _, _ = runs(name)
    rng = np.random.RandomState(0)
    x = [
        rng.randint(0, 256, (h, w, 3)).astype(np.uint8) for h, w in ((8, 8), (1, 1), (3, 20), (17, 9), (8, 16), (9, 2))
    ]
    path = str(tmp_path / "x.vqz")
    done = codec.compress(run, x, path, batch=4, verify=False)
    assert done.dims == sum(a.size for a in x) and len(codec.read(path).entries) == 4  # of 14 tiles
    found = codec.decompress(run, path).images
    assert len(found) == len(x)
    for a, b in zip(found, x):
        np.testing.assert_array_equal(a, b)
    same = rng.randint(0, 256, (3, 11, 5, 3)).astype(np.uint8)
    codec.compress(run, same, path, verify=False)
    codec.decompress(run, path, str(tmp_path / "x.npy"))
    np.testing.assert_array_equal(np.load(str(tmp_path / "x.npy")), same)


def test_what_is_beyond_an_image_costs_nothing(runs, tmp_path):
    run, _, _ = runs("autoregressive")
    x, path = images(1, 8, 3), str(tmp_path / "x.vqz")
    whole = codec.compress(run, x, path, verify=False)
    corner = codec.compress(run, np.ascontiguousarray(x[:, :1, :1]), path, verify=False)
    assert corner.bytes - corner.header < (whole.bytes - whole.header) / 3


def test_a_folder(runs, tmp_path, caplog):
    run, _, _ = runs("mixture")
    rng, folder = np.random.RandomState(0), tmp_path / "in"
    (folder / "deep" / "er").mkdir(parents=True)
    x = {}
    for name, shape in {"b.png": (9, 4, 3), "deep/a.png": (8, 8, 3), "deep/er/grey.PNG": (5, 6)}.items():
        x[name] = rng.randint(0, 256, shape).astype(np.uint8)
        Image.fromarray(x[name]).save(str(folder / name))
    Image.fromarray(x["b.png"]).save(str(folder / "deep" / "photo.jpg"), quality=50)
    Image.fromarray(rng.randint(0, 256, (4, 4, 4)).astype(np.uint8)).save(str(folder / "clear.png"))
    (folder / "clear\\.png").write_bytes((folder / "b.png").read_bytes())
    with pytest.raises(VQError, match="^input: "):
        images_lib.of_folder(str(folder), 3, max_bad_files=1)
    os.remove(str(folder / "clear\\.png"))
    with pytest.raises(VQError, match=r"input: clear.png: can't be compressed: it has transparency"):
        images_lib.of_folder(str(folder), 3)
    given = images_lib.of_folder(str(folder), 3, max_bad_files=1)
    assert "clear.png can't be compressed and is left out" in caplog.text
    path, out = str(tmp_path / "x.vqz"), tmp_path / "out"
    codec.compress(run, given, path, verify=False)
    codec.decompress(run, path, str(out))
    names = ["b.png", "deep/a.png", "deep/er/grey.png", "deep/photo.png"]
    assert sorted(str(p.relative_to(out)) for p in out.rglob("*.png")) == names

    def levels(p):
        with Image.open(str(p)) as picture:
            return np.asarray(picture.convert("RGB"))

    for name in ("b.png", "deep/a.png"):
        np.testing.assert_array_equal(levels(out / name), x[name])
    np.testing.assert_array_equal(levels(out / "deep/er/grey.png"), levels(folder / "deep/er/grey.PNG"))
    np.testing.assert_array_equal(levels(out / "deep/photo.png"), levels(folder / "deep/photo.jpg"))
    with pytest.raises(VQError, match="out: .* exists; give the name of a folder to make"):
        codec.decompress(run, path, str(out))
    with pytest.raises(VQError, match=r"out: got .*x.npy' for images of different sizes"):
        codec.decompress(run, path, str(tmp_path / "x.npy"))
    with pytest.raises(VQError, match=r"out: got .*x.png' for 4 images"):
        codec.decompress(run, path, str(tmp_path / "x.png"))
    codec.compress(run, images_lib.of_files(str(folder), ["b.png"], 3), path)
    codec.decompress(run, path, str(tmp_path / "one.png"))
    np.testing.assert_array_equal(levels(tmp_path / "one.png"), x["b.png"])


def test_a_split(digits, tmp_path):
    run = write_run(tmp_path / "run")
    given = images_lib.of_split(codec.open_run(run).config, digits, "test")
    x = np.stack(list(given.each))
    assert (given.number, given.size) == (500, (8, 8)) and x.shape == (500, 8, 8, 1)
    given = images_lib.of_split(codec.open_run(run).config, digits, "test")
    done = codec.compress(run, given, str(tmp_path / "x.vqz"))
    assert len(codec.read(str(tmp_path / "x.vqz")).entries) == 3 and done.images == 500
    np.testing.assert_array_equal(np.stack(codec.decompress(run, str(tmp_path / "x.vqz")).images), x)


def test_what_does_not_fit_is_one_line(runs, tmp_path):
    run, x, _ = runs("mse")
    path = str(tmp_path / "x.vqz")
    for bad, message in (
        (x.astype(np.float32), r"input: got float32 \[7, 8, 8, 1\], expected uint8 \[N, H, W, 1\]"),
        (x[..., 0], r"input: got uint8 \[7, 8, 8\]"),
        (x[:0], r"input: got uint8 \[0, 8, 8, 1\]"),
        ([], "input: got no image"),
        ([x[0], x], r"input: got uint8 \[7, 8, 8, 1\] in the list, expected uint8 \[H, W, 1\]"),
        (["x"], "input: got str in the list"),
    ):
        with pytest.raises(VQError, match=message):
            codec.compress(run, bad, path)
    with pytest.raises(VQError, match="batch: got 1000, expected 1 to 200"):
        codec.compress(run, x, path, batch=1000)
    with pytest.raises(VQError, match="workers: got 99, expected 1 to 8"):
        codec.compress(run, x, path, workers=99)
    binary, _, _ = runs("bernoulli")
    with pytest.raises(VQError, match=r"input: got an image \(number 0\) with levels between 0 and 255"):
        codec.compress(binary, x, path)
    plain = shutil.copytree(run, str(tmp_path / "plain"))
    shutil.rmtree(os.path.join(plain, "calibration"))
    with pytest.raises(VQError, match="calibration: the run has none for this checkpoint; evaluate it"):
        codec.compress(plain, x, path)
    assert os.listdir(str(tmp_path)) == ["plain"]


def test_a_large_codebook_is_refused(tmp_path):
    run = write_run(tmp_path / "run", K=70000, D=4)
    with pytest.raises(VQError, match="codec: got a codebook of 70000 entries, expected at most 65536"):
        codec.compress(run, images(1, 8, 1), str(tmp_path / "x.vqz"))


def test_another_model_is_refused(runs, tmp_path):
    run, x, _ = runs("mse, learned")
    path = str(tmp_path / "x.vqz")
    codec.compress(run, x, path)
    with pytest.raises(
        VQError, match="got a run with the weights .{12}, expected .{12}; use the run that made the file"
    ):
        codec.decompress(runs("gaussian")[0], path)
    other = shutil.copytree(run, str(tmp_path / "other"))
    shutil.rmtree(os.path.join(other, "prior"))
    with pytest.raises(VQError, match="can't be decoded with this run: prior: got 'learned'"):
        codec.decompress(other, path)
    with open(os.path.join(other, "config.json"), encoding="utf-8") as f:
        config = json.load(f)
    config["model"]["precision"] = "bfloat16"
    codec.compress(other, x, path, prior="uniform")
    with open(os.path.join(other, "config.json"), "w", encoding="utf-8") as f:
        json.dump(config, f)
    with pytest.raises(VQError, match="got precision float32, expected bfloat16 as in the run"):
        codec.decompress(other, path)


@pytest.mark.parametrize("name", [slow("autoregressive"), "mse, learned"])
def test_floats_that_differ_here_are_one_line_and_no_pixels(name, runs, tmp_path, monkeypatch):
    run, x, _ = runs(name)
    path = str(tmp_path / "x.vqz")
    codec.compress(run, x, path)
    for method in ("_code_pixels", "code"):
        with monkeypatch.context() as m:
            right = getattr(Chunk, method)
            m.setattr(Chunk, method, lambda self, given, *rest, _f=right: _f(self, given * np.float32(1 + 1e-5), *rest))
            m.setattr(network.Network, "arithmetic", lambda self: {"tensorflow": "9.9", "precision": "float32"})
            with pytest.raises(
                VQError, match="chunk 0 of 1 was encoded with probabilities that differ .*; here .*tensorflow 9.9"
            ):
                codec.decompress(run, path, str(tmp_path / "out.npy"))
            assert os.listdir(str(tmp_path)) == ["x.vqz"]


def test_a_file_that_is_not_decoded_to_the_same_gets_no_name(runs, tmp_path, monkeypatch):
    run, x, _ = runs("mse")
    path = str(tmp_path / "x.vqz")
    monkeypatch.setattr(chunk_workers, "decode_symbols", lambda *given: (None, np.zeros_like(x)))
    with pytest.raises(VQError, match="decoded to pixels that differ"):
        codec.compress(run, x, path)
    assert os.listdir(str(tmp_path)) == []
    codec.compress(run, x, path, verify=False)
    assert os.listdir(str(tmp_path)) == ["x.vqz"]


def test_an_interrupted_write_leaves_nothing(runs, tmp_path):
    run, x, _ = runs("mixture")

    def each():
        yield from x[:3]
        raise KeyboardInterrupt

    given = images_lib.of_arrays(x, 3)._replace(each=each())
    with pytest.raises(KeyboardInterrupt):
        codec.compress(run, given, str(tmp_path / "x.vqz"), batch=1)
    assert os.listdir(str(tmp_path)) == []


def test_weights_that_are_no_numbers_are_one_line(tmp_path):
    run = write_run(tmp_path / "run", values=lambda name, shape, w: w * np.nan if "decoder" in name else w)
    with pytest.raises(VQError, match="checkpoint: got likelihoods that are NaN"):
        codec.compress(run, images(2, 8, 1), str(tmp_path / "x.vqz"))
    assert not os.path.exists(str(tmp_path / "x.vqz"))


def test_steps_out_of_order_raise():
    chunk = Chunk(None, np.zeros([1, 2, 2, 1]), np.zeros([1, 8, 8, 1]), np.zeros([0, 2], int), np.zeros([0], int), None)
    chunk._in_order(0, 1)
    chunk._in_order(1, 0)
    with pytest.raises(AssertionError, match="step"):
        chunk._in_order(0, 7)


@pytest.mark.parametrize("functional", [False, slow(True)])
def test_the_kind_of_control_flow_does_not_matter(functional, runs, tmp_path):
    run, x, _ = runs("autoregressive")
    before = tf.control_flow_v2_enabled()
    (tf.enable_control_flow_v2 if functional else tf.disable_control_flow_v2)()
    try:
        codec.compress(run, x, str(tmp_path / "x.vqz"))
    finally:
        (tf.enable_control_flow_v2 if before else tf.disable_control_flow_v2)()
    np.testing.assert_array_equal(np.stack(codec.decompress(run, str(tmp_path / "x.vqz")).images), x)


def test_ranges():
    assert codec.ranges([3]) == "3" and codec.ranges([0, 1, 2, 5, 7, 8]) == "0 to 2, 5, 7 to 8"
    assert codec.ranges(list(range(0, 100, 2)), 2) == "0, 2 and 48 more ranges"


# The frozen file: see tests/data/codec/README.md.

FROZEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "codec")


RUNS = {"lossy": "factorised", "lossy_speech": "speech", "whole": "local"}  # files that other files' runs wrote


@pytest.mark.parametrize("name", ["factorised", "autoregressive", "local", "portable", "speech", *RUNS])
def test_a_frozen_file_is_still_decoded(name):
    run, path = os.path.join(FROZEN, RUNS.get(name, name)), os.path.join(FROZEN, name + ".vqz")
    found = codec.decompress(run, path)
    with open(os.path.join(FROZEN, "pixels.json"), encoding="utf-8") as f:
        want = json.load(f)[name]
    got = [[*image.shape, zlib.crc32(image.tobytes())] for image in found.images]
    assert got == want
