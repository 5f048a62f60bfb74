"""Imports TensorFlow for a command, with a one-line error if it cannot be used."""

import importlib.util
import re
import sys
from typing import Any

from vq_estimator.errors import VQError

# The releases with tf.estimator that the package is tested with, and their Python versions.
LOWEST, HIGHEST, OLD = (2, 12), (2, 15), (1, 15)
WANTED = "expected TensorFlow 2.12 to 2.15 (Python 3.8 to 3.11) or 1.15 (Python 3.7)"


def import_tensorflow() -> Any:
    """Returns `tensorflow.compat.v1`.

    Raises:
      VQError: TensorFlow is not installed, can't be imported, or has no tf.estimator.
    """
    here = f"Python {sys.version_info[0]}.{sys.version_info[1]}"
    try:
        import tensorflow
        import tensorflow.compat.v1 as tf

        version = str(tensorflow.__version__)
    except Exception as e:  # NumPy 2 and other versions of protobuf break the import with different errors
        reason = (str(e).strip() or type(e).__name__).splitlines()[0]
        raise VQError(f"TensorFlow: got none that {here} can import ({reason}), {WANTED}") from None
    if not supported(version):
        raise VQError(f"TensorFlow: got {version}, {WANTED}")
    if importlib.util.find_spec("tensorflow_estimator") is None:
        raise VQError(f"TensorFlow: got {version} without tensorflow_estimator, expected that package of its release")
    return tf


def supported(version: str) -> bool:
    """Whether the package runs on a release of TensorFlow, such as "2.15.1" or "2.15.0rc1"."""
    found = re.match(r"(\d+)\.(\d+)", version)
    numbers = (int(found.group(1)), int(found.group(2))) if found else (0, 0)
    return numbers == OLD or LOWEST <= numbers <= HIGHEST
