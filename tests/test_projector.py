"""The codebook in TensorBoard's projector, read back by TensorBoard's own code."""

import csv
import json
import os

import numpy as np
import pytest
from google.protobuf import text_format
from PIL import Image
from tensorboard.plugins.projector import projector_plugin
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

from helpers.codec_runs import write_run
from helpers.marks import slow
from helpers.small_runs import overwrite_with, small_config
from vq_estimator import drawing
from vq_estimator.inference import exploration, projector
from vq_estimator.inference.calibration import Calibration, calibrate
from vq_estimator.inference.image_model import ImageModel
from vq_estimator.training import run_folder, trainer

pytestmark = pytest.mark.once


def embeddings(folder):
    with open(os.path.join(folder, "projector_config.pbtxt")) as f:
        return text_format.Parse(f.read(), ProjectorConfig()).embeddings


def shown(model_dir):
    """The embedding, its vectors and its metadata, as TensorBoard reads them."""
    (embedding,) = embeddings(model_dir)
    vectors = projector_plugin._read_tensor_tsv_file(os.path.join(model_dir, embedding.tensor_path))
    with open(os.path.join(model_dir, embedding.metadata_path)) as f:
        metadata = list(csv.DictReader(f, delimiter="\t"))
    assert list(embedding.tensor_shape) == list(vectors.shape) and len(metadata) == len(vectors)
    return embedding, vectors, metadata


def tiles(model_dir, embedding):
    """The images of the sprite, in its order."""
    side, other = embedding.sprite.single_image_dim
    assert side == other
    with Image.open(os.path.join(model_dir, embedding.sprite.image_path)) as picture:
        pixels = np.asarray(picture)
    rows, columns = pixels.shape[0] // side, pixels.shape[1] // side
    assert pixels.shape == (rows * side, columns * side) and max(pixels.shape) <= projector.MAX_PIXELS
    return pixels.reshape(rows, side, columns, side).swapaxes(1, 2).reshape(-1, side, side, 1)


RUNS = {
    "one codebook": dict(),
    "two codebooks": dict(preset="tuned", L=2),
    "residual": dict(preset="tuned", quantizer="residual", L=2),
    "fsq, which has no codebook variable": dict(quantizer="fsq", K=None, D=None, levels="3,2", hidden_channels="4,8,8"),
    "one entry": dict(K=1),
}


def trained(source, folder, **settings):
    config = small_config(source, max_steps=20, **settings)
    trainer.train(config, source, folder)
    return config


@pytest.mark.parametrize("name", ["one codebook", *map(slow, sorted(set(RUNS) - {"one codebook"}))])
def test_every_entry_is_shown_with_its_use_and_image(name, digits, tmp_path):
    model_dir = str(tmp_path / "run")
    config = trained(digits, model_dir, **RUNS[name])
    model = ImageModel(model_dir)
    calibration = calibrate(model, digits)
    written = projector.write(model, calibration)
    assert written == os.path.join(model_dir, "projector_config.pbtxt")
    q = config.model.quantizer
    embedding, vectors, metadata = shown(model_dir)
    assert embedding.tensor_name == "codebook, step 20"
    entries = exploration.codebook_entries(model)
    np.testing.assert_array_equal(vectors, entries.reshape(q.L * q.K, q.D))
    assert list(metadata[0]) == ["entry", "codebook", "count", "share"]
    pictures = tiles(model_dir, embedding)
    maps = np.empty((q.L * q.K,) + config.model.grid, np.int32)
    maps[:] = calibration.counts.argmax(-1)
    for row, known in enumerate(metadata):
        entry, codebook = int(known["entry"]), int(known["codebook"])
        assert row == codebook * q.K + entry
        assert int(known["count"]) == calibration.counts[codebook, entry]
        assert float(known["share"]) == pytest.approx(calibration.usage()[codebook, entry], rel=1e-5)
        maps[row, :, :, codebook] = entry
    expected = model.decode(maps)
    np.testing.assert_array_equal(pictures[: len(maps)], expected)
    assert not [n for n in os.listdir(os.path.join(model_dir, "projector")) if n.startswith(".")]


