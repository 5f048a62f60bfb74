"""Split folders in realistic trees: the right splits, or a question in one line."""

import errno
import os
import shutil

import pytest

from helpers.folder_trees import by_split, make, splits_of, tree
from vq_estimator.config import DataConfig
from vq_estimator.data import folder as folder_lib
from vq_estimator.data import splits
from vq_estimator.data.folder import IMAGES, SOUNDS
from vq_estimator.errors import VQError

AUTO, FOLDERS, HASH = (DataConfig(rules=2, splits=by) for by in ("auto", "folders", "hash"))
OLD = DataConfig(rules=1)


LAYOUTS = {
    "valid": ("train/{c}", "valid/{c}", "test/{c}"),
    "capitals": ("Train/{c}", "VALIDATION/{c}", "Test/{c}"),
    "sets": ("training_set/{c}", "validation-set/{c}", "testset/{c}"),
    "twice": ("training_set/training_set/{c}", "dev_set/dev_set/{c}", "test_set/test_set/{c}"),
    "wrapped": ("data/train/{c}", "data/val/{c}", "data/test/{c}"),
    "nested": ("a b/data/Training/{c}", "a b/data/Eval/{c}", "a b/data/Testing/{c}"),
    "years": ("train2017/{c}", "val2017/{c}", "test2017/{c}"),
    "ends": ("seg_train/seg_train/{c}", "seg_val/seg_val/{c}", "seg_test/seg_test/{c}"),
    "inside": ("train/images/{c}", "val/images/{c}", "test/images/{c}"),
    "named": ("train_data/train/{c}", "train_data/val/{c}", "train_data/test/{c}"),
    "camel": ("TrainImages/{c}", "ValImages/{c}", "TestImages/{c}"),
}


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_common_layouts_have_their_splits_and_classes(tmp_path, name, logged):
    classes = [name.replace("{c}", c) for name in LAYOUTS[name] for c in ("cat", "dog")]
    listing = folder_lib.read(tree(tmp_path, *classes, number=5))
    assert listing.class_names == ("cat", "dog")
    want = dict(zip(folder_lib.SPLITS, ({n.replace("{c}", c) for c in ("cat", "dog")} for n in LAYOUTS[name])))
    assert splits_of(listing) == want
    assert all(listing.class_names[f.label] == f.path.split("/")[-2] for f in listing.files)
    (line,) = [r.getMessage() for r in logged.records]
    assert "10 for train, 10 for validation, 10 for test; 2 classes (cat, dog)" in line and "\n" not in line


def test_classes_are_numbered_in_the_order_of_their_names_capitals_first(tmp_path):
    layout = [f"{split}/{c}" for split in ("train", "val", "test") for c in ("ant", "Bee", "Zebra", "äffin")]
    assert folder_lib.read(tree(tmp_path, *layout)).class_names == ("Bee", "Zebra", "ant", "äffin")


def test_two_folders_of_one_split_are_one(tmp_path):
    listing = folder_lib.read(tree(tmp_path, "train-clean-100/a", "train-other-500/b", "dev-clean/a", "test-other/a"))
    assert splits_of(listing) == {
        "train": {"train-clean-100/a", "train-other-500/b"},
        "validation": {"dev-clean/a"},
        "test": {"test-other/a"},
    }
    assert listing.class_names == ("a", "b")


ASKED = {
    "class_like_split": ("cat", "dog", "test"),
    "class_like_test": ("cat", "pregnancy test"),
    "next to": ("train", "test", "extra"),
    "next to train": ("train", "extra"),
    "deeper": ("cat/train", "cat/test", "dog/train", "dog/test"),
    "far": ("cat/x/y/Testing_Set/z", "dog/x"),
    "test_alone": ("test/cat", "test/dog"),
    "test_named": ("mnist_test/0", "mnist_test/1"),
    "no_train": ("dev-clean/1", "test-clean/1"),
    "loose": ("train/a", "test/a", "{}"),
    "crossed": ("train/test", "train/a", "test/a"),
    "in_validation": ("dev/test/1", "dev/2"),
    "both": ("trainval/a", "test/a"),
    "kinds": ("images/train", "images/test", "masks/train", "masks/test"),
}


@pytest.mark.parametrize("kind", [IMAGES, SOUNDS], ids=["images", "sounds"])
@pytest.mark.parametrize("name", sorted(ASKED))
def test_what_may_mean_something_else_is_asked_in_one_line(tmp_path, name, kind):
    folder = tree(tmp_path, *ASKED[name], number=3)
    if kind is SOUNDS:
        for top, _, names in os.walk(folder):
            for file in names:
                os.rename(os.path.join(top, file), os.path.join(top, file[:-4] + ".wav"))
    with pytest.raises(VQError, match="^splits: got .*--splits=hash") as e:
        folder_lib.read(folder, kind)
    assert "\n" not in str(e.value)
    assert folder_lib.read(folder, kind, HASH).files
    assert len(folder_lib.paths(folder, kind)) == 3 * len(ASKED[name])  # what is merely read has no splits


