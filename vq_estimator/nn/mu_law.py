"""Mu-law in the graph; `data.audio` has the same functions in NumPy."""

import tensorflow.compat.v1 as tf

from vq_estimator.data import audio


def to_wave(levels: tf.Tensor) -> tf.Tensor:
    """Converts levels uint8 of any shape to samples float32 in -1..1."""
    return tf.gather(tf.constant(audio.SAMPLES), tf.cast(levels, tf.int32))


def to_levels(wave: tf.Tensor) -> tf.Tensor:
    """Converts samples float32 of any shape, clipped to -1..1, to levels uint8."""
    x = tf.clip_by_value(tf.cast(wave, tf.float64), -1.0, 1.0)
    mu = tf.constant(audio.MU, tf.float64)
    squashed = tf.sign(x) * tf.log1p(mu * tf.abs(x)) / tf.log1p(mu)
    return tf.cast(tf.floor((squashed + 1.0) / 2.0 * mu + 0.5), tf.uint8)
