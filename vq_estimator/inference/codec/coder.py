"""The range coder of the library `constriction`, with one table per symbol.

`Encoder` and `Decoder` share the method `code(cumulative, symbols)`. The encoder writes the symbols. The decoder
ignores their values and reads the same number of symbols. Both return the symbols, so `chunk.py` has one implementation
for both directions. Both also update a checksum of each symbol's interval, which shows whether the decoder's tables
agreed with the encoder's tables at every symbol.

#### References
Bamler (2022), Understanding Entropy Coding With Asymmetric Numeral Systems, arXiv 2201.01741 (the library).
"""

import functools
import zlib
from typing import Callable, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from vq_estimator.errors import VQError, describe_extra
from vq_estimator.inference.codec.tables import TOTAL, Table, table

WORD = np.dtype("<u4")


class Damaged(Exception):
    """The bytes are not the output of an encoder."""


class _Library(NamedTuple):
    """The coders of constriction, its model with one table per symbol, and the conversion of weights to its tables."""

    queue: object
    model: Callable
    weights: Callable[[np.ndarray], np.ndarray]


@functools.lru_cache(maxsize=None)
def library() -> _Library:
    """Imports constriction.

    Raises:
      VQError: it is not installed or can't be imported.
    """
    try:
        import constriction
    except ImportError as e:
        raise VQError(f"constriction: can't be imported ({e}), expected {describe_extra('codec')}") from None
    queue, model = constriction.stream.queue, constriction.stream.model.Categorical
    try:
        model(perfect=False)
    except TypeError:
        # Version 0.3, for Python 3.7, has only the other quantisation, which preserves counts that are exact.
        return _Library(queue, model, lambda weights: (weights + 1.0) / TOTAL)
    return _Library(queue, functools.partial(model, perfect=False), lambda weights: weights)


class Coder:
    """Base class of Encoder and Decoder, with the tables and their checksum.

    Args:
      progress: a function that is called with the number of symbols after these have been coded.

    Attributes:
      tables_crc: CRC-32 of the intervals of all symbols that have been coded.
      knows_symbols: whether `code` gets the symbols. They may then be coded later, as long as the order is the same.
    """

    knows_symbols = False

    def __init__(self, progress: Optional[Callable[[int], None]] = None):
        self._progress = progress
        self._library = library()
        self._family = self._library.model()
        self.tables_crc = 0

    def code(self, cumulative: np.ndarray, symbols: np.ndarray) -> np.ndarray:
        """Codes n symbols int32, each under its own cumulative distribution, [K - 1, n]; returns the symbols."""
        if not len(symbols) or not len(cumulative):  # an alphabet of one symbol has no information
            return np.zeros_like(symbols)
        return self.code_tables(table(cumulative), symbols)

    def code_tables(self, tables: Table, symbols: np.ndarray) -> np.ndarray:
        """Codes n symbols int32 under n tables; returns the symbols."""
        coded = self._code(symbols, self._family, self._library.weights(tables.weights))
        self._observe(tables, coded)
        return coded

    def code_alike(self, cumulative: np.ndarray, symbols: np.ndarray) -> np.ndarray:
        """Codes n symbols int32 under one cumulative distribution, [K - 1]; returns the symbols."""
        if not len(symbols) or not len(cumulative):
            return np.zeros_like(symbols)
        tables = table(cumulative[:, np.newaxis])
        coded = self._code_alike(symbols, self._library.model(self._library.weights(tables.weights[0])))
        self._observe(tables, coded)
        return coded

    def _observe(self, tables: Table, symbols: np.ndarray) -> None:
        self.tables_crc = zlib.crc32(tables.intervals(symbols), self.tables_crc)
        if self._progress is not None:
            self._progress(len(symbols))

    def _code(self, symbols, model, *weights):
        raise TypeError(f"{type(self).__name__}: define _code")

    def _code_alike(self, symbols, model):
        return self._code(symbols, model)


class Encoder(Coder):
    """Encodes symbols; `payload` returns the bitstream."""

    knows_symbols = True

    def __init__(self, progress: Optional[Callable[[int], None]] = None):
        super().__init__(progress)
        self._coder = self._library.queue.RangeEncoder()

    def _code(self, symbols, model, *weights):
        self._coder.encode(symbols, model, *weights)
        return symbols

    def payload(self) -> bytes:
        """Returns the bitstream of the symbols so far, little-endian words of 32 bits."""
        return self._coder.get_compressed().astype(WORD).tobytes()


class Tables:
    """Takes the place of an Encoder, and keeps symbols with their tables for `encode`, which codes them in blocks."""

    def __init__(self):
        self._kept: List[Tuple[Table, np.ndarray]] = []

    def code(self, cumulative: np.ndarray, symbols: np.ndarray) -> np.ndarray:
        """Keeps n symbols int32, and returns them."""
        if len(symbols) and len(cumulative):
            self._kept.append((table(cumulative), symbols))
        return symbols

    def encode(self, coder: Encoder, blocks: Sequence[slice]) -> None:
        """Codes what each call of `code` kept for a block of the n symbols, block after block."""
        for block in blocks:
            for tables, symbols in self._kept:
                coder.code_tables(tables.part(block), symbols[block])


class Decoder(Coder):
    """Decodes the symbols of a payload.

    Raises:
      Damaged: the payload is not the output of an encoder.
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
        except BaseException as e:  # a panic of the Rust library is not an Exception
            raise Damaged(f"no symbol has this code ({type(e).__name__})") from None


class Sampler:
    """Draws symbols from their distributions instead of decoding them, for lossy files of stochastic decoders.

    Args:
      seed: integers; the same ones give the same draws.
    """

    knows_symbols = False

    def __init__(self, *seed: int):
        self._random = np.random.RandomState(seed)

    def code(self, cumulative: np.ndarray, symbols: np.ndarray) -> np.ndarray:
        """Draws n symbols int32, each from its own cumulative distribution, [K - 1, n]; ignores `symbols`."""
        return (cumulative <= self._random.random_sample(len(symbols))).sum(0).astype(np.int32)
