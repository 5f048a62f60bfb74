"""Training that gives the same bits each time."""

import os

import tensorflow.compat.v2 as tf


def enforce() -> None:
    """Has TensorFlow take deterministic ops alone, and raise where it has none, for the rest of the process.

    TensorFlow 1.15 has a switch for cuDNN's convolutions and nothing else; docs/reliability.md says what holds there.
    """
    os.environ["TF_DETERMINISTIC_OPS"] = "1"
    if hasattr(tf.config.experimental, "enable_op_determinism"):  # not before 2.9
        tf.config.experimental.enable_op_determinism()
