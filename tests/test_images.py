"""Folders of a user's own images: what is found in them, what is made of each file, and the two ways to train on it."""

import json
import os
import shutil

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from PIL import Image

from helpers.batches import batches
from helpers.marks import slow
from helpers.noise_images import pixels, save
from vq_estimator.config import SPLITS, DataConfig, make_config
from vq_estimator.data import folder as folder_lib
from vq_estimator.data import images, pipeline, record_cache
from vq_estimator.data.images import Wanted
from vq_estimator.errors import VQError
from vq_estimator.inference import evaluation, sampling
from vq_estimator.inference.session import OpenRun
from vq_estimator.training import checkpoints, run_folder, trainer

WANT = Wanted((16, 16, 3), max_bad_files=2)


@pytest.fixture(scope="module")
def animals(tmp_path_factory):
    """120 noise images of 16 x 16 in three classes, among what is no image."""
    folder = tmp_path_factory.mktemp("animals")
    for i in range(120):
        save(folder / ("cat", "ant", "dog")[i % 3] / f"{i:03d}.png", pixels(i))
    (folder / "readme.txt").write_text("animals")
    (folder / ".hidden").mkdir()
    (folder / ".hidden" / "thumbnail.png").write_bytes(b"no image")
    (folder / "cat" / "._000.png").write_bytes(b"no image")
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return str(tmp_path_factory.mktemp("image_cache"))


@pytest.fixture(scope="module")
def source(animals, cache):
    return images.locate(str(animals), cache, WANT)


def names(source, split):
    with open(os.path.join(os.path.dirname(source.paths[0][0]), split + ".names"), "rb") as f:
        return [os.fsdecode(name) for name in f.read().split(b"\0")[:-1]]


def test_every_image_is_in_one_split_with_its_class(animals, source):
    spec = source.spec
    assert spec.class_names == ("ant", "cat", "dog") and spec.classes == 3 and spec.shape == (16, 16, 3)
    assert spec.name.startswith("images-") and len(spec.name) == 7 + 12
    seen = []
    for split in SPLITS:
        paths = names(source, split)
        (batch,) = batches(lambda split=split: pipeline.evaluation_dataset(source, split, (16, 16), 200), 1)
        assert len(paths) == len(batch["image"]) == pipeline.split_size(source, split) > 0
        for path, image, label in zip(paths, batch["image"], batch["label"]):
            np.testing.assert_array_equal(image, np.array(Image.open(str(animals / path))))
            assert spec.class_names[label] == path.split("/")[0]
        seen += paths
    assert len(seen) == len(set(seen)) == 120


def test_any_name_of_a_file_is_that_of_its_record(tmp_path):
    strange = [
        "a\nb.png",
        "c\r\n.png",
        "d\t,e.png",
        "f\u2028.png",
        " .png",
        os.fsdecode(b"\xff\xfe.png"),
        "'\".png",
        "train.png",
    ]
    for i, name in enumerate(strange):
        for split in SPLITS:
            save(tmp_path / "in" / split / "x\ny" / name, pixels(i))
            save(tmp_path / "in" / split / "z" / name, pixels(100 + i))
    source = images.locate(str(tmp_path / "in"), str(tmp_path / "cache"), WANT)
    assert source.spec.class_names == ("x\ny", "z")
    for split in SPLITS:
        paths = names(source, split)
        (batch,) = batches(lambda split=split: pipeline.evaluation_dataset(source, split, (16, 16), 200), 1)
        assert len(paths) == len(batch["image"]) == 2 * len(strange)
        for path, image, label in zip(paths, batch["image"], batch["label"]):
            np.testing.assert_array_equal(image, np.array(Image.open(str(tmp_path / "in" / path))))
            assert source.spec.class_names[label] == path.split("/")[1]


def test_a_data_dir_may_have_a_comma_in_its_name(tmp_path):
    for split in SPLITS:
        save(tmp_path / "a,b" / split / "1.png", pixels(1))
    assert images.locate(str(tmp_path / "a,b"), str(tmp_path / "cache"), WANT).spec.test == 1


def test_the_rules_are_part_of_the_cache(tmp_path):
    for i in range(240):
        save(tmp_path / "in" / ("Train", "Test")[i % 2] / f"{i}.png", pixels(i, 2, 2))
    old, new, hashed = (
        images.locate(str(tmp_path / "in"), str(tmp_path / "cache"), WANT._replace(data=DataConfig(**given)))
        for given in (dict(rules=1), dict(rules=2), dict(rules=2, splits="hash"))
    )
    assert old.spec.class_names == hashed.spec.class_names == ("Test", "Train") and new.spec.class_names == ()
    assert new.spec.test == 120 and {path.split("/")[0] for path in names(new, "test")} == {"Test"}
    assert {path.split("/")[0] for path in names(old, "test")} == {"Train", "Test"}
    assert len(os.listdir(str(tmp_path / "cache" / "images"))) == 3
    assert old.spec.name == hashed.spec.name != new.spec.name  # which is of the paths and contents


