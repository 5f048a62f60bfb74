"""Bytes on disk -> tf.data of uint8 images."""
