"""The codec restores images at the model's bits, under each decoder, likelihood, quantizer and prior."""

import json
import os
import zlib

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from PIL import Image

from helpers import codec_cases
from helpers.codec_runs import images, write_run
from helpers.marks import slow
from vq_estimator.errors import VQError
from vq_estimator.inference import codec
from vq_estimator.inference.codec import images as images_lib
from vq_estimator.inference.codec.chunk import Chunk
from vq_estimator.inference.image_model import ImageModel

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
    return codec_cases.maker(tmp_path_factory.mktemp("codec"))


@pytest.mark.parametrize("name", [slow(n) if n in SLOW else n for n in sorted(codec_cases.CASES)])
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


@pytest.mark.once
def test_a_split(digits, tmp_path):
    run = write_run(tmp_path / "run")
    given = images_lib.of_split(codec.open_run(run).config, digits, "test")
    x = np.stack(list(given.each))
    assert (given.number, given.size) == (500, (8, 8)) and x.shape == (500, 8, 8, 1)
    given = images_lib.of_split(codec.open_run(run).config, digits, "test")
    done = codec.compress(run, given, str(tmp_path / "x.vqz"))
    assert len(codec.read(str(tmp_path / "x.vqz")).entries) == 3 and done.images == 500
    np.testing.assert_array_equal(np.stack(codec.decompress(run, str(tmp_path / "x.vqz")).images), x)


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


NAMES = ("factorised", "autoregressive", "local", "portable", "portable_local", "speech")
RUNS = {"lossy": "factorised", "lossy_speech": "speech", "whole": "local"}  # files that other files' runs wrote


@pytest.mark.parametrize("name", [*NAMES, *RUNS])
def test_a_frozen_file_is_still_decoded(name):
    run, path = os.path.join(FROZEN, RUNS.get(name, name)), os.path.join(FROZEN, name + ".vqz")
    found = codec.decompress(run, path)
    with open(os.path.join(FROZEN, "pixels.json"), encoding="utf-8") as f:
        want = json.load(f)[name]
    got = [[*image.shape, zlib.crc32(image.tobytes())] for image in found.images]
    assert got == want
