"""Conversions between levels 0..255 and pixels in 0..1, and noise from ops that TensorFlow 1.15 and 2 have."""

import tensorflow.compat.v1 as tf

LEVELS = 256


def to_unit(images: tf.Tensor) -> tf.Tensor:
    """Converts uint8 levels to float32 in 0..1; float images are returned unchanged."""
    return tf.cast(images, tf.float32) / 255.0 if images.dtype == tf.uint8 else images


def to_uint8(unit: tf.Tensor) -> tf.Tensor:
    """Converts float32 in 0..1 to the nearest of 256 levels."""
    return tf.cast(tf.round(tf.clip_by_value(unit, 0.0, 1.0) * (LEVELS - 1.0)), tf.uint8)


# TensorFlow 1.15 cannot load the ops of tf.random in 2.x, so the old stateless ops are used by name.


def uniform(shape, seed) -> tf.Tensor:
    """Draws float32 numbers strictly between 0 and 1, determined by `seed` (int [2])."""
    u = tf.raw_ops.StatelessRandomUniform(shape=shape, seed=tf.cast(seed, tf.int64), dtype=tf.float32)
    return tf.clip_by_value(u, 1e-7, 1.0 - 1e-7)


def gumbel(shape, seed) -> tf.Tensor:
    """Draws Gumbel noise, determined by `seed` (int [2]); argmax(logits + noise) is a draw from the softmax."""
    return -tf.log(-tf.log(uniform(shape, seed)))


def noise_shape(x: tf.Tensor, shared: bool) -> tf.Tensor:
    """Returns the shape of the noise for x [B, ...]: x's shape, or with 1 instead of B if the examples share it."""
    shape = tf.shape(x)
    return tf.concat([[1], shape[1:]], 0) if shared else shape


def normal(shape, seed) -> tf.Tensor:
    """Draws standard normal float32 numbers, determined by `seed` (int [2])."""
    return tf.raw_ops.StatelessRandomNormal(shape=shape, seed=tf.cast(seed, tf.int64), dtype=tf.float32)