def test_a_split_is_stable_when_files_are_added(tmp_path):
    for i in range(400):
        (tmp_path / f"{i}.jpg").write_bytes(b"")
    before = {f.path: f.split for f in folder_lib.read(str(tmp_path)).files}
    for i in range(400, 500):
        (tmp_path / f"{i}.JPEG").write_bytes(b"")
    after = {f.path: f.split for f in folder_lib.read(str(tmp_path)).files}
    assert len(after) == 500 and all(after[path] == split for path, split in before.items())
    share = folder_lib.counts(folder_lib.read(str(tmp_path)).files, SPLITS)
    assert 10 <= share["validation"] <= 40 and 10 <= share["test"] <= 40 and share["train"] >= 420


def test_folders_say_the_splits_and_what_is_beside_them_is_left_out(tmp_path, warnings):
    for name in ("train/b/1.png", "train/a/x/2.PNG", "val/a/3.jpg", "test/c/4.png", "5.png", "train/6.png"):
        save(tmp_path / name, pixels(0), format="PNG")
    listing = folder_lib.read(str(tmp_path), data=DataConfig(2, "folders"))
    assert listing.class_names == ("a", "b", "c")
    assert {f.path: (f.split, f.label) for f in listing.files} == {
        "train/b/1.png": ("train", 1),
        "train/a/x/2.PNG": ("train", 0),
        "val/a/3.jpg": ("validation", 0),
        "test/c/4.png": ("test", 2),
    }
    assert "5.png lies in no folder of a split: left out" in warnings.text
    assert "train/6.png lies in no folder of a class: left out" in warnings.text


def test_a_missing_split_comes_out_of_train_and_a_class_may_be_called_train(tmp_path):
    for i in range(200):
        save(tmp_path / "a" / ("train" if i % 4 else "test") / f"{i}.png", pixels(0, 2, 2))
    listing = folder_lib.read(str(tmp_path / "a"))
    assert listing.class_names == () and {f.label for f in listing.files} == {0}
    assert all(f.split == "test" for f in listing.files if f.path.startswith("test/"))
    of_train = [f.split for f in listing.files if f.path.startswith("train/")]
    assert 1 <= of_train.count("validation") <= 20 and of_train.count("test") == 0
    save(tmp_path / "a" / "tram" / "1.png", pixels(0))
    assert folder_lib.read(str(tmp_path / "a"), data=DataConfig(2, "hash")).class_names == ("test", "train", "tram")


@pytest.mark.parametrize("kind, message", [("none", "which is no folder"), ("empty", "which has no PNG, .* file")])
def test_no_images_is_one_line(tmp_path, kind, message):
    if kind == "empty":
        (tmp_path / "empty").mkdir()
        (tmp_path / "empty" / "notes.txt").write_text("")
    with pytest.raises(VQError, match="data_dir: got .*" + message):
        images.locate(str(tmp_path / kind), str(tmp_path / "cache"), WANT)


def test_too_few_images_are_one_line(tmp_path):
    save(tmp_path / "1.png", pixels(0))
    with pytest.raises(VQError, match="data_dir: got 1 for train, 0 for validation, 0 for test, expected at least one"):
        images.locate(str(tmp_path), str(tmp_path / "cache"), WANT)


