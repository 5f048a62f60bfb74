"""Images to files of codes and back: data sets, folders, arrays; files that do not fit are an error in one line."""

import json
import os

import numpy as np
import pytest
from PIL import Image

from vq_estimator.config import catalogue
from vq_estimator.errors import VQError
from vq_estimator.inference import code_files, image_inputs
from vq_estimator.inference.image_model import ImageModel


@pytest.fixture(scope="module")
def model(small_run):
    with ImageModel(small_run[1]) as opened:
        yield opened


def contents(path):
    with np.load(str(path)) as f:
        return {name: f[name] for name in f.files}


def test_a_split(model, digits, tmp_path):
    out = str(tmp_path / "codes.npz")
    assert code_files.encode(model, image_inputs.of_split(model, digits, "test"), out) == 500
    found = contents(out)
    assert found["codes"].shape == (500, 3, 3, 1) and found["codes"].dtype == np.uint16
    assert found["labels"].shape == (500,) and set(found["labels"]) == set(range(10))
    origin = json.loads(str(found["origin"]))
    assert origin["input"] == "mnist-5k:test" and origin["K"] == 8
    assert code_files.decode(model, code_files.load(model, out), str(tmp_path / "images.npy")) == 500
    images = np.load(str(tmp_path / "images.npy"))
    np.testing.assert_array_equal(images, model.decode(found["codes"]))
    code_files.decode(model, code_files.load(model, out), str(tmp_path / "all.png"))
    with Image.open(str(tmp_path / "all.png")) as picture:
        assert picture.size == (249, 1249)  # with lines between the images


def test_an_array(model, tmp_path):
    images = np.random.RandomState(0).randint(0, 256, (7, 28, 28, 1)).astype(np.uint8)
    np.save(str(tmp_path / "images.npy"), images)
    out = str(tmp_path / "codes.npz")
    assert code_files.encode(model, image_inputs.of_array(model, str(tmp_path / "images.npy")), out) == 7
    np.testing.assert_array_equal(contents(out)["codes"], model.encode(model.prepare(images)))


def test_a_folder(model, tmp_path, caplog):
    folder = tmp_path / "photographs"
    (folder / "a").mkdir(parents=True)
    (folder / "test").mkdir()
    rng = np.random.RandomState(1)
    for name in ("a/x.png", "test/y.png", "b.png"):  # encoding reads them all: it has neither classes nor splits
        Image.fromarray(rng.randint(0, 256, (24, 24)).astype(np.uint8)).save(str(folder / name))
    (folder / "a" / "bad.png").write_bytes(b"no picture")
    out = str(tmp_path / "codes.npz")
    assert code_files.encode(model, image_inputs.of_folder(model, str(folder)), out) == 3
    found = contents(out)
    assert found["files"].tolist() == ["a/x.png", "b.png", "test/y.png"]
    with Image.open(str(folder / "a" / "x.png")) as picture:
        first = np.asarray(picture)[np.newaxis, :, :, np.newaxis]
    np.testing.assert_array_equal(found["codes"][:1], model.encode(first))
    target = tmp_path / "decoded"
    assert code_files.decode(model, code_files.load(model, out), str(target)) == 3
    with Image.open(str(target / "a" / "x.png")) as picture:
        np.testing.assert_array_equal(np.asarray(picture), model.decode(found["codes"])[0, :, :, 0])
    with pytest.raises(VQError, match="out: .* exists"):
        code_files.decode(model, code_files.load(model, out), str(target))
    with pytest.raises(VQError, match="input: a/bad.png: can't be read: "):
        code_files.encode(model, image_inputs.of_folder(model, str(folder), max_bad_files=0), str(tmp_path / "no.npz"))
    assert not os.path.exists(str(tmp_path / "no.npz"))


def test_what_does_not_fit_is_one_line(model, digits, tmp_path):
    path = str(tmp_path / "images.npy")
    np.save(path, np.zeros([2, 24, 24, 2], np.uint8))
    with pytest.raises(
        VQError, match=r"input: .*images: got uint8 \[2, 24, 24, 2\], expected uint8 or uint16 \[N, H, W, C\]"
    ):
        image_inputs.of_array(model, path)
    with open(path, "wb") as f:
        f.write(b"no array")
    with pytest.raises(VQError, match="input: .* can't be read"):
        image_inputs.of_array(model, path)
    colour = digits._replace(spec=catalogue.CIFAR10)
    with pytest.raises(VQError, match="input: got cifar10 with 3 channels, expected 1"):
        image_inputs.of_split(model, colour, "test")
    with pytest.raises(VQError, match="codes: .* can't be read"):
        code_files.load(model, path)
    np.savez(str(tmp_path / "other.npz"), codes=np.zeros([1, 3, 3, 1], int), origin=json.dumps({"fingerprint": "ab"}))
    with pytest.raises(VQError, match="codes: got codes by the weights ab in .*: name the run that made them"):
        code_files.load(model, str(tmp_path / "other.npz"))
    np.save(str(tmp_path / "codes.npy"), np.full([1, 3, 3, 1], 8))
    for out in ("folder", "image.npy", "image.png"):
        with pytest.raises(VQError, match="codes: got 8 to 8, expected codes from 0 to 7"):
            code_files.decode(model, code_files.load(model, str(tmp_path / "codes.npy")), str(tmp_path / out))
        assert not os.path.exists(str(tmp_path / out))
