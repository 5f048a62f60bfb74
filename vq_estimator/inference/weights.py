"""Weights of a checkpoint for the variables of an open session."""

from typing import Dict, List, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from vq_estimator.errors import VQError
from vq_estimator.nn.module import static_shape
from vq_estimator.training.checkpoint_reader import CheckpointReader


def load_variables(session: tf.Session, checkpoint: str, variables: Dict[str, tf.Variable]) -> None:
    """Loads each variable from the tensor of its name, which is converted to the variable's type.

    Raises:
      VQError: a tensor is missing, has another shape, or cannot be read.
    """
    assign, feed = assignments(checkpoint, variables)
    session.run(assign, feed)


def assignments(
    checkpoint: str, variables: Dict[str, tf.Variable]
) -> Tuple[List[tf.Operation], Dict[tf.Tensor, np.ndarray]]:
    """Returns the ops that load variables, and the values to feed.

    A Saver would silently restore a resource variable from a tensor of another shape.

    Raises:
      VQError: a tensor is missing, has another shape, or cannot be read.
    """
    stored = CheckpointReader(checkpoint, "; name another one with --checkpoint")
    for name, variable in variables.items():
        found, want = stored.shapes.get(name), static_shape(variable)
        if found != want:
            got = f"no {name}" if found is None else f"{name} of shape {found}"
            raise VQError(f"checkpoint: {checkpoint!r} does not fit config.json: got {got}, expected shape {want}")
    assign, feed = [], {}
    for name, variable in variables.items():
        # A new placeholder, since an EMA codebook and its sums share one initial value's tensor.
        given = tf.placeholder(variable.dtype.base_dtype, static_shape(variable))
        assign.append(variable.assign(given).op)
        feed[given] = stored.value(name, variable.dtype.base_dtype)
    return assign, feed
