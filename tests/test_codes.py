"""Codes of splits: extracted once per checkpoint, and read as batches."""

import os

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers.sessions import features_of, session_scope
from vq_estimator.data import codes as codes_lib
from vq_estimator.data.codes import Codes
from vq_estimator.inference import extraction, image_codes
from vq_estimator.inference.session import OpenRun
from vq_estimator.training import checkpoints


def some(n=10, K=300):
    rng = np.random.RandomState(0)
    return Codes(rng.randint(0, K, [n, 2, 3, 2]).astype(np.int32), rng.randint(0, 10, n).astype(np.int32))


@pytest.mark.parametrize("K", [300, 100000])
def test_what_is_saved_is_loaded(tmp_path, K):
    path, codes = str(tmp_path / "codes" / "train.npz"), some(K=K)
    codes_lib.save(path, codes, {"global_step": 3})
    shape = codes.codes.shape
    found = codes_lib.load(path, {"global_step": 3}, shape, K)
    np.testing.assert_array_equal(found.codes, codes.codes)
    np.testing.assert_array_equal(found.labels, codes.labels)
    assert found.codes.dtype == np.int32
    assert codes_lib.load(path, {"global_step": 4}, shape, K) is None
    assert codes_lib.load(path, {"global_step": 3}, (10, 3, 2, 2), K) is None
    assert codes_lib.load(path, {"global_step": 3}, shape, codes.codes.max()) is None
    assert codes_lib.load(str(tmp_path / "nothing.npz"), {}, shape, K) is None


def test_damaged_files_are_not_loaded(tmp_path):
    path, codes = str(tmp_path / "train.npz"), some()
    codes_lib.save(path, codes, {})
    with open(path, "rb") as f:
        whole = f.read()
    for damaged in (b"", whole[:100], whole[: len(whole) // 2], whole[:-1], b"x" * 100):
        with open(path, "wb") as f:
            f.write(damaged)
        assert codes_lib.load(path, {}, codes.codes.shape, 300) is None
    for at in range(len(whole)):  # never a stack trace, never other codes
        with open(path, "wb") as f:
            f.write(whole[:at] + bytes([whole[at] ^ 255]) + whole[at + 1 :])
        found = codes_lib.load(path, {}, codes.codes.shape, 300)
        assert found is None or all((a == b).all() for a, b in zip(found, codes))


def test_extraction_equals_a_plain_pass_and_happens_once(small_run, digits, tmp_path, monkeypatch):
    config, model_dir = small_run
    checkpoint = checkpoints.find_checkpoint(model_dir)
    run = OpenRun(config, checkpoint, str(tmp_path))
    found = extraction.extract(run, digits)
    assert {split: len(c.codes) for split, c in found.items()} == {"train": 4000, "validation": 500, "test": 500}

    def build(model):
        features = features_of(config, digits, "test", 500)
        return model.encode(features["image"]), features["label"]

    with session_scope(config, checkpoint.path, build) as (session, tensors):
        codes, labels = session.run(tensors)
    np.testing.assert_array_equal(found["test"].codes, codes)
    np.testing.assert_array_equal(found["test"].labels, labels)
    assert sorted(os.listdir(str(tmp_path / "codes"))) == ["test.npz", "train.npz", "validation.npz"]

    made = []
    encode = image_codes.encode
    monkeypatch.setattr(image_codes, "encode", lambda *args: made.append(args[-1]) or encode(*args))
    extraction.extract(run, digits)
    assert made == []
    (tmp_path / "codes" / "test.npz").write_bytes(b"no zip")
    extraction.extract(run, digits)
    assert made == ["test"]
    another = checkpoints.read_checkpoint(os.path.join(model_dir, "model.ckpt-30"))
    extraction.extract(OpenRun(config, another, str(tmp_path)), digits)
    assert made == ["test", "train", "validation", "test"]


def take(dataset, n):
    batch = tf.data.make_one_shot_iterator(dataset).get_next()
    with tf.Session() as session:
        return [session.run(batch) for _ in range(n)]


def test_training_batches_are_permutations_that_resume():
    codes = some(12)
    batches = take(codes_lib.training_dataset(codes, 4, seed=1), 6)
    for epoch in (batches[:3], batches[3:]):
        seen = np.concatenate([b["codes"] for b in epoch])
        assert sorted(seen.tolist()) == sorted(codes.codes.tolist())
    for batch in batches:
        for z, label in zip(batch["codes"], batch["label"]):
            assert label == codes.labels[np.where((codes.codes == z).all((1, 2, 3)))[0][0]]
    later = take(codes_lib.training_dataset(codes, 4, seed=1, start_step=4), 2)
    np.testing.assert_array_equal(later[0]["codes"], batches[4]["codes"])
    np.testing.assert_array_equal(later[1]["codes"], batches[5]["codes"])


def test_evaluation_is_one_pass_in_order():
    codes = some(10)
    batches = take(codes_lib.evaluation_dataset(codes, 4), 3)
    np.testing.assert_array_equal(np.concatenate([b["codes"] for b in batches]), codes.codes)
    np.testing.assert_array_equal(np.concatenate([b["label"] for b in batches]), codes.labels)
    assert [len(b["label"]) for b in batches] == [4, 4, 2]