def test_the_events_of_evaluations_show_the_same(small_run, digits):
    model, model_dir = ImageModel(small_run[1]), small_run[1]
    projector.write(model, calibrate(model, digits))
    (here,), (there,) = embeddings(model_dir), embeddings(os.path.join(model_dir, "eval_validation"))
    assert here.tensor_name == there.tensor_name
    for name in ("tensor_path", "metadata_path"):
        relative = os.path.join("eval_validation", getattr(there, name))
        assert os.path.normpath(relative) == getattr(here, name)


def test_8192_entries_fit(tmp_path):
    model_dir = write_run(tmp_path / "run", K=8192, image_size=24)
    projector.write(ImageModel(model_dir), Calibration(None, np.arange(8192).reshape(1, 8192)))
    embedding, vectors, metadata = shown(model_dir)
    assert vectors.shape == (8192, 16) and metadata[-1]["count"] == "8191"
    assert len(tiles(model_dir, embedding)) == 91 * 91  # 91 x 24 pixels


def test_many_entries_are_thinned_out_and_have_no_images(small_run, digits, tmp_path, monkeypatch):
    model, model_dir = ImageModel(small_run[1]), str(tmp_path)
    calibration, model.model_dir = calibrate(model, digits), model_dir
    projector.write(model, calibration)
    assert os.path.isfile(str(tmp_path / "projector" / "sprite.png"))
    monkeypatch.setattr(projector, "MAX_ENTRIES", 5)
    monkeypatch.setattr(projector, "MAX_IMAGES", 4)
    projector.write(model, calibration)
    embedding, vectors, metadata = shown(model_dir)
    assert [int(known["entry"]) for known in metadata] == [0, 2, 4, 5, 7]
    np.testing.assert_array_equal(vectors, exploration.codebook_entries(model)[0][[0, 2, 4, 5, 7]])
    assert not embedding.HasField("sprite")
    assert not os.path.exists(str(tmp_path / "projector" / "sprite.png"))  # that of before


def test_draws_have_no_images(autoregressive_run, digits, tmp_path, logged):
    model = ImageModel(autoregressive_run[1])
    calibration, model.model_dir = calibrate(model, digits), str(tmp_path)
    projector.write(model, calibration)
    embedding, vectors, _ = shown(str(tmp_path))
    assert vectors.shape == (16, 16) and not embedding.HasField("sprite")
    assert "projector: images are draws" in logged.text


def test_a_speech_run_is_not_said_to_lack_images(tones_model, tones_source, tmp_path, logged, monkeypatch):
    calibration = calibrate(tones_model, tones_source)
    monkeypatch.setattr(tones_model, "model_dir", str(tmp_path))
    projector.write(tones_model, calibration)
    embedding, _, _ = shown(str(tmp_path))
    assert not embedding.HasField("sprite") and "no pictures" not in logged.text


def test_a_sprite_that_is_too_large_is_made_smaller():
    images = np.random.RandomState(0).randint(0, 256, [10, 8, 8, 3]).astype(np.uint8)
    whole, size = drawing.sprite(images, 100)
    assert (whole.shape, size) == ((24, 32, 3), (8, 8))
    np.testing.assert_array_equal(whole[8:16, 16:24], images[6])
    small, size = drawing.sprite(images, 16)
    assert (small.shape, size) == ((12, 16, 3), (4, 4))
    means = images[6].reshape(4, 2, 4, 2, 3).mean((1, 3))
    assert np.abs(small[4:8, 8:12] - means).max() <= 1
    wide, size = drawing.sprite(np.tile(images, (1, 1, 2, 1)), 32)
    assert (wide.shape, size) == ((12, 32, 3), (8, 4))  # width and height


def test_overwrite_removes_it_with_the_run(small_run, digits, tmp_path):
    config, trained_dir = small_run
    model, model_dir = ImageModel(trained_dir), str(tmp_path / "run")
    run_folder.prepare(model_dir, config)
    calibration, model.model_dir = calibrate(model, digits), model_dir
    projector.write(model, calibration)
    overwrite_with(model_dir, config)
    assert os.listdir(model_dir) == ["config.json"]
    assert json.load(open(os.path.join(model_dir, "config.json")))["dataset_source"] == "mnist-5k"
