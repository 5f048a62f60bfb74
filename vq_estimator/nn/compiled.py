"""Compiles functions on arrays with Numba, which neither reorders nor fuses their floating-point operations.

A module `x` whose functions are compiled is the twin in NumPy of a module `x_compiled`, which has the same bits. It
asks `twin` for that module. The first call of a function compiles it, for seconds; later processes load the result from
Numba's cache in the user's cache folder, or in NUMBA_CACHE_DIR.
"""

import contextlib
import functools
import importlib
from types import ModuleType
from typing import Any, Callable, Iterator, Optional


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


@contextlib.contextmanager
def _cache_of_user() -> Iterator[None]:
    """Replaces the default folder of Numba's cache, which is next to the source.

    pip would not remove that folder with the package, and then it would hide an editable installation.
    """
    from numba.misc.appdirs import AppDirs

    config = _numba().config
    before = config.CACHE_DIR
    config.CACHE_DIR = before or AppDirs(appname="numba", appauthor=False).user_cache_dir
    try:
        yield
    finally:
        config.CACHE_DIR = before


def compiled(function: Callable) -> Callable:
    """Compiles a function. It runs without Python's lock, so that the chunks of other threads go on."""
    settings = dict(nogil=True, error_model="numpy")  # a division by zero is infinite, as in NumPy
    try:
        with _cache_of_user():
            return _numba().njit(function, cache=True, **settings)
    except RuntimeError:  # no folder for the cache can be written
        return _numba().njit(function, **settings)


def inlined(function: Callable) -> Callable:
    """Compiles a function into those that call it."""
    return _numba().njit(function, inline="always", error_model="numpy")
