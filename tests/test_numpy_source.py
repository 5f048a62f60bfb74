"""Arrays of images as a data set: splits, labels, the model's input, bad files, and every command."""

import pickle

import numpy as np
import pytest

from helpers.arrays import Writes, npy, npz
from helpers.batches import batches
from helpers.folders import everything_below
from helpers.hostile import write
from vq_estimator.config import SPLITS, DataConfig, make_config, with_data
from vq_estimator.data import arrays, image_arrays, numpy_source, pipeline, record_cache
from vq_estimator.data.model_view import View, Viewer
from vq_estimator.data.numpy_source import Wanted
from vq_estimator.errors import VQError
from vq_estimator.inference.image_model import ImageModel
from vq_estimator.inference.preparation import prepare
from vq_estimator.training import trainer

pytestmark = pytest.mark.once

rng = np.random.RandomState(0)
IMAGES = rng.randint(0, 256, (30, 8, 12, 4)).astype(np.uint8)
LABELS = rng.permutation(30) % 3
DEEP = rng.randint(1000, 1256, (20, 8, 8)).astype(np.uint16)  # [N, H, W]
SMALL = dict(K=4, D=8, hidden_channels=(8, 8), residual_blocks=0, batch_size=4, max_steps=2)


def locate(folder, content, name="x.npz", shape=(8, 12, 4), source=None, cache="auto", **given):
    path = write(folder / name, content) if content is not None else str(folder / name)
    return numpy_source.locate(path, str(folder / "cache"), Wanted(shape, **given), cache, source)


def read(source, split, size):
    examples = arrays.load(source, split, size)
    return examples.images, examples.labels.tolist()


def test_each_image_is_in_one_split_in_the_order_of_the_file(tmp_path, logged):
    source = locate(tmp_path, npy(IMAGES), "x.npy")
    assert source.name.startswith("npy-") and len(source.name) == 4 + 12 and source.in_memory
    assert (source.classes, source.class_names) == (0, ()) and source.spec.shape == (8, 12, 4)
    for split, part in (("train", IMAGES[:24]), ("test", IMAGES[24:27]), ("validation", IMAGES[27:])):
        images, labels = read(source, split, (8, 12))
        np.testing.assert_array_equal(images, part)
        assert labels == [0] * len(part) and source.count(split) == len(part)
    want = "24 for train, 3 for validation (the last training images), 3 for test (the training images before these)"
    assert f"uint8 [30, 8, 12, 4], {want}; no classes" in logged.text


def test_labels_and_class_names_of_an_archive(tmp_path):
    given = dict(images=IMAGES, labels=LABELS, class_names=np.array(["a", "b", "c", "d"]))
    source = locate(tmp_path, npz(**given))
    assert (source.classes, source.class_names) == (4, ("a", "b", "c", "d"))
    assert read(source, "train", (8, 12))[1] + read(source, "test", (8, 12))[1] == LABELS[:27].tolist()
    source = locate(tmp_path, npz(images=IMAGES, labels=LABELS.astype(np.uint8)))
    assert (source.classes, source.class_names) == (3, ())
    other = locate(tmp_path, npz(pictures=IMAGES, labels=LABELS), data=DataConfig(2, array="pictures"))
    assert other.name == source.name


def test_other_splits_may_have_files_of_their_own(tmp_path, logged):
    validation = write(tmp_path / "v.npy", npy(IMAGES[:5]))
    test = write(tmp_path / "t.npz", npz(images=IMAGES[5:7, :4, :6]))  # of another size
    source = locate(tmp_path, npy(IMAGES), validation=validation)
    np.testing.assert_array_equal(read(source, "validation", (8, 12))[0], IMAGES[:5])
    np.testing.assert_array_equal(read(source, "test", (8, 12))[0], IMAGES[27:])
    assert "27 for train, 5 for validation, 3 for test (the last training images)" in logged.text
    source = locate(tmp_path, npy(IMAGES), validation=validation, test=test)
    assert [source.count(split) for split in SPLITS] == [30, 5, 2]
    assert "2 of 37 images are smaller than 8x12 and were enlarged" in logged.text


def test_the_content_is_what_counts(tmp_path):
    source = locate(tmp_path, npy(IMAGES), "x.npy")
    assert locate(tmp_path, npz(images=IMAGES), "y.npz", source=source.name).name == source.name
    others = [IMAGES + (IMAGES == 7), IMAGES[:29], IMAGES[..., :1]]
    names = {locate(tmp_path, npy(x), "x.npy", (8, 12, x.shape[3])).name for x in others}
    names |= {locate(tmp_path, npy(IMAGES), "x.npy", validation=write(tmp_path / "v.npy", npy(IMAGES[27:]))).name}
    names |= {locate(tmp_path, npz(images=IMAGES, labels=LABELS)).name, source.name}
    assert len(names) == 6
    deep = [locate(tmp_path, npy(DEEP.astype(kind)), shape=(8, 8, 1)).name for kind in ("<u2", ">u2")]
    assert deep[0] == deep[1]
    with pytest.raises(VQError, match=f"with npy-.*, expected {source.name}, the run's own images .the same --valid"):
        locate(tmp_path, npy(others[0]), source=source.name)