def test_folders_and_hash_say_what_is_meant(tmp_path, logged):
    folder = tree(tmp_path, "train/cat", "train/dog", "test/cat", "extra", "{}")
    listing = folder_lib.read(folder, IMAGES, FOLDERS)
    found = splits_of(listing)
    assert listing.class_names == ("cat", "dog") and found["test"] == {"test/cat"}
    assert found["train"] == {"train/cat", "train/dog"} and found["validation"] <= found["train"]
    assert "lies in no folder of a split (and 79 more): left out" in logged.text
    listing = folder_lib.read(folder, IMAGES, HASH)
    assert listing.class_names == ("extra", "test", "train")
    assert {f.split for f in listing.files if f.path.startswith("test/")} == set(folder_lib.SPLITS)
    with pytest.raises(VQError, match="splits: got --splits=folders .* expected a folder train"):
        folder_lib.read(tree(tmp_path / "other", "test/a", "b"), IMAGES, FOLDERS)


def test_classes_that_only_sound_alike_are_classes(tmp_path):
    names = ("bullet_train", "contest", "evaluator", "latest", "restrain", "trains", "valley")
    assert folder_lib.read(tree(tmp_path, *names)).class_names == names
    listing = folder_lib.read(tree(tmp_path / "in", "train/train", "train/cat", "test/train", "test/cat"))
    assert listing.class_names == ("cat", "train") and splits_of(listing)["test"] == {"test/train", "test/cat"}


def test_a_split_depends_on_neither_wrapper_nor_data_dir(tmp_path):
    inner = tree(tmp_path / "x" / "y", "cat/{}", "dog/a/{}", number=200)
    own, above = (folder_lib.read(str(folder)) for folder in (inner, tmp_path))
    assert above.class_names == own.class_names == ("cat", "dog")
    assert [(f.path[len("x/y/") :], f.split, f.label) for f in above.files] == [
        (f.path, f.split, f.label) for f in own.files
    ]
    assert all(len(paths) > 5 for paths in by_split(own).values())
    shutil.move(inner, str(tmp_path / "z" / "train"))
    shutil.rmtree(str(tmp_path / "x"))
    third = folder_lib.read(str(tmp_path))
    assert {f.path[len("z/train/") :]: f.split for f in third.files} == {f.path: f.split for f in own.files}


def test_validation_alone_is_split_with_a_warning(tmp_path, logged):
    listing = folder_lib.read(make(tmp_path, *(f"dev-clean/{s}/x/{i}.wav" for s in (7, 8) for i in range(60))), SOUNDS)
    assert listing.class_names == ("7", "8") and all(by_split(listing).values())
    warnings = [r for r in logged.records if r.levelname == "WARNING"]
    assert len(warnings) == 1 and "the only folder is 'dev-clean'" in logged.text


SPEECH = {
    "librispeech": (
        ["{}/1272/128104/a", "{}/1272/128105/b", "{}/1988/24833/c"],
        ["LibriSpeech/dev-clean", "LibriSpeech/test-clean", "LibriSpeech/train-clean-100"],
        ("1272", "1988"),
    ),
    "dev_clean": (["{}/1272/128104/a", "{}/1988/24833/c"], ["dev-clean"], ("1272", "1988")),
    "one_of_dev": (["{}/1272/128104/a", "{}/1272/128105/a"], ["dev-clean"], ("1272",)),
    "voxceleb": (["{}/id10270/x/a", "{}/id10271/y/a"], ["wav"], ("id10270", "id10271")),
    "one_of_voxceleb": (["{}/id10270/x/a"], ["vox/wav"], ("id10270",)),
    "voxceleb_splits": (["{}/wav/id1/x/a", "{}/wav/id2/x/a"], ["vox_train", "vox_test"], ("id1", "id2")),
    "one": (["{}/a", "{}/b"], ["george"], ("george",)),
    "loose": (["a", "b"], [""], ("speaker",)),
}


@pytest.mark.parametrize("name", sorted(SPEECH))
def test_speakers_are_found_below_wrapper_and_split(tmp_path, name, logged):
    names, tops, want = SPEECH[name]
    folder = make(tmp_path, *(n.format(top) + ".flac" for n in names for top in tops))
    assert folder_lib.read(folder, SOUNDS).class_names == want
    text = f"{len(want)} speaker{'s' if len(want) > 1 else ''} ({', '.join(want)})"
    assert text in logged.text


