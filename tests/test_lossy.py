"""A lossy file has the codes under the prior and nothing else, and restores the model's reconstructions."""

import os
import shutil

import numpy as np
import pytest
from hypothesis import given
from PIL import Image

from helpers.codec_runs import images, sounds, write_run
from helpers.hostile import damaged, refused, write
from helpers.vqz_files import altered, check_lying_headers, packed, parts
from vq_estimator.errors import VQError
from vq_estimator.inference import codec, info
from vq_estimator.inference.codec import images as images_lib
from vq_estimator.inference.codec import recordings
from vq_estimator.inference.codec.coder import Sampler
from vq_estimator.inference.image_model import ImageModel
from vq_estimator.nn.likelihoods import cumulative

pytestmark = pytest.mark.once

RESIDUAL = dict(dataset="cifar10", likelihood="logistic_mixture", components=2, quantizer="residual", L=3)
DRAWS = dict(decoder_layers=1, decoder_channels=4, decoder_condition_channels=4, likelihood="logistic")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def grey(folder):
    """A run with the likelihood mse and a class-conditional prior."""
    return write_run(folder / "grey", classes=2)


@pytest.fixture(scope="module")
def colour(folder):
    """A run with three codes per position and no prior."""
    return write_run(folder / "colour", **RESIDUAL)


@pytest.fixture(scope="module")
def whole(grey, folder):
    """The bytes of a lossy file of four chunks."""
    path = str(folder / "whole.vqz")
    codec.compress(grey, images(11, 8, 1), path, batch=3, workers=1, lossy=True)
    with open(path, "rb") as f:
        return f.read()


def reconstructed(run, x):
    with ImageModel(run) as model:
        return model.decode(model.encode(x))


@pytest.mark.parametrize("name, prior", [("grey", "learned"), ("colour", "unigram"), ("colour", "uniform")])
def test_a_file_costs_the_rate_and_restores_the_reconstructions(name, prior, request, tmp_path):
    run, path = request.getfixturevalue(name), str(tmp_path / "x.vqz")
    x = images(7, 8, 1 if name == "grey" else 3)
    done = codec.compress(run, x, path, prior=prior, batch=3, workers=1, lossy=True)
    assert done.lossy and (done.images, done.dims, done.bytes, done.prior) == (7, x.size, os.path.getsize(path), prior)
    with ImageModel(run) as model:
        bits = model.bits_per_dim(x)
        want = model.decode(model.encode(x))
    rate = {"learned": bits.rate_prior, "unigram": bits.rate_unigram, "uniform": bits.rate_uniform}[prior]
    coded = (rate * x[0].size).sum() / 8
    assert coded * 0.999 - 4 <= done.bytes - done.header <= coded * 1.001 + 3 * 8  # three streams of whole words
    found = np.stack(codec.decompress(run, path, workers=1).images)
    assert np.abs(found.astype(int) - want).max() <= 1  # the batch has another size: sums may have another order


def test_the_header_is_small(whole):
    version, header, index, entries, _ = parts(whole)
    assert version == 3 and header["lossy"] is True and header["scale"] is None and index == b""
    assert len(whole) - sum(e[0] for e in entries) < 300  # 26 fixed, 16 per chunk, 80 hexadecimal digits


def test_a_folder_of_images_larger_than_the_model(colour, tmp_path):
    rng, source, out = np.random.RandomState(0), tmp_path / "in", tmp_path / "out"
    (source / "deep").mkdir(parents=True)
    x = {"a.png": rng.randint(0, 256, (8, 8, 3)), "deep/b.png": rng.randint(0, 256, (11, 19, 3))}
    for name, image in x.items():
        Image.fromarray(image.astype(np.uint8)).save(str(source / name))
    path = str(tmp_path / "x.vqz")
    codec.compress(colour, images_lib.of_folder(str(source), 3), path, batch=4, workers=2, lossy=True)
    codec.decompress(colour, path, str(out), workers=2)
    assert sorted(str(p.relative_to(out)) for p in out.rglob("*.png")) == sorted(x)
    for name, image in x.items():
        height, width = image.shape[:2]
        padded = np.pad(image, [(0, -height % 8), (0, -width % 8), (0, 0)], mode="edge").astype(np.uint8)
        h, w = padded.shape[0] // 8, padded.shape[1] // 8
        tiles = padded.reshape(h, 8, w, 8, 3).swapaxes(1, 2).reshape(-1, 8, 8, 3)
        want = reconstructed(colour, tiles).reshape(h, w, 8, 8, 3).swapaxes(1, 2).reshape(padded.shape)[:height, :width]
        with Image.open(str(out / name)) as found:
            assert np.abs(np.asarray(found).astype(int) - want).max() <= 1


def test_a_run_without_calibration(grey, tmp_path):
    """Codes under the uniform prior need neither the scale of mse nor the frequencies of codes."""
    run, path = shutil.copytree(grey, str(tmp_path / "run")), str(tmp_path / "x.vqz")
    shutil.rmtree(os.path.join(run, "calibration"))
    codec.compress(run, images(2, 8, 1), path, prior="uniform", lossy=True)
    assert codec.decompress(run, path).number == 2


