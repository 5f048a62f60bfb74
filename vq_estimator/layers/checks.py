"""Checks of the arguments of a layer: one line for each mistake."""

import re
from typing import Any, Union

import numpy as np
import tensorflow.compat.v1 as tf

from vq_estimator.config.checks import check
from vq_estimator.errors import VQError
from vq_estimator.nn.checks import describe


def scope_name(value: Any) -> str:
    """The name of a layer, which becomes a variable scope.

    Raises:
      VQError: TensorFlow has no scope of this name.
    """
    want = "letters, digits, '_', '.', '-' and '/', the first a letter, a digit or '.'"
    good = isinstance(value, str) and re.match(r"[A-Za-z0-9.][\w.\-/]*\Z", value, re.ASCII) is not None
    check(good, "name", value, want)
    return str(value)


def is_training(value: Any) -> Union[bool, tf.Tensor]:
    """A Python bool, or a scalar bool tensor.

    Raises:
      VQError: it is something else, such as 1.
    """
    want = "True, False or a scalar bool tensor"
    if isinstance(value, (tf.Tensor, tf.Variable)):
        if value.dtype.base_dtype != tf.bool or value.shape.ndims not in (0, None):
            raise VQError(f"is_training: got {describe(value)}, expected {want}")
        return tf.reshape(tf.convert_to_tensor(value), [])
    check(isinstance(value, (bool, np.bool_)), "is_training", value, want)
    return bool(value)
