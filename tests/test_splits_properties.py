"""Properties of the splits of any tree of folders."""

import os
import re
import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.folder_trees import make
from vq_estimator.data import folder as folder_lib
from vq_estimator.data.folder import IMAGES, SOUNDS
from vq_estimator.errors import VQError

LIKE = {
    "train": ["train", "training", "train_set", "training-set", "trainset", "train-clean-100", "train 1"],
    "validation": ["val", "valid", "validation", "val_set", "dev", "dev-clean", "validation_set"],
    "test": ["test", "testing", "test_set", "testing set", "test-other", "testset", "my_test"],
}
PLAIN = ["cat", "dog", "data", "images", "x", "wav", "latest"]
ALL = [(split, name) for split, names in LIKE.items() for name in names] + [("", name) for name in PLAIN]


@st.composite
def trees(draw):
    """Paths of files, and of each the splits that its folders are named like."""
    found = {}
    wrapper = draw(st.lists(st.sampled_from(ALL), max_size=2))
    pool = draw(st.lists(st.sampled_from(ALL), min_size=1, max_size=5))
    for i in range(draw(st.integers(1, 8))):
        parts = wrapper + draw(st.lists(st.sampled_from(pool), max_size=3))
        case = [draw(st.sampled_from([str, str.upper, str.title, str.swapcase])) for _ in parts]
        path = "/".join([*(c(name) for c, (_, name) in zip(case, parts)), f"{i}.png"])
        found[path] = {split for split, _ in parts if split}
    return found


@pytest.mark.parametrize("kind", [IMAGES, SOUNDS], ids=["images", "sounds"])
def test_no_test_file_is_trained_on_without_a_word(tmp_path_factory, kind):
    outcomes = set()

    @given(trees())
    def check(found):
        folder = str(tmp_path_factory.mktemp("tree"))
        found = {path.replace(".png", ".wav") if kind is SOUNDS else path: like for path, like in found.items()}
        make(folder, *found)
        try:
            listing = folder_lib.read(folder, kind)
        except VQError as e:
            assert re.match("splits: got .*--splits=hash", str(e)) and "\n" not in str(e)
            outcomes.add("asked")
            return
        finally:
            shutil.rmtree(folder)
        of = {f.path: f.split for f in listing.files}
        for path, like in found.items():
            if path in of:
                assert "test" not in like or of[path] == "test", path
        others = [path for path in of if "validation" in found[path] and of[path] == "train"]
        assert not others or all("validation" in like for like in found.values())  # nothing but them is there
        outcomes.add("folders" if any(found.values()) else "hash")

    check()
    assert outcomes == {"asked", "folders", "hash"}


@given(trees())
def test_a_folder_around_all_changes_nothing(tmp_path_factory, found):
    folder = str(tmp_path_factory.mktemp("tree"))
    make(os.path.join(folder, "box"), *found)

    def read(data_dir):
        try:
            listing = folder_lib.read(data_dir)
        except VQError:
            return None
        return [(f.path.replace("box/", ""), f.split, f.label) for f in listing.files], listing.class_names

    assert read(folder) == read(os.path.join(folder, "box"))
    shutil.rmtree(folder)