def test_a_range_of_256_values_is_exact(tmp_path, logged):
    data = DataConfig(2, value_range=(1000, 1255))
    source = locate(tmp_path, npy(DEEP), shape=(8, 8, 1), data=data)
    np.testing.assert_array_equal(read(source, "train", 8)[0][..., 0], DEEP[:16] - 1000)
    source = locate(tmp_path, npy(DEEP), shape=(8, 8, 1))
    np.testing.assert_array_equal(read(source, "train", 8)[0][..., 0], DEEP[:16] >> 8)
    assert "only 2 of 256 levels; --value_range=" in logged.text


@pytest.mark.parametrize(
    "images, shape", [(IMAGES, (4, 8, 4)), (IMAGES, (8, 8, 3)), (DEEP[..., np.newaxis], (6, 4, 3))]
)
def test_another_size_is_seen_as_prepare_sees_it(tmp_path, images, shape):
    source = locate(tmp_path, npy(images), shape=shape)
    want = prepare(images, Viewer(View(shape[:2], shape[2])))
    np.testing.assert_array_equal(read(source, "train", shape[:2])[0], want[: source.count("train")])


def test_it_is_read_once_and_a_few_images_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(record_cache, "BYTES_AT_ONCE", 7 * IMAGES[0].nbytes)
    numbers, whole = [], image_arrays.ImageReader.read

    def spy(reader, number):
        numbers.append(number)
        return whole(reader, number)

    monkeypatch.setattr(image_arrays.ImageReader, "read", spy)
    source = locate(tmp_path, npy(IMAGES))
    assert numbers == [7] * 5
    assert locate(tmp_path, None) == source and len(numbers) == 5
    with open(source.paths[0][0], "r+b") as f:
        f.seek(100)
        f.write(b"damaged!")
    assert locate(tmp_path, None) == source and len(numbers) == 10


def test_memory_and_file_give_the_same_batches(tmp_path):
    memory, file = (locate(tmp_path, npz(images=IMAGES, labels=LABELS), cache=c) for c in ("memory", "tfrecord"))
    assert memory.in_memory and not file.in_memory

    def run(of, start, n):
        return batches(lambda: pipeline.training_dataset(of, (8, 12), 7, 5, start), n)

    for a, b in zip(run(memory, 2, 6), run(file, 0, 8)[2:]):
        np.testing.assert_array_equal(a["image"], b["image"])
        np.testing.assert_array_equal(a["label"], b["label"])


def test_images_that_are_sorted_by_class_have_a_warning(tmp_path, logged):
    locate(tmp_path, npz(images=IMAGES, labels=np.sort(LABELS)))
    assert "sorted by class, so test and validation will have other classes than train; shuffle" in logged.text


def objects(path):
    return np.array([Writes(str(path))] * 30, object)


