"""Classes and speakers are accepted by name wherever their indices are."""

import os

import numpy as np
import pytest

from helpers import codec_runs
from vq_estimator import pretrained
from vq_estimator.config import arguments, catalogue, make_config
from vq_estimator.errors import VQError
from vq_estimator.inference.image_model import ImageModel
from vq_estimator.inference.speech_model import SpeechModel
from vq_estimator.training import run_folder

pytestmark = pytest.mark.once

ANIMALS = ("cat", "dog", "ox")


def number(value, names=ANIMALS, count=3):
    return arguments.class_number("label", value, count, names)


def test_a_class_is_given_by_name_or_by_number():
    assert [number(v) for v in ("cat", "ox", "1", 1, np.int64(2), np.str_("dog"))] == [0, 2, 1, 1, 2, 1]
    assert number("2", ()) == 2 and number("2", ("cat", "dog")) == 2  # names of other classes
    for bad in ("bird", "3", "-1", "", "1.0", " cat", "Cat", 3, -1, 1.0, True, None, b"cat", ["cat"]):
        with pytest.raises(VQError, match=r"^label: got .*, expected one of cat, dog, ox or a number from 0 to 2$"):
            number(bad)
    with pytest.raises(VQError, match="^label: got 'cat', expected a number from 0 to 2$"):
        number("cat", ())


def test_where_names_are_numbers_a_text_is_a_name():
    """A folder for each class, called 3, 7 and 0: "3" is the class of that folder, which is number 1."""
    names = ("0", "3", "7")
    assert [number(v, names) for v in ("0", "3", "7", 0, 1, 2)] == [0, 1, 2, 0, 1, 2]
    for bad in ("1", "2", "9", "x"):
        with pytest.raises(VQError, match=f"^label: got '{bad}', expected one of 0, 3, 7$"):
            number(bad, names)
    with pytest.raises(VQError, match="^label: got '0', expected one of 3, cat$"):
        number("0", ("3", "cat"), 2)


def test_many_and_strange_names_are_one_short_line():
    names = tuple(f"class\n{i}" for i in range(1000))
    with pytest.raises(VQError) as e:
        number("x", names, 1000)
    text = str(e.value)
    assert "class 9, ... or a number from 0 to 999" in text and "class 10" not in text and text.isprintable()


def test_published_data_and_provided_models_have_names():
    for name, spec in catalogue.DATASETS.items():
        assert len(set(spec.class_names)) == spec.classes == 10, name
    assert catalogue.CIFAR10.class_names[0] == "airplane" and catalogue.CIFAR10.class_names[9] == "truck"
    assert catalogue.MNIST_5K.class_names == tuple("0123456789")
    for name in pretrained.names():
        folder = pretrained.folder(name)
        config = run_folder.load_config(folder)
        published = catalogue.DATASETS.get(config.dataset)
        others = () if config.dataset == "npy" else tuple("0123456789")  # the photographs have no classes
        assert run_folder.class_names(folder, config) == (others if published is None else published.class_names)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    images = codec_runs.write_run(folder / "images", classes=3)
    speech = codec_runs.write_run(folder / "speech", dataset="wav", classes=2)
    for run, names in ((images, ("a,b", "cat", "3")), (speech, ("no", "yes"))):
        run_folder.keep_class_names(run, names)
    return {"images": images, "speech": speech}


def test_a_model_of_images_samples_classes_by_name(runs):
    with ImageModel(runs["images"]) as model:
        assert model.class_names == ("a,b", "cat", "3")
        np.testing.assert_array_equal(model.sample(4, ["3", 0]).labels, [2, 2, 0, 0])
        with pytest.raises(VQError, match="labels: got cat twice, expected each class once"):
            model.sample(2, ["cat", 1])


def test_a_model_of_speech_takes_digits_and_speakers_by_name(runs):
    with SpeechModel(runs["speech"]) as model:
        first, second = model.config.model.speakers[:2]
        assert model.speaker(second) == model.speaker("1") == model.speaker(1) == 1
        spoken = model.sample(2, 0.01, "yes", second)
        assert spoken.labels.tolist() == [1, 1] and spoken.speakers.tolist() == [1, 1]
        codes, levels = spoken.codes[0], spoken.levels[0]
        assert model.bits_per_sample(levels, first) == model.bits_per_sample(levels, 0)
        for method, given in (("decode", dict(codes=codes)), ("convert", dict(levels=levels))):
            with pytest.raises(
                VQError, match=f"speaker: got 'zoe', expected one of {first}, {second}.* or a number from 0"
            ):
                getattr(model, method)(speaker="zoe", **given)
        with pytest.raises(VQError, match="label: got 'maybe', expected one of no, yes or a number from 0 to 1"):
            model.sample(1, 0.01, "maybe")


def test_the_commands_take_names(runs, forked, tmp_path):
    run = "--model_dir=" + runs["images"]
    done = forked.script("sample", run, "--labels=a,b", "--num=4", cwd=tmp_path)
    assert done.status == 0 and done.stdout.endswith("classes: 0 a,b\n"), done.stderr  # the comma is the name's
    done = forked.script("sample", run, "--labels=cat,bird", cwd=tmp_path)
    assert done.one_line("sample") == "labels: got 'bird', expected one of a,b, cat, 3"
    done = forked.script(
        "sample",
        "--model_dir=" + runs["speech"],
        "--label=yes",
        "--speaker=1",
        "--num=1",
        "--seconds=0.01",
        cwd=tmp_path,
    )
    assert done.status == 0, done.stderr
    (name,) = os.listdir(str(tmp_path / "samples"))
    assert name == "000-yes-{}.wav".format(run_folder.load_config(runs["speech"]).model.speakers[1])


def test_class_names_that_are_damaged_are_none(runs, tmp_path):
    (tmp_path / "classes.json").write_text("{}")
    assert run_folder.class_names(str(tmp_path), make_config("cifar10")) == ()
    assert run_folder.class_names(str(tmp_path / "none"), make_config("images")) == ()
