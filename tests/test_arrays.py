"""Splits as arrays."""

import numpy as np
import tensorflow.compat.v1 as tf

from vq_estimator.data import arrays, pipeline


def test_they_are_the_splits_in_order(digits):
    whole = arrays.load(digits, "train", 24)
    assert whole.images.shape == (pipeline.split_size(digits, "train"), 24, 24, 1) and whole.images.dtype == np.uint8
    features = tf.data.make_one_shot_iterator(pipeline.evaluation_dataset(digits, "train", (24, 24), 700)).get_next()
    with tf.Session() as session:
        first = session.run(features)
    np.testing.assert_array_equal(whole.images[:700], first["image"])
    np.testing.assert_array_equal(whole.labels[:700], first["label"])
    for num in (1, 500, 501):  # across batches
        some = arrays.load(digits, "train", 24, num)
        np.testing.assert_array_equal(some.images, whole.images[:num])
        np.testing.assert_array_equal(some.labels, whole.labels[:num])
    assert len(arrays.load(digits, "test", 24, 10**9).labels) == pipeline.split_size(digits, "test")
    assert set(np.unique(arrays.load(digits, "test", 28, 20, binarize=True).images)) == {0, 255}
