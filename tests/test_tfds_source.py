"""Data sets of TensorFlow Datasets: splits, images, labels and errors, if the extra `tfds` is installed."""

import json
import os
import sys

import numpy as np
import pytest

from vq_estimator.data import arrays, tfds_source
from vq_estimator.data.model_view import View, Viewer
from vq_estimator.data.tfds_source import Wanted
from vq_estimator.errors import VQError

NAME = "tfds:vq_small/"


def test_a_missing_extra_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    want = r"dataset: got tfds:mnist without TensorFlow Datasets \(.*\), expected the extra 'tfds': pip install '\.\["
    with pytest.raises(VQError, match=want):
        tfds_source.locate("tfds:mnist", None, str(tmp_path), Wanted((8, 8, 1)))
    with pytest.raises(VQError, match=want):
        tfds_source.own_size("tfds:mnist", None)


@pytest.fixture(scope="module")
def builder():
    pytest.importorskip("tensorflow_datasets", reason="the extra `tfds` is not installed")
    from helpers import tfds_builder

    return tfds_builder


@pytest.fixture(scope="module")
def data_dir(builder, tmp_path_factory):
    return str(tmp_path_factory.mktemp("tfds"))


def locate(name, data_dir, folder, shape=(8, 12, 3), **given):
    return tfds_source.locate(NAME + name, data_dir, str(folder / "cache"), Wanted(shape), **given)


def numbers(images, split, count, view):
    """Which of a split's images these are, as a model sees them."""
    from helpers.tfds_builder import image

    viewer = Viewer(view)
    known = [viewer(image(split, i, view.size != (8, 12))[np.newaxis])[0] for i in range(count)]
    viewer.close()
    return [next(i for i, one in enumerate(known) if (one == image).all()) for image in images]


@pytest.mark.parametrize("name, shape", [("flat", (8, 12, 3)), ("mixed", (8, 16, 3))])
def test_images_labels_and_splits(builder, data_dir, tmp_path, logged, name, shape):
    source = locate(name, data_dir, tmp_path, shape)
    assert source.name.startswith("tfds-") and source.class_names == ("even", "odd") and source.spec.shape == shape
    text = "18 for train, 2 for validation (the last training images), 4 for test; 2 classes; left out: extra"
    assert text in logged.text
    seen = []
    for split, count in (("train", 18), ("validation", 2), ("test", 4)):
        found = arrays.load(source, split, shape[:2])
        of = "test" if split == "test" else "train"
        which = numbers(found.images, of, builder.COUNTS[of], View(shape[:2], 3))
        assert len(which) == count and [i % 2 for i in which] == found.labels.tolist()
        seen += [(of, i) for i in which]
    assert len(set(seen)) == 24
    assert locate(name, data_dir, tmp_path, shape) == source  # from the cache
    with pytest.raises(VQError, match=f"with {source.name}, expected tfds-000000000000, the run's own images"):
        locate(name, data_dir, tmp_path, shape, source="tfds-000000000000")


def test_the_size_of_a_data_set_whose_images_have_one(builder, data_dir):
    assert tfds_source.own_size(NAME + "flat", data_dir) == {"image_size": (8, 12), "channels": 3}
    assert tfds_source.own_size(NAME + "mixed:1.0.0", data_dir) == {"channels": 3}


@pytest.mark.parametrize(
    "name, shape, message",
    [
        ("two", (8, 8, 3), "dataset: got tfds:vq_small/two with the images image, mask, expected one image"),
        ("text", (8, 8, 3), "dataset: got tfds:vq_small/text with no image among the features name, label, expected"),
        ("flat", (8, 8, 4), "channels: got 4, expected 3, as the images of tfds:vq_small/flat have"),
        (
            "none",
            (8, 8, 3),
            "dataset: tfds:vq_small/none is no data set of TensorFlow Datasets, nor prepared in",
        ),
        ("flat:9.9.9", (8, 8, 3), "dataset: tfds:vq_small/flat:9.9.9 is no data set of TensorFlow Datasets, nor prep"),
    ],
)
def test_what_can_not_be_used_is_one_line(builder, data_dir, tmp_path, name, shape, message):
    with pytest.raises(VQError, match=message) as error:
        locate(name, data_dir, tmp_path, shape)
    assert str(error.value).isprintable() and len(str(error.value)) < 400
    assert not os.path.exists(str(tmp_path / "cache"))


INFO = {
    "name": "mnist",
    "version": "3.0.1",
    "moduleName": "tensorflow_datasets.image_classification.mnist",
    "fileFormat": "tfrecord",
    "splits": [
        {"name": split, "shardLengths": ["20"], "numBytes": "100", "filepathTemplate": "{DATASET}-{SPLIT}"}
        for split in ("train", "validation")
    ],
}


def test_a_published_data_set_with_mock_data(builder, tmp_path):
    import tensorflow_datasets as tfds

    folder = tmp_path / "mnist" / "3.0.1"
    folder.mkdir(parents=True)
    (folder / "dataset_info.json").write_text(json.dumps(INFO))
    with tfds.testing.mock_data(num_examples=20, data_dir=str(tmp_path)):
        assert tfds_source.own_size("tfds:mnist", str(tmp_path)) == {"image_size": 28, "channels": 1}
        want = Wanted((24, 24, 1))
        source = tfds_source.locate("tfds:mnist:3.0.1", str(tmp_path), str(tmp_path / "cache"), want)
    assert source.classes == 10 and source.class_names == tuple("0123456789")
    assert [source.count(split) for split in ("train", "validation", "test")] == [18, 20, 2]
    images = arrays.load(source, "validation", 24).images  # noise, whose middle was cut out and shrunk
    assert images.shape == (20, 24, 24, 1) and 30 < images.std() < 90


def test_commands_on_a_data_set(builder, data_dir, forked, tmp_path):
    import tensorflow_datasets as tfds

    tfds.builder("vq_small/flat", data_dir=data_dir).download_and_prepare()
    given = ["--dataset=tfds:vq_small/flat", "--data_dir=" + data_dir]
    done = forked.script("make_tfrecords", *given, "--out=shards", "--shards=1", cwd=tmp_path)
    assert done.status == 0 and "18 of train in 1, 2 of validation in 1, 4 of test in 1" in done.stdout, done.stderr
    assert "--image_size=8x12 --channels=3" in done.stdout
    done = forked.script("encode", "--pretrained=cifar10", given[1], "--input=tfds:vq_small/flat:test", cwd=tmp_path)
    assert (done.status, done.stdout) == (0, "4 images as 8 x 8 x 1 codes each in codes.npz\n"), done.stderr
    done = forked.script("train", *given, "--image_size=9", cwd=tmp_path)
    assert done.one_line("train").startswith("image_size: got 9, expected a multiple of 4")
