"""Compiles functions on arrays with Numba, which neither reorders nor fuses their floating-point operations.

Modules that use this one raise ImportError where Numba is not installed, and each has a twin in NumPy with the same
bits. The first call of a function compiles it, for seconds; later processes load the result from Numba's cache.
"""

from typing import Callable

import numba

if numba.version_info < (0, 60):
    raise ImportError(f"numba: got {numba.__version__}, expected 0.60 or later")


def compiled(function: Callable) -> Callable:
    """Compiles a function. It runs without Python's lock, so that the chunks of other threads go on."""
    settings = dict(nogil=True, error_model="numpy")  # a division by zero is infinite, as in NumPy
    try:
        return numba.njit(function, cache=True, **settings)
    except RuntimeError:  # no folder for the cache can be written
        return numba.njit(function, **settings)


def inlined(function: Callable) -> Callable:
    """Compiles a function into those that call it."""
    return numba.njit(function, inline="always", error_model="numpy")
