"""Compiles functions on arrays with Numba, which neither reorders nor fuses their floating-point operations.

A module `x` whose functions are compiled is the twin in NumPy of a module `x_compiled`, which has the same bits. It
asks `twin` for that module. The first call of a function compiles it, for seconds; later processes load the result from
Numba's cache.
"""

import functools
import importlib
from types import ModuleType
from typing import Any, Callable, Optional


def _numba() -> Any:
    """Imports Numba.

    Raises:
      ImportError: it is not installed, or too old.
    """
    import numba

    if numba.version_info < (0, 60):
        raise ImportError(f"numba: got {numba.__version__}, expected 0.60 or later")
    return numba


@functools.lru_cache(maxsize=None)
def twin(module: str) -> Optional[ModuleType]:
    """Returns the module `<module>_compiled`, or None if Numba is not installed."""
    try:
        _numba()
    except ImportError:
        return None
    return importlib.import_module(module + "_compiled")


def compiled(function: Callable) -> Callable:
    """Compiles a function. It runs without Python's lock, so that the chunks of other threads go on."""
    settings = dict(nogil=True, error_model="numpy")  # a division by zero is infinite, as in NumPy
    try:
        return _numba().njit(function, cache=True, **settings)
    except RuntimeError:  # no folder for the cache can be written
        return _numba().njit(function, **settings)


def inlined(function: Callable) -> Callable:
    """Compiles a function into those that call it."""
    return _numba().njit(function, inline="always", error_model="numpy")