def damaged(folder, number):
    """Three kinds of file that no decoder takes."""
    whole = (folder / "cat" / "000.png").read_bytes()
    for i in range(number):
        content = (b"", whole[: len(whole) // 2], b"<html>not found</html>")[i % 3]
        (folder / "dog" / f"bad{i}.png").write_bytes(content)


def test_unreadable_files_are_named_and_left_out_up_to_a_limit(animals, source, tmp_path, warnings):
    mine, cache = tmp_path / "mine", str(tmp_path / "cache")
    shutil.copytree(str(animals), str(mine))
    damaged(mine, 2)
    found = images.locate(str(mine), cache, WANT)
    assert found.spec == source.spec  # the same images as without the files
    for name in ("dog/bad0.png", "dog/bad1.png"):
        assert f"{name} can't be read and is left out: " in warnings.text
    assert "{{" not in warnings.text and "\n\t" not in warnings.text
    warnings.clear()
    assert images.locate(str(mine), cache, WANT) == found
    assert "unreadable files left out: 2, named in " in warnings.text
    with pytest.raises(
        VQError, match="data_dir: got 2 or more files that can't be read, .* expected at most 1; --max_b"
    ):
        images.locate(str(mine), cache, WANT._replace(max_bad_files=1))
    damaged(mine, 3)
    with pytest.raises(VQError, match="data_dir: got 3 or more files that can't be read, dog/bad.* expected at most 2"):
        images.locate(str(mine), cache, WANT)
    assert len(os.listdir(os.path.join(cache, "images"))) == 1  # nothing is left of what was broken off


def test_the_cache_is_used_until_a_file_changes_or_it_is_damaged(
    animals, source, cache, tmp_path, monkeypatch, warnings
):
    def refuse(*args):
        raise AssertionError("decoded again")

    with monkeypatch.context() as m:
        m.setattr(images, "decode_files", refuse)
        assert images.locate(str(animals), cache, WANT) == source
    mine = tmp_path / "mine"
    shutil.copytree(str(animals), str(mine))
    copied = images.locate(str(mine), cache, WANT)
    assert copied.spec == source.spec  # another time of change, the same content
    save(mine / "ant" / "new.png", pixels(1000))
    changed = images.locate(str(mine), cache, WANT)
    assert changed.spec.name != source.spec.name and changed.paths != copied.paths
    with pytest.raises(VQError, match=f"with {changed.spec.name}, expected {source.spec.name}, the run's own images"):
        images.locate(str(mine), cache, WANT, source=source.spec.name)

    with open(changed.paths[0][0], "r+b") as f:
        f.seek(1000)
        f.write(b"damaged!")
    assert images.locate(str(mine), cache, WANT) == changed
    assert "the cached images are damaged" in warnings.text
    (batch,) = batches(lambda: pipeline.evaluation_dataset(changed, "train", (16, 16), 200), 1)
    assert len(batch["image"]) == pipeline.split_size(changed, "train")


@pytest.mark.parametrize("flip, binarize", [(False, False), (True, True)])
def test_memory_and_file_give_the_same_batches_and_both_resume(animals, cache, source, flip, binarize):
    streamed = images.locate(str(animals), cache, WANT, "tfrecord")
    assert source.in_memory and not streamed.in_memory

    def run(of, start, n):  # batches of 33 do not divide an epoch
        return batches(lambda: pipeline.training_dataset(of, (16, 16), 33, 5, start, binarize, flip), n)

    memory, file, resumed = run(source, 0, 9), run(streamed, 0, 9), run(streamed, 7, 2)
    assert len({b["image"].tobytes() for b in memory}) == 9
    for a, b in list(zip(memory, file)) + list(zip(memory[7:], resumed)):
        np.testing.assert_array_equal(a["image"], b["image"])
        np.testing.assert_array_equal(a["label"], b["label"])


def test_any_reader_of_tfrecord_files_reads_the_cache(source):
    records = list(tf.python_io.tf_record_iterator(source.paths[2][0]))
    assert [len(r) for r in records] == [4 + 16 * 16 * 3] * pipeline.split_size(source, "test")


def test_what_is_too_much_for_memory_stays_in_the_file(animals, cache, monkeypatch):
    monkeypatch.setattr(record_cache, "MAX_IN_MEMORY", 100)
    assert not images.locate(str(animals), cache, WANT).in_memory
    assert images.locate(str(animals), cache, WANT, "memory").in_memory


@pytest.mark.parametrize("kind", [slow("memory"), "tfrecord"])
def test_a_run_on_images_is_trained_resumed_and_evaluated(animals, cache, tmp_path, kind):
    import dataclasses

    source = images.locate(str(animals), cache, WANT, kind)
    given = dict(image_size=16, K=4, D=8, batch_size=8, residual_blocks=1)
    given.update(save_checkpoints_steps=10, eval_steps=20, save_summary_steps=20)
    config = make_config("images", "tuned", max_steps=20, **given)
    config, model_dir = dataclasses.replace(config, dataset_source=source.spec.name), str(tmp_path / "run")
    assert trainer.train(config, source, model_dir).step == 20
    longer = dataclasses.replace(config, train=dataclasses.replace(config.train, max_steps=25))
    assert trainer.train(longer, source, model_dir).step == 25
    result = evaluation.evaluate(OpenRun(longer, checkpoints.find_checkpoint(model_dir), model_dir), source, "test")
    assert result["examples"] == source.spec.test and result["dataset_source"] == source.spec.name
    with open(os.path.join(model_dir, "config.json")) as f:
        assert json.load(f)["dataset_source"] == source.spec.name
    run_folder.keep_class_names(model_dir, source.spec.class_names)
    assert run_folder.class_names(model_dir, config) == ("ant", "cat", "dog")


@pytest.mark.parametrize("classes, want", [(0, None), (3, [0, 1, 2]), (1000, list(range(10)))])
def test_samples_are_shown_of_any_number_of_classes(classes, want):
    shown = sampling.shown_classes(classes)
    assert shown == want
    labels = sampling.labels_for(classes, 10 * len(shown) if shown else 100, shown)
    assert (labels is None) == (not classes) and (labels is None or len(labels) == 10 * len(want))