@pytest.mark.parametrize("decoder", ["autoregressive", "local"])
def test_a_decoder_that_draws_images_is_refused(decoder, tmp_path):
    run, path = write_run(tmp_path / "run", decoder=decoder, **DRAWS), str(tmp_path / "x.vqz")
    with pytest.raises(VQError, match=f"^lossy: got a model with decoder={decoder}, expected .* factorised decoder"):
        codec.compress(run, images(1, 8, 1), path, lossy=True)
    assert os.listdir(str(tmp_path)) == ["run"]
    with pytest.raises(VQError, match="lossy: got 'yes', expected"):
        codec.compress(run, images(1, 8, 1), path, lossy="yes")


def test_recordings_are_draws_that_are_the_same_each_time(folder, tmp_path):
    def flat(name, shape, weights):
        return weights * (0.1 if "head_2" in name else 1.0)  # no level is likely enough to be all that is drawn

    run = codec.open_run(write_run(folder / "speech", "wav", classes=6, condition="both", L=2, values=flat))
    x, path = sounds((7, 64, 150)), str(tmp_path / "x.vqz")
    done = codec.compress(run, recordings.of_levels(x, run.config.model, "ben"), path, batch=2, workers=1, lossy=True)
    assert done.lossy and [item.speaker for item in codec.read(path).items] == [1, 1, 1]
    first, second = (codec.decompress(run, path, workers=workers).images for workers in (1, 2))
    assert [a.shape for a in first] == [a.shape for a in x]
    for a, b in zip(first, second):
        assert a.dtype == np.uint8 and (a == b).all()
    assert len(np.unique(first[2])) > 10  # a draw, not a constant
    lines = dict(info.describe(path, {}))
    assert "draws from the model" in lines["restores"] and "bits per second" in lines["rate"]


def test_a_sampler_draws_from_the_distribution():
    p = np.array([0.1, 0.0, 0.6, 0.3])
    below = np.repeat(cumulative.of_probabilities(p[:, np.newaxis]), 20000, 1)
    drawn = Sampler(3).code(below, np.zeros(20000, np.int32))
    assert drawn.dtype == np.int32 and (drawn == Sampler(3).code(below, drawn)).all()
    np.testing.assert_allclose(np.bincount(drawn, minlength=4) / 20000, p, atol=0.015)


def test_a_damaged_chunk_and_the_rest(whole, grey, tmp_path):
    content = bytearray(whole)
    content[-1] ^= 1
    path = write(tmp_path / "x.vqz", bytes(content))
    with pytest.raises(VQError, match="chunk 3 of 4 is damaged"):
        codec.decompress(grey, path)
    assert codec.decompress(grey, path, keep_going=True).lost == [9, 10]


def test_each_way_to_be_wrong_has_its_words(whole, grey, tmp_path):
    version, header, index, entries, rest = parts(whole)
    other = [list(e) for e in entries]
    other[1][3] ^= 1
    for content, message in (
        (packed(version, header, index, other, rest), "chunk 1 of 4 has other codes .wrong checksum."),
        (packed(1, header, index, entries, rest), "got a header of format version 3 in a file of version 1"),
        (packed(version, dict(header, lossy=1), index, entries, rest), "its header has an invalid entry 'lossy'"),
        (packed(version, dict(header, scale=2.0), index, entries, rest), "got scale 2.0 for a lossy file"),
        (packed(version, b"[" * (1 << 20), index, entries, rest), "its header is damaged"),
    ):
        with pytest.raises(VQError, match=message):
            codec.decompress(grey, write(tmp_path / "x.vqz", content))


def check_altered(whole, grey, path, count):
    run = codec.open_run(grey)

    @altered(count)
    @given(damaged(whole))
    def check(content):
        bad, found = refused(codec.decompress, run, write(path, content))
        assert bad or (content == whole and len(found.images) == 11)

    check()


def test_100_altered_files_are_refused(whole, grey, tmp_path):
    check_altered(whole, grey, str(tmp_path / "x.vqz"), 100)


@pytest.mark.slow
def test_5000_altered_files_are_refused(whole, grey, tmp_path):
    check_altered(whole, grey, str(tmp_path / "x.vqz"), 5000)


def test_a_header_that_lies_is_refused_or_harmless(whole, grey, tmp_path):
    check_lying_headers(whole, codec.open_run(grey), str(tmp_path / "x.vqz"), 12)


@pytest.mark.slow
def test_many_headers_that_lie(whole, grey, tmp_path):
    check_lying_headers(whole, codec.open_run(grey), str(tmp_path / "x.vqz"), 1000)


def test_the_commands(grey, tmp_path, forked):
    np.save(str(tmp_path / "x.npy"), images(3, 8, 1))
    run = f"--model_dir={grey}"
    done = forked.script("compress", run, "--input=x.npy", "--lossy", "--out=x.vqz", cwd=tmp_path)
    assert done.status == 0, done.stderr
    assert "lossy: it restores reconstructions, all decoded to the same codes" in done.stdout
    done = forked.script("decompress", run, "x.vqz", "--out=y.npy", cwd=tmp_path)
    assert done.status == 0 and "3 of 3 images in y.npy (lossy: reconstructions from the codes)" in done.stdout
    assert np.load(str(tmp_path / "y.npy")).shape == (3, 8, 8, 1)
    done = forked.script("info", "x.vqz", cwd=tmp_path)
    assert "lossy: reconstructions from the codes" in done.stdout and "bits per image" in done.stdout
    assert "codes of 8 for 8 x 8 pixels" in done.stdout
