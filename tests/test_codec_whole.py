"""Images that are not the model's size, under a local decoder: coded without tiles, at the bits of the evaluation."""

import os

import numpy as np
import pytest
from hypothesis import given
from PIL import Image

from helpers.codec_runs import images, write_run
from helpers.hostile import damaged, refused, write
from helpers.vqz_files import altered, decompressed, packed, parts
from vq_estimator.errors import VQError
from vq_estimator.inference import any_size, codec, evaluation, original_size
from vq_estimator.inference.codec import images as images_lib
from vq_estimator.inference.codec import whole
from vq_estimator.inference.image_model import ImageModel
from vq_estimator.inference.session import open_run
from vq_estimator.nn.decoders.base import centred

LOCAL = dict(decoder="local", decoder_reach=2, decoder_layers=1, decoder_channels=8, decoder_condition_channels=8)
LOCAL.update(likelihood="logistic_mixture", components=3, L=2, hidden_channels=(8, 8))
LOCAL.update(decoder_contrasts=True, decoder_residual_coupling=True)
SIZES = [(13, 21), (1, 1), (30, 9), (5, 40)]


def moderate(name, shape, weights):
    """Weights whose likelihoods are near enough to the pixels that no table is at its limit."""
    del shape
    return 0.01 * weights if "outputs_w" in name or "direct_w" in name else weights


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "run"
    return codec.open_run(write_run(folder, "cifar10", 3, values=moderate, **LOCAL))


@pytest.fixture(scope="module")
def pixels():
    return [images(1, 48, 3, seed)[0, :h, :w].copy() for seed, (h, w) in enumerate(SIZES)]


@pytest.fixture(scope="module")
def content(run, pixels, tmp_path_factory):
    """The bytes of a file of these images."""
    path = str(tmp_path_factory.mktemp("whole") / "x.vqz")
    codec.compress(run, pixels, path, prior="uniform", verify=False, workers=1)
    with open(path, "rb") as f:
        return f.read()


def test_images_of_other_sizes_have_a_chunk_each(run, pixels, content, tmp_path):
    version, header, _, entries, _ = parts(content)
    assert version == 3 and header["layout"] == "whole" and header["batch"] == 1 and len(entries) == len(SIZES)
    for a, b in zip(decompressed(run, write(tmp_path / "x.vqz", content)), pixels):
        np.testing.assert_array_equal(a, b)


def test_the_learned_prior_codes_a_map_of_any_size(run, pixels, tmp_path):
    path = str(tmp_path / "x.vqz")
    assert codec.compress(run, pixels, path, prior="learned", batch=7, workers=2).prior == "learned"
    for a, b in zip(decompressed(run, path), pixels):
        np.testing.assert_array_equal(a, b)


def test_images_of_the_models_size_are_tiles_as_before(run, tmp_path):
    path = str(tmp_path / "x.vqz")
    codec.compress(run, images(3, 8, 3), path, prior="uniform", verify=False)
    with open(path, "rb") as f:
        version, header, _, entries, _ = parts(f.read())
    assert version == 2 and "layout" not in header and len(entries) == 1


def test_a_large_image_is_cut(run, pixels, tmp_path, monkeypatch):
    monkeypatch.setattr(whole, "LARGEST", 16)
    path = str(tmp_path / "x.vqz")
    codec.compress(run, pixels, path, prior="uniform", verify=False)
    assert len(codec.read(path).entries) == 2 + 1 + 2 + 3
    data = bytearray(open(path, "rb").read())
    data[codec.read(path).starts[1]] ^= 1  # the second part of the first image
    found = codec.decompress(run, write(tmp_path / "x.vqz", data), keep_going=True)
    assert found.lost == [0]
    np.testing.assert_array_equal(found.images[3], pixels[3])


def test_the_file_has_the_bits_of_the_evaluation(run, tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    x = [images(1, 64, 3, seed)[0, :, :40] for seed in range(2)]
    for number, image in enumerate(x):
        Image.fromarray(image).save(str(folder / f"{number}.png"))
    done = codec.compress(run, x, str(tmp_path / "x.vqz"), prior="unigram", verify=False)
    model_dir = os.path.dirname(os.path.dirname(run.checkpoint.path + "/x"))
    with ImageModel(model_dir) as model:
        examples = original_size.of_images(images_lib.of_folder(str(folder), 3), str(folder))
        result = original_size.evaluate(model, examples, model.calibrated())
    bits = result["bits_per_dim"]["total_unigram"] * done.dims
    assert result["dims_per_example"] == 64 * 40 * 3 and result["examples"] == 2
    assert "bits/dim, total" in evaluation.table([result], run.config.model.unit)
    assert abs(8 * (done.bytes - done.header) - bits) < 0.001 * bits + 8 * 8 * 2  # a chunk ends with up to two words


def test_it_equals_the_teacher_forced_pass(run):
    x = images(1, 8, 3, 4)
    with open_run(os.path.dirname(run.checkpoint.path)) as opened:
        t = opened.connect()
        want = opened.session.run(opened.op("log_p", lambda: t.likelihood.log_prob(t.images)), {t.images: x})
        ((_, measured),) = original_size.measure(opened, original_size.of_images(images_lib.of_arrays(x, 3), "x"))
    np.testing.assert_allclose(measured.nats, -want, rtol=1e-5)


def test_levels_are_scaled_as_in_the_graph():
    import tensorflow.compat.v1 as tf

    levels = np.arange(256, dtype=np.uint8)
    with tf.Graph().as_default(), tf.Session() as session:
        np.testing.assert_array_equal(any_size.scaled(levels), session.run(centred(tf.constant(levels))))


def test_60_altered_files_are_refused(run, pixels, content, tmp_path):
    path = str(tmp_path / "x.vqz")

    @altered(60)
    @given(damaged(content))
    def check(data):
        bad, found = refused(decompressed, run, write(path, data))
        if not bad:
            for a, b in zip(found, pixels):
                np.testing.assert_array_equal(a, b)

    check()


@pytest.mark.parametrize("change", [dict(layout="tiles"), dict(batch=2), dict(decoder="factorised"), dict(layout=3)])
def test_a_wrong_layout_is_refused(run, content, tmp_path, change):
    version, header, index, entries, rest = parts(content)
    path = write(tmp_path / "x.vqz", packed(version, dict(header, **change), index, entries, rest))
    with pytest.raises(VQError, match="its header has an invalid layout"):
        codec.decompress(run, path)


def test_other_decoders_have_no_own_sizes(tmp_path):
    with open_run(write_run(tmp_path / "run")) as opened:
        with pytest.raises(VQError, match="original_size: got a model with decoder=factorised, expected a model with"):
            original_size.check(opened.config.model)
