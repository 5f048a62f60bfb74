import gzip
import os

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import vq_estimator
from helpers.batches import batches
from vq_estimator.data import batching, codes, pipeline


def raw(source):
    with gzip.open(source.paths[0]) as f:
        images = np.frombuffer(f.read()[16:], np.uint8).reshape(-1, 28, 28, 1)
    with gzip.open(source.paths[1]) as f:
        return images, np.frombuffer(f.read()[8:], np.uint8)


def test_splits_are_the_files_in_order(digits):
    images, labels = raw(digits)
    train = batches(lambda: pipeline.evaluation_dataset(digits, "train", (28, 28), 1000), 4)
    got = np.concatenate([b["image"] for b in train])
    np.testing.assert_array_equal(got, images[:4000])
    np.testing.assert_array_equal(np.concatenate([b["label"] for b in train]), labels[:4000])
    (validation,) = batches(lambda: pipeline.evaluation_dataset(digits, "validation", (28, 28), 1000), 1)
    np.testing.assert_array_equal(validation["image"], images[4000:])
    (test,) = batches(lambda: pipeline.evaluation_dataset(digits, "test", (28, 28), 1000), 1)
    assert len(test["image"]) == pipeline.split_size(digits, "test") == 500


def test_cifar_planes_become_pixels(full_data):
    source = full_data("cifar10")
    (batch,) = batches(lambda: pipeline.evaluation_dataset(source, "test", (32, 32), 7), 1)
    with open(source.paths[-1], "rb") as f:
        record = np.frombuffer(f.read(7 * 3073), np.uint8).reshape(7, 3073)
    np.testing.assert_array_equal(batch["label"], record[:, 0])
    np.testing.assert_array_equal(batch["image"], record[:, 1:].reshape(7, 3, 32, 32).transpose(0, 2, 3, 1))


def bilinear(image, size):
    """TF1's convention in NumPy: source coordinate = target * scale, no half-pixel shift."""
    scale = image.shape[0] / size
    at = np.arange(size) * scale
    low = np.floor(at).astype(int)
    high, part = np.minimum(low + 1, image.shape[0] - 1), at - low
    rows = image[low] * (1 - part)[:, None] + image[high] * part[:, None]
    return rows[:, low] * (1 - part) + rows[:, high] * part


@pytest.mark.parametrize("size", [24, 32, 40])
def test_resize_is_tf1s_bilinear_rounded(digits, size):
    images, _ = raw(digits)
    (batch,) = batches(lambda: pipeline.evaluation_dataset(digits, "train", (size, size), 5), 1)
    assert batch["image"].dtype == np.uint8
    for got, image in zip(batch["image"], images):
        want = bilinear(image[..., 0].astype(np.float64), size)
        assert np.abs(got[..., 0] - want).max() <= 0.5 + 1e-3


def test_every_epoch_is_a_new_permutation(digits):
    n, batch = 4000, 100
    got = batches(lambda: pipeline.training_dataset(digits, (28, 28), batch, seed=1), 80)
    images, _ = raw(digits)
    key = images[:n].reshape(n, -1) @ np.random.RandomState(0).rand(784)
    first, second = (
        np.concatenate([b["image"] for b in part]).reshape(n, -1) @ np.random.RandomState(0).rand(784)
        for part in (got[:40], got[40:])
    )
    assert not np.allclose(first, second)
    np.testing.assert_allclose(np.sort(first), np.sort(key))
    np.testing.assert_allclose(np.sort(second), np.sort(key))


@pytest.mark.parametrize("start", [1, 39, 40, 41, 130])
def test_a_resumed_stream_goes_on_where_it_would_have_been(digits, start):
    # 4,000 examples in batches of 96 do not divide: batches cross the end of an epoch
    whole = batches(lambda: pipeline.training_dataset(digits, (24, 24), 96, seed=5), start + 3)
    rest = batches(lambda: pipeline.training_dataset(digits, (24, 24), 96, seed=5, start_step=start), 3)
    for a, b in zip(whole[start:], rest):
        np.testing.assert_array_equal(a["image"], b["image"])
        np.testing.assert_array_equal(a["label"], b["label"])


