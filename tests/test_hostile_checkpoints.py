"""Damaged checkpoints: the same tensors, or one error in one line."""

import shutil

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from hypothesis import given
from hypothesis import strategies as st

from helpers.damaged_checkpoints import blocks, contents, masked_crc, with_checksums
from helpers.hostile import damaged, everything_below, fewer, refused, write
from helpers.their_checkpoints import names_of
from helpers.their_checkpoints import write as write_theirs
from vq_estimator.errors import VQError
from vq_estimator.inference import tf_vqvae
from vq_estimator.inference.image_model import ImageModel
from vq_estimator.training import checkpoints
from vq_estimator.training.checkpoint_reader import CheckpointReader

pytestmark = pytest.mark.usefixtures("quiet")


def test_the_checksum_is_the_one_of_leveldb():
    assert masked_crc(b"123456789") == ((0xE3069283 >> 15 | 0xE3069283 << 17) + 0xA282EAD8) & 0xFFFFFFFF


@st.composite
def damaged_checkpoint(draw, index, data):
    kind = draw(st.sampled_from(["index", "checksums", "checksums", "data"]))
    if kind == "data":
        return index, draw(damaged(data)), True
    changed = draw(damaged(index))
    return (with_checksums(changed, blocks(index)) if kind == "checksums" else changed), data, kind == "index"


def put(path, index, data):
    write(path + ".index", index)
    write(path + ".data-00000-of-00001", data)


def test_the_blocks_of_an_index_are_found(mnist_run):
    index, _ = contents(checkpoints.find_checkpoint(str(mnist_run)).path)
    assert with_checksums(index, blocks(index)) == index


def test_a_damaged_checkpoint_has_the_same_tensors_or_is_refused(mnist_run):
    path = checkpoints.find_checkpoint(str(mnist_run)).path
    whole = contents(path)

    def tensors():
        stored = CheckpointReader(path)
        kinds = {name: tf.int64 if name == "global_step" else tf.float32 for name in stored.shapes}
        return {name: stored.value(name, kind) for name, kind in kinds.items()}

    want = tensors()

    @given(damaged_checkpoint(*whole))
    def check(changed):
        index, data, by_accident = changed
        put(path, index, data)
        bad, found = refused(tensors)
        if not bad and by_accident:  # who makes the checksums right makes another checkpoint
            assert sorted(found) == sorted(want)
            assert all(np.array_equal(found[name], want[name]) for name in want)

    check()


def test_a_model_of_a_damaged_checkpoint_is_the_same_or_refused(mnist_run):
    path = checkpoints.find_checkpoint(str(mnist_run)).path
    whole = contents(path)
    images = np.random.RandomState(0).randint(0, 256, [2, 24, 24, 1]).astype(np.uint8)

    def encode():
        with ImageModel(str(mnist_run)) as mnist_model:
            return mnist_model.encode(images)

    want = encode()

    @fewer(4)
    @given(damaged_checkpoint(*whole))
    def check(changed):
        put(path, *changed[:2])
        bad, codes = refused(encode)
        assert bad or not changed[2] or np.array_equal(codes, want)

    check()


def test_a_damaged_checkpoint_of_tf_vqvae_is_imported_or_leaves_nothing(tmp_path):
    path, target = str(tmp_path / "last.ckpt"), str(tmp_path / "made" / "run")
    write_theirs(path, names_of("mnist", 8))
    whole = contents(path)

    def import_it():
        return tf_vqvae.import_checkpoint(path, "mnist", "mnist", target)

    @fewer(4)
    @given(damaged_checkpoint(*whole))
    def check(changed):
        put(path, *changed[:2])
        bad, _ = refused(import_it)
        assert not bad or everything_below(tmp_path / "made") == {}
        shutil.rmtree(str(tmp_path / "made"), ignore_errors=True)

    check()


def test_a_tensor_of_another_kind_is_refused(tmp_path):
    path = str(tmp_path / "model.ckpt-1")
    with tf.Session() as session:
        tf.Variable(["text"], name="a"), tf.Variable([1j], name="b"), tf.Variable([7], name="global_step")
        session.run(tf.global_variables_initializer())
        tf.train.Saver().save(session, path)
    for name in "ab":
        with pytest.raises(VQError, match=f"checkpoint: {name} of .* is (string|complex128), expected float32"):
            CheckpointReader(path).value(name, tf.float32)
    with pytest.raises(VQError, match="no global_step"):
        checkpoints.read_checkpoint(path)