def test_another_level_names_the_speaker(tmp_path):
    folder = make(tmp_path, *(f"{lang}/{who}/{i}.wav" for lang in ("de", "en") for who in "ab" for i in range(3)))
    assert folder_lib.read(folder, SOUNDS, DataConfig(2, speaker_level=2)).class_names == ("a", "b")
    assert folder_lib.read(folder, SOUNDS, DataConfig(2)).class_names == ("de", "en")
    with pytest.raises(VQError, match="speaker_level: got 3, expected at most 2: '(de|en)/[ab]/[0-2].wav'"):
        folder_lib.read(folder, SOUNDS, DataConfig(2, speaker_level=3))
    make(tmp_path, "de/4.wav")
    with pytest.raises(VQError, match="speaker_level: got 2, expected at most 1: 'de/4.wav'"):
        folder_lib.read(folder, SOUNDS, DataConfig(2, speaker_level=2))


# What version 0.1.0 made


def test_old_runs_keep_their_listing_and_say_where_it_differs(tmp_path, logged):
    folder = tree(tmp_path / "a", "Train/cat", "Test/cat", number=30)
    listing = folder_lib.read(folder, IMAGES, OLD)
    assert listing.class_names == ("Test", "Train")
    want = sorted((f"{top}/cat/{i}.png" for top in ("Train", "Test") for i in range(30)), key=folder_lib.path_hash)
    assert [f.path for f in listing.files] == want
    assert {f.path: f.split for f in listing.files} == {
        path: folder_lib.drawn_split(path, ("test", "validation")) for path in want
    }
    (warning,) = [r.getMessage() for r in logged.records]
    assert "0.1.0" in warning and "other splits or classes" in warning
    logged.clear()
    folder = tree(tmp_path / "b", "train/cat", "train/dog", "val/cat", "test/dog", number=30)
    listing = folder_lib.read(folder, IMAGES, OLD)
    assert by_split(listing) == by_split(folder_lib.read(folder, IMAGES, AUTO))
    folder_lib.read(tree(tmp_path / "c", "cat", "dog"), IMAGES, OLD)
    assert not [r for r in logged.records if r.levelname == "WARNING"]
    logged.clear()
    folder = tree(tmp_path / "d", "train", "tram", "test")
    assert folder_lib.read(folder, IMAGES, OLD).class_names == ("test", "train", "tram")
    (warning,) = [r.getMessage() for r in logged.records]
    assert "splits: got" in warning
    make(tmp_path / "c", "cat/new.jfif")
    assert "cat/new.jfif" not in {f.path for f in folder_lib.read(str(tmp_path / "c"), IMAGES, OLD).files}
    assert "cat/new.jfif" in {f.path for f in folder_lib.read(str(tmp_path / "c")).files}


def test_old_runs_of_speech_keep_their_speakers(tmp_path, logged):
    folder = make(
        tmp_path, *(f"{top}/{s}/{i}.wav" for top in ("dev-clean", "test-clean") for s in (1, 2) for i in (1, 2))
    )
    listing = folder_lib.read(folder, SOUNDS, OLD)
    assert listing.class_names == ("dev-clean", "test-clean")
    assert [listing.class_names[f.label] for f in listing.files] == [f.path.split("/")[0] for f in listing.files]
    assert len([r for r in logged.records if r.levelname == "WARNING"]) == 1
    logged.clear()
    make(tmp_path / "one", "eve/1.wav", "2.wav")
    assert folder_lib.read(str(tmp_path / "one"), SOUNDS, OLD).class_names == ("eve", "speaker")
    assert not logged.records


# What is left out


def test_other_files_are_counted_by_their_kind(tmp_path, logged):
    others = [f"a/{i}.avif" for i in range(3)] + ["a/notes.TXT", "readme", "a/.hidden.gif", "b.tar.gz"]
    folder = make(tmp_path, "a/1.png", "a/2.JFIF", "a/3.jpe", *others)
    assert folder_lib.paths(folder) == ["a/1.png", "a/2.JFIF", "a/3.jpe"]
    (line,) = [r.getMessage() for r in logged.records]
    assert line == "left out: 3 .avif, 1 .gz, 1 .txt, 1 without a suffix" or sorted(line[10:].split(", ")) == sorted(
        ["3 .avif", "1 .gz", "1 .txt", "1 without a suffix"]
    )


def test_a_folder_that_can_not_be_read_is_left_out_with_a_warning(tmp_path, logged, monkeypatch):
    folder = tree(tmp_path, "cat", "dog", "lost+found")
    scandir = os.scandir

    def refuse(path="."):
        if str(path).endswith(closed):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    closed = "lost+found"
    assert folder_lib.read(folder).class_names == ("cat", "dog")
    (warning,) = [r.getMessage() for r in logged.records if r.levelname == "WARNING"]
    assert "lost+found can't be read and is left out (Permission denied)" in warning
    closed = os.path.basename(folder)
    with pytest.raises(VQError, match="data_dir: .* can't be read .Permission denied"):
        folder_lib.read(folder)


@pytest.mark.parametrize("name, want", [("Test", "test"), ("TESTING_SET", "test"), ("valData", "validation")])
def test_a_name_is_a_split_in_any_case(name, want):
    assert splits.parse(name) == ({want}, True)
    assert splits.parse("my " + name) == ({want}, False)
    assert splits.parse("con" + name.lower()).split is None