WANT = r"expected uint8 or uint16 \[N, H, W, C\], or \[N, H, W\] of one channel"
BAD = {
    "float": (npy(IMAGES / np.float32(255)), r"got float32 \[30, 8, 12, 4\] in .* expected uint8: multiply values fr"),
    "nan": (npy(np.full([3, 4, 4], np.nan)), r"got float64 \[3, 4, 4\] in .*, expected uint8: multiply"),
    "int64": (npy(IMAGES.astype(np.int64)), r"got int64 \[30, 8, 12, 4\] in .*, " + WANT),
    "bool": (npy(IMAGES > 7), "got bool .*, " + WANT),
    "text": (npy(np.array([["a"]])), r"got <U1 \[1, 1\] in .*, " + WANT),
    "rank 2": (npy(IMAGES[0, 0]), r"got uint8 \[12, 4\] in .*, " + WANT),
    "rank 5": (npy(IMAGES[np.newaxis]), r"got uint8 \[1, 30, 8, 12, 4\] in .*, " + WANT),
    "rank 0": (npy(np.uint8(3)), r"got uint8 \[\] in .*, " + WANT),
    "empty": (npy(IMAGES[:0]), r"got uint8 \[0, 8, 12, 4\] in .*, " + WANT),
    "channels first": (npy(np.moveaxis(IMAGES, 3, 1)), r"the channels are last, as in np.moveaxis\(images, 1, -1\)"),
    "Fortran": (npy(np.asfortranarray(IMAGES)), r"it is in Fortran order, expected C order: save np.ascontig"),
    "truncated": (npy(IMAGES)[:-1], "can't be read as an array of images .it has 11519 bytes for an array of 11520"),
    "truncated npz": (npz(images=IMAGES)[:-40], "can't be read as an array of images .File is not a zip file"),
    "no file": (None, "can't be read .No such file or directory"),
    "no array": (b"none", "can't be read as an array of images .it is no NumPy array"),
    "nothing": (b"", "can't be read as an array of images .it is no NumPy array"),
    "pickle": (pickle.dumps(1), "can't be read as an array of images .it is no NumPy array"),
    "another name": (npz(x=IMAGES, y=IMAGES), "it has no array 'images', only x, y"),
    "too few": (npy(IMAGES[:2]), "got 2 images, expected 3 or more: at least one for train, test, validation"),
    "few labels": (npz(images=IMAGES, labels=LABELS[1:]), r"got labels int64 \[29\] in .*, expected integers \[30\]"),
    "float labels": (npz(images=IMAGES, labels=LABELS / 2.0), r"got labels float64 \[30\] in .*, expected integers"),
    "negative": (npz(images=IMAGES, labels=LABELS - 1), "from -1 to 1, expected 0 to 65,535"),
    "large labels": (npz(images=IMAGES, labels=LABELS + 65534), "from 65534 to 65536, expected 0 to 65,535"),
    "few names": (
        npz(images=IMAGES, labels=LABELS, class_names=np.array(["a"])),
        "got 1 class_names in .*, expec",
    ),
    "no names": (
        npz(images=IMAGES, labels=LABELS, class_names=LABELS[:3]),
        r"got class_names int64 \[3\] in .*",
    ),
}


@pytest.mark.parametrize("name", sorted(BAD))
def test_a_bad_file_is_one_line(tmp_path, name):
    content, message = BAD[name]
    with pytest.raises(VQError, match="^data_dir: .*" + message) as error:
        locate(tmp_path, content)
    assert str(error.value).isprintable()
    assert not [path for path in everything_below(tmp_path) if path.startswith("cache")]


def test_a_bad_file_of_a_split_is_named_by_its_flag(tmp_path):
    for split, content, message in (
        ("validation", npz(images=IMAGES), "got .* without labels, expected them, because .*x.npz' has them"),
        ("test", npy(IMAGES[..., 0]), "got 4, expected 1: '.*' has images of 1; only grey and colour are converted"),
        ("test", npy(IMAGES / 255.0), "got float64"),
    ):
        field = "channels" if "only grey" in message else split
        given = {split: write(tmp_path / "other.npz", content)}
        with pytest.raises(VQError, match=f"^{field}: {message}"):
            locate(tmp_path, npz(images=IMAGES, labels=LABELS), **given)


def test_no_pickle_is_ever_loaded(tmp_path):
    evil = objects(tmp_path / "evil")
    for content in (npy(evil), npz(images=evil), npz(images=IMAGES, labels=evil)):
        with pytest.raises(VQError, match="would be a pickle, which is not read"):
            locate(tmp_path, content)
    with pytest.raises(VQError, match="would be a pickle, which is not read"):
        locate(tmp_path, npz(images=IMAGES, labels=LABELS, class_names=np.array(["a", "b", "c"], object)))
    assert not (tmp_path / "evil").exists()


def test_an_archive_can_not_ask_for_memory(tmp_path):
    bomb = npz(images=np.zeros((1, 1 << 13, (1 << 13) + 1), np.uint8))
    assert len(bomb) < 100000
    with pytest.raises(VQError, match="expected at most 67,108,864 pixels per image"):
        locate(tmp_path, bomb, shape=(8, 8, 1))


def test_16_bit_grey_from_training_to_codes(tmp_path):
    given = dict(images=np.repeat(np.repeat(DEEP, 6, 1), 6, 2), labels=np.arange(20) % 2)
    path = write(tmp_path / "x.npz", npz(**given))
    config = make_config("npy", "tuned", value_range="1000,1255", **SMALL, **image_arrays.own_size(path))
    assert config.model.shape == (48, 48, 1) and config.data.value_range == (1000, 1255)
    source = numpy_source.locate(path, str(tmp_path / "cache"), Wanted(config.model.shape, config.data))
    model_dir = str(tmp_path / "run")
    assert trainer.train(with_data(config, source.name), source, model_dir).step == 2
    with ImageModel(model_dir) as model:
        seen = model.prepare(given["images"][..., np.newaxis])
        exact = (given["images"] - 1000).astype(np.uint8)[..., np.newaxis]
        np.testing.assert_array_equal(model.encode(seen), model.encode(exact))
