"""Deterministic training."""

import tensorflow.compat.v2 as tf


def enforce() -> None:
    """Makes TensorFlow use only deterministic ops, and raise an error for others, for the rest of the process.

    It does nothing before TensorFlow 2.9; 1.15 only has the environment variable TF_DETERMINISTIC_OPS for cuDNN.
    """
    if hasattr(tf.config.experimental, "enable_op_determinism"):  # not before 2.9
        tf.config.experimental.enable_op_determinism()
