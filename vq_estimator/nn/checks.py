"""Checks of tensors that a program passes to a public method."""

from typing import Any, Sequence, Tuple

import tensorflow.compat.v1 as tf

from vq_estimator.config import arguments
from vq_estimator.errors import VQError
from vq_estimator.nn.module import static_shape

FLOATS = (tf.float32, tf.bfloat16, tf.float16)
FLOAT_NAMES = "float32, bfloat16 or float16"


def describe(tensor: tf.Tensor) -> str:
    """The dtype and the static shape of a tensor, such as `float32 [?, 64]`."""
    name = tensor.dtype.base_dtype.name
    if tensor.shape.ndims is None:
        return f"{name} of unknown rank"
    return "{} [{}]".format(name, ", ".join("?" if n is None else str(n) for n in static_shape(tensor)))


def tensor(field: str, value: Any, dtypes: Tuple[tf.DType, ...], shape: Sequence[Any], want: str) -> tf.Tensor:
    """Converts a value to a tensor of known rank with one of several dtypes.

    Args:
      field: its name in a message.
      value: a tensor, a variable or an array.
      dtypes: accepted dtypes.
      shape: static shape; None is a dimension of any size, known or not, and a leading `...` any dimensions.
      want: the expected value, for a message.

    Raises:
      VQError: the value has another dtype or shape.
    """
    try:
        found = tf.convert_to_tensor(value)
    except (TypeError, ValueError):
        raise VQError(f"{field}: got {arguments.shape_of(value)}, expected {want}") from None
    last = [n for n in shape if n is not ...]
    good = found.dtype.base_dtype in dtypes and found.shape.ndims is not None
    if good:
        have = static_shape(found)
        good = len(have) >= len(last) if ... in shape else len(have) == len(last)
        good = good and all(n is None or n == m for n, m in zip(last, have[len(have) - len(last) :]))
    if not good:
        raise VQError(f"{field}: got {describe(found)}, expected {want}")
    return found
