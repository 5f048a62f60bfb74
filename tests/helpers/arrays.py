"""The bytes of NumPy files, and a pickle that would write a file."""

import io

import numpy as np


def npz(**arrays):
    out = io.BytesIO()
    np.savez_compressed(out, **arrays)
    return out.getvalue()


def npy(array):
    out = io.BytesIO()
    np.save(out, array, allow_pickle=array.dtype.hasobject)
    return out.getvalue()


class Writes:
    """Unpickled, it writes a file."""

    def __init__(self, path):
        self._path = path

    def __reduce__(self):
        return open, (self._path, "w")
