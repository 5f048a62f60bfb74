"""Training that gives the same bits each time."""

import tensorflow.compat.v2 as tf


def enforce() -> None:
    """Has TensorFlow take deterministic ops alone, and raise where it has none, for the rest of the process.

    TensorFlow 1.15 has the variable TF_DETERMINISTIC_OPS, for cuDNN's convolutions, and nothing else.
    """
    if hasattr(tf.config.experimental, "enable_op_determinism"):  # not before 2.9
        tf.config.experimental.enable_op_determinism()
