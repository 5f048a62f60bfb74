"""Reading the tensors of a checkpoint. Every problem with its files is a VQError."""

import os
import tempfile
from typing import Any, List

import numpy as np
import tensorflow.compat.v1 as tf

from vq_estimator.errors import VQError
from vq_estimator.nn.quantizers.codebooks import CODEBOOK, EMA_COUNT, EMA_SUM
from vq_estimator.training import checkpoint_index

PATTERN = "*?[]" + ("" if os.sep == "\\" else "\\")  # the special characters of a glob pattern
# Errors that TensorFlow's readers raise for damaged files.
_DAMAGE = (
    OSError,
    tf.errors.OpError,
    ValueError,
    IndexError,
    TypeError,
    RuntimeError,
    SystemError,
    MemoryError,
    OverflowError,
)


def is_utf8(path: str) -> bool:
    """Returns whether TensorFlow accepts the path; Python represents undecodable bytes of a name as surrogates."""
    return not any("\ud800" <= c <= "\udfff" for c in path)


class CheckpointReader:
    """An open checkpoint.

    The sums of an EMA codebook, which `inference.stripping` removes, are computed as the entries times their counts.

    Attributes:
      path: the path of the checkpoint without the suffix of its files.
      shapes: the shape, a list, of each tensor by its name.
    """

    def __init__(self, path: str, hint: str = "", flag: str = "checkpoint"):
        """Opens a checkpoint.

        Args:
          path: its path without the suffix of its files.
          hint: the end of each error message.
          flag: the start of each error message.

        Raises:
          VQError: it cannot be read.
        """
        self.path, self._hint, self._flag = path, hint, flag
        try:
            checkpoint_index.check(path)
            self._reader = tf.train.load_checkpoint(self._literal(path))
            self.shapes = dict(self._reader.get_variable_to_shape_map())
            self._dtypes = self._reader.get_variable_to_dtype_map()
        except _DAMAGE as e:
            raise self._unreadable(e) from None
        self._sums = {}  # names of entries and counts for each sum that is not stored
        for count in [name for name in self.shapes if name.endswith("/" + EMA_COUNT)]:
            entries, total = (count[: -len(EMA_COUNT)] + name for name in (CODEBOOK, EMA_SUM))
            shape = self.shapes.get(entries)
            if total not in self.shapes and shape and shape[:-1] == self.shapes[count]:
                self.shapes[total], self._sums[total] = shape, (entries, count)

    def value(self, name: str, dtype: Any) -> np.ndarray:
        """Reads a tensor as `dtype`; floats may change their width, but not become integers or text.

        Raises:
          VQError: it cannot be read, or has another kind of dtype.
        """
        if name in self._sums:
            entries, count = (self.value(of, dtype) for of in self._sums[name])
            return entries * count[..., np.newaxis]
        try:
            kinds = self._dtypes[name], tf.as_dtype(dtype)
            if not any(all(getattr(k, "is_" + kind) for k in kinds) for kind in ("floating", "integer", "bool")):
                raise VQError(f"{self._flag}: {name} of {self.path!r} is {kinds[0].name}, expected {kinds[1].name}")
            return np.asarray(self._reader.get_tensor(name)).astype(kinds[1].as_numpy_dtype)
        except VQError:
            raise
        except _DAMAGE as e:
            raise self._unreadable(e) from None

    def fitting(self, name: str, shape: List[int], dtype: Any) -> np.ndarray:
        """Reads a tensor that must have a shape; see `value`.

        Raises:
          VQError: it is missing, has another shape, or cannot be read.
        """
        got = self.shapes.get(name)
        if got != shape:
            found = "nothing" if got is None else f"shape {got}"
            raise VQError(f"{self._flag}: {name} of {self.path!r}: got {found}, expected shape {shape}")
        return self.value(name, dtype)

    def check(self) -> None:
        """Reads every tensor, which compares its checksum.

        Raises:
          VQError: a tensor cannot be read.
        """
        try:
            for name in self._dtypes:
                self._reader.get_tensor(name)
        except _DAMAGE as e:
            raise self._unreadable(e) from None

    def _literal(self, path: str) -> str:
        """Returns a path of links to the same files without special characters, since TensorFlow expands patterns."""
        if is_utf8(path) and not any(c in path for c in PATTERN):
            return path
        self._links = tempfile.TemporaryDirectory(prefix="vq_estimator.")  # lives as long as this object
        folder, name = os.path.split(os.path.abspath(path))
        for file in os.listdir(folder):
            if file.startswith((name + ".index", name + ".data-")):
                os.symlink(os.path.join(folder, file), os.path.join(self._links.name, "model" + file[len(name) :]))
        return os.path.join(self._links.name, "model")

    def _unreadable(self, error: Any) -> VQError:
        reason = str(getattr(error, "strerror", None) or getattr(error, "message", error)).split("\n")[0][:160]
        return VQError(f"{self._flag}: {self.path!r} can't be read ({reason}){self._hint}")
