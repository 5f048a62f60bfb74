"""The range coder of the library `constriction`, for symbols with a table each.

`Encoder` and `Decoder` have one method, `code(cumulative, symbols)`: the encoder writes the symbols that it is given,
the decoder looks at nothing of them and reads as many; both return them. So what walks through an image is written
once. Both keep a checksum of the interval of each symbol, which says whether two walks had the same tables wherever it
mattered.

#### References
Bamler (2022), Understanding Entropy Coding With Asymmetric Numeral Systems, arXiv 2201.01741 (the library).
"""

import functools
import zlib
from typing import Callable, NamedTuple, Optional

import numpy as np

from vq_estimator.errors import VQError, describe_extra
from vq_estimator.inference.codec.tables import TOTAL, Table, table

WORD = np.dtype("<u4")


class Damaged(Exception):
    """What is read can't have been written."""


class _Library(NamedTuple):
    """constriction's coders, its model for a table a symbol, and how that wants its tables."""

    queue: object
    model: Callable
    weights: Callable[[np.ndarray], np.ndarray]


@functools.lru_cache(maxsize=None)
def library() -> _Library:
    """Imports constriction.

    Raises:
      VQError: it is not there.
    """
    try:
        import constriction
    except ImportError as e:
        raise VQError(f"constriction: can't be imported ({e}), expected {describe_extra('codec')}") from None
    queue, model = constriction.stream.queue, constriction.stream.model.Categorical
    try:
        model(perfect=False)
    except TypeError:  # 0.3, for Python 3.7, has the other quantisation alone; where counts are exact it finds them
        return _Library(queue, model, lambda weights: (weights + 1.0) / TOTAL)
    return _Library(queue, functools.partial(model, perfect=False), lambda weights: weights)


class Coder:
    """What both sides share: the tables and their checksum.

    Args:
      progress: called with the number of symbols whenever some have been coded.
    """

    def __init__(self, progress: Optional[Callable[[int], None]] = None):
        self._progress = progress
        self._library = library()
        self._family = self._library.model()
        self.tables_crc = 0

    def code(self, cumulative: np.ndarray, symbols: np.ndarray) -> np.ndarray:
        """Codes n symbols int32, each with its own cumulative distribution, [K - 1, n]; returns them."""
        if not len(symbols) or not len(cumulative):  # one symbol alone is no news
            return np.zeros_like(symbols)
        tables = table(cumulative)
        found = self._code(symbols, self._family, self._library.weights(tables.weights))
        self._observe(tables, found, np.arange(len(found)))
        return found

    def code_alike(self, cumulative: np.ndarray, symbols: np.ndarray) -> np.ndarray:
        """The same of n symbols that have one distribution, [K - 1]."""
        if not len(symbols) or not len(cumulative):
            return np.zeros_like(symbols)
        tables = table(cumulative[:, np.newaxis])
        found = self._code_alike(symbols, self._library.model(self._library.weights(tables.weights[0])))
        self._observe(tables, found, 0)
        return found

    def _observe(self, tables: Table, symbols, columns) -> None:
        interval = np.empty([2, len(symbols)], "<i4")
        interval[0], interval[1] = tables.bounds[symbols, columns], tables.bounds[symbols + 1, columns]
        self.tables_crc = zlib.crc32(interval, self.tables_crc)
        if self._progress is not None:
            self._progress(len(symbols))

    def _code(self, symbols, model, *weights):
        raise TypeError(f"{type(self).__name__}: define _code")

    def _code_alike(self, symbols, model):
        return self._code(symbols, model)


class Encoder(Coder):
    """Writes symbols; `payload` is what they became."""

    def __init__(self, progress: Optional[Callable[[int], None]] = None):
        super().__init__(progress)
        self._coder = self._library.queue.RangeEncoder()

    def _code(self, symbols, model, *weights):
        self._coder.encode(symbols, model, *weights)
        return symbols

    def payload(self) -> bytes:
        return self._coder.get_compressed().astype(WORD).tobytes()


class Decoder(Coder):
    """Reads the symbols of a payload.

    Raises:
      Damaged: nothing that an encoder wrote.
    """

    def __init__(self, payload: bytes, progress: Optional[Callable[[int], None]] = None):
        super().__init__(progress)
        if len(payload) % WORD.itemsize:
            raise Damaged(f"{len(payload)} bytes, expected a multiple of {WORD.itemsize}")
        self._coder = self._library.queue.RangeDecoder(np.frombuffer(payload, WORD).astype(np.uint32))

    def _code(self, symbols, model, *weights):
        return self._read(model, *weights)

    def _code_alike(self, symbols, model):
        return self._read(model, len(symbols))

    def _read(self, *arguments):
        try:
            return self._coder.decode(*arguments)
        except (KeyboardInterrupt, SystemExit, MemoryError):
            raise
        except BaseException as e:  # a panic of the Rust library is no Exception
            raise Damaged(f"no symbol has this code ({type(e).__name__})") from None
