"""Levels 0..255, pixels in 0..1, and noise by ops that both TensorFlows have."""

import tensorflow.compat.v1 as tf

LEVELS = 256


def to_unit(images: tf.Tensor) -> tf.Tensor:
    """uint8 levels to float32 in 0..1; float images pass as they are."""
    return tf.cast(images, tf.float32) / 255.0 if images.dtype == tf.uint8 else images


def to_uint8(unit: tf.Tensor) -> tf.Tensor:
    """float32 in 0..1 to the nearest of 256 levels."""
    return tf.cast(tf.round(tf.clip_by_value(unit, 0.0, 1.0) * (LEVELS - 1.0)), tf.uint8)


# The old stateless ops, by name: those of tf.random in 2.x are ones that TensorFlow 1.15 can't load.


def uniform(shape, seed) -> tf.Tensor:
    """float32 strictly between 0 and 1, decided by `seed` (int tensor [2])."""
    u = tf.raw_ops.StatelessRandomUniform(shape=shape, seed=tf.cast(seed, tf.int64), dtype=tf.float32)
    return tf.clip_by_value(u, 1e-7, 1.0 - 1e-7)


def gumbel(shape, seed) -> tf.Tensor:
    """Gumbel noise decided by `seed` (int tensor [2]): the index of the largest logit + noise is a softmax's draw."""
    return -tf.log(-tf.log(uniform(shape, seed)))


def noise_shape(x: tf.Tensor, shared: bool) -> tf.Tensor:
    """The shape of the noise for x [B, ...]: its own, or with 1 for B where the examples share it."""
    shape = tf.shape(x)
    return tf.concat([[1], shape[1:]], 0) if shared else shape


def normal(shape, seed) -> tf.Tensor:
    """Standard normal float32, decided by `seed` (int tensor [2])."""
    return tf.raw_ops.StatelessRandomNormal(shape=shape, seed=tf.cast(seed, tf.int64), dtype=tf.float32)
