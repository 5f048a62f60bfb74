"""The batches of a data set."""

import tensorflow.compat.v1 as tf


def batches(dataset, n):
    with tf.Graph().as_default() as graph:
        step = tf.data.make_one_shot_iterator(dataset()).get_next()
        with tf.Session(graph=graph) as session:
            return [session.run(step) for _ in range(n)]