def test_the_seed_decides_the_order(digits):
    a, b, c = (
        batches(lambda s=s: pipeline.training_dataset(digits, (24, 24), 32, seed=s), 1)[0]["label"] for s in (1, 1, 2)
    )
    np.testing.assert_array_equal(a, b)
    assert (a != c).any()


def test_no_data_in_the_graph(digits):
    with tf.Graph().as_default() as graph:
        tf.data.make_one_shot_iterator(pipeline.training_dataset(digits, (24, 24), 32, 0)).get_next()
        assert graph.as_graph_def().ByteSize() < 100000


def test_flips_mirror_about_half_and_repeat_with_the_step(digits):
    def run(flip, start=0):
        return batches(lambda: pipeline.training_dataset(digits, (24, 24), 200, 3, start, False, flip), 4 - start)

    plain, flipped, resumed = run(False), run(True), run(True, 2)
    mirrored = []
    for a, b in zip(plain, flipped):
        for x, y in zip(a["image"], b["image"]):
            assert (x == y).all() or (x[:, ::-1] == y).all()
            mirrored.append((x != y).any())
    assert 0.4 < np.mean(mirrored) < 0.6
    for a, b in zip(flipped[2:], resumed):
        np.testing.assert_array_equal(a["image"], b["image"])


def test_binarize_leaves_two_levels(digits):
    (batch,) = batches(lambda: pipeline.evaluation_dataset(digits, "test", (24, 24), 50, binarize=True), 1)
    (grey,) = batches(lambda: pipeline.evaluation_dataset(digits, "test", (24, 24), 50), 1)
    np.testing.assert_array_equal(batch["image"], np.where(grey["image"] >= 128, 255, 0))


@pytest.mark.parametrize("n, batch", [(10, 4), (10, 5), (7, 1), (3, 8), (1, 5), (12, 12)])
def test_batches_are_a_stream_of_permutations_wherever_they_begin(n, batch):
    def first(start, count):
        with tf.Graph().as_default(), tf.Session() as session:
            dataset = batching.numbers_of_batches(n, batch, 3, start)
            following = tf.data.make_one_shot_iterator(dataset).get_next()
            assert following.shape.as_list() == [batch]
            return np.stack([session.run(following) for _ in range(count)])

    whole = first(0, 30)
    stream = whole.ravel()
    epochs = stream[: len(stream) // n * n].reshape(-1, n)
    np.testing.assert_array_equal(np.sort(epochs, 1), np.tile(np.arange(n), [len(epochs), 1]))
    assert n < 7 or (epochs[0] != epochs[1]).any()
    for start in (1, 2, 3, 5, 11, 17):
        np.testing.assert_array_equal(first(start, 3), whole[start : start + 3])


def tunes(dataset):
    options = dataset.options()
    return options.autotune.enabled if hasattr(options, "autotune") else options.experimental_optimization.autotune


def test_no_dataset_is_tuned_since_the_end_of_a_session_would_wait_for_its_thread(digits):
    with tf.Graph().as_default():
        assert tunes(tf.data.Dataset.range(3).prefetch(1)) is not False
        made = codes.Codes(np.zeros((20, 3, 3, 1), np.int32), np.zeros(20, np.int32))
        for dataset in (
            pipeline.training_dataset(digits, (24, 24), 8, seed=5),
            pipeline.evaluation_dataset(digits, "test", (24, 24), 8),
            codes.training_dataset(made, 4, seed=5),
            codes.evaluation_dataset(made, 4),
        ):
            assert tunes(dataset) is False
    root = os.path.dirname(vq_estimator.__file__)
    paths = [os.path.join(folder, name) for folder, _, names in os.walk(root) for name in names if name.endswith(".py")]
    fetching = [path for path in paths if ".prefetch(" in open(path, encoding="utf-8").read()]
    assert fetching == [batching.__file__]
