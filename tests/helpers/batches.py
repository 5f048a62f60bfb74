"""The batches of a data set."""

import tensorflow.compat.v1 as tf

from vq_estimator.data import pipeline


def batches(dataset, n):
    with tf.Graph().as_default() as graph:
        step = tf.data.make_one_shot_iterator(dataset()).get_next()
        with tf.Session(graph=graph) as session:
            return [session.run(step) for _ in range(n)]


def first_images(source, config, n):
    """The first n images of the test split, as the model sees them."""
    return batches(lambda: pipeline.evaluation_dataset(source, "test", config.model.size, n), 1)[0]["image"]
