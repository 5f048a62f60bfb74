"""TFRecord shards have the same data as their source."""

import json
import os

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from vq_estimator.config import SPLITS
from vq_estimator.data import images, pipeline, shards
from vq_estimator.errors import VQError

WANT = images.Wanted((24, 24, 1))


@pytest.fixture(scope="module")
def folders(digits, tmp_path_factory):
    """Two folders that hold the shards of the digits together."""
    base = tmp_path_factory.mktemp("shards")
    out = [str(base / "a"), str(base / "b" / "c")]
    shards.write(digits, (24, 24), out, 5)
    return out


def located(folders, cache="auto", want=WANT, source=None):
    return images.locate(",".join(folders), "/nowhere", want, cache, source)


def batches(dataset, number):
    with tf.Graph().as_default(), tf.Session() as session:
        fetch = tf.data.make_one_shot_iterator(dataset()).get_next()
        return [session.run(fetch) for _ in range(number)]


def equal(a, b):
    for x, y in zip(a, b):
        for name in x:
            np.testing.assert_array_equal(x[name], y[name])


def test_they_lie_in_all_folders_and_hold_every_split_in_order(digits, folders):
    names = [sorted(os.listdir(folder)) for folder in folders]
    assert names[0] == ["shards.json", "test-00000-of-00001.tfrecord"] + [
        f"train-0000{i}-of-00005.tfrecord" for i in (0, 2, 4)
    ] + ["validation-00000-of-00001.tfrecord"]
    assert names[1] == ["shards.json", "train-00001-of-00005.tfrecord", "train-00003-of-00005.tfrecord"]
    source = located(folders)
    assert source.spec.name == "mnist-5k-24" and source.in_memory and source.spec.classes == 10
    for split in SPLITS:
        n = pipeline.split_size(digits, split)
        assert pipeline.split_size(source, split) == n
        ours, theirs = (
            batches(lambda of=of, split=split, n=n: pipeline.evaluation_dataset(of, split, (24, 24), n), 1)
            for of in (source, digits)
        )
        equal(ours, theirs)


@pytest.mark.parametrize("cache", ["memory", "tfrecord"])
def test_training_sees_the_same_batches(digits, folders, cache):
    def dataset(of):
        return pipeline.training_dataset(of, (24, 24), 32, seed=3, start_step=137, flip=True)

    source = located(folders, cache)
    assert source.in_memory == (cache == "memory")
    equal(batches(lambda: dataset(source), 12), batches(lambda: dataset(digits), 12))


def test_more_files_than_may_be_open(digits, folders, monkeypatch):
    from vq_estimator.data import records

    monkeypatch.setattr(records, "MAX_OPEN", 2)
    test_training_sees_the_same_batches(digits, folders, "tfrecord")


def copied(folders, tmp_path):
    """One folder with all of them."""
    for folder in folders:
        for name in os.listdir(folder):
            (tmp_path / name).write_bytes(open(os.path.join(folder, name), "rb").read())
    return tmp_path


def test_what_is_not_whole_or_does_not_fit_is_one_line(digits, folders, tmp_path):
    with pytest.raises(VQError, match="got shards of 24x24x1 images, expected 32x32x3"):
        located(folders, want=images.Wanted((32, 32, 3)))
    with pytest.raises(VQError, match="got shards of mnist-5k-24, expected images-1, the run's own images"):
        located(folders, source="images-1")
    with pytest.raises(VQError, match="got no train-00001-of-00005.tfrecord in .*; give all folders"):
        located(folders[:1])
    with pytest.raises(VQError, match=r"out: got .*, which has shards \(shards.json\), expected a folder to make"):
        shards.write(digits, (24, 24), [str(tmp_path / "new"), folders[0]], 2)

    folder = copied(folders, tmp_path)
    assert located([str(folder)]).spec == located(folders).spec
    shard = folder / "train-00002-of-00005.tfrecord"
    whole = shard.read_bytes()
    for content, message in [(whole[:-1], "expected a multiple of 596"), (whole[:-596], "expected 4000; the shards")]:
        shard.write_bytes(content)
        with pytest.raises(VQError, match=message):
            located([str(folder)])
    shard.write_bytes(whole)

    manifest = folder / "shards.json"
    made = json.loads(manifest.read_text())
    elsewhere = dict(made["shards"], train=["../train.tfrecord"])
    for content in ("{", "[]", "{}", json.dumps(dict(made, shape=[24])), json.dumps(dict(made, shards=elsewhere))):
        manifest.write_text(content)
        with pytest.raises(VQError, match="shards.json' can't be read .*expected that of vq-make-tfrecords") as e:
            located([str(folder)])
        assert "\n" not in str(e.value)
    manifest.write_text(json.dumps(dict(made, source="another")))
    with pytest.raises(VQError, match="is of other shards than that of"):
        located([folders[0], str(folder)])
