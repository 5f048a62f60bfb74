"""Encodes or decodes one chunk, which has at most one batch of tiles.

Encoding and decoding visit the symbols in the same order: first the codes, then the pixels given the codes. The arrays
of an encoder hold all symbols from the start; those of a decoder are filled in symbol by symbol. The network requests
symbols in the order in which it needs them: `code` and `pixel` handle one step, which codes all tiles of the batch.

Nothing is coded outside a tile's true height and width. A pixel to the right of them repeats the pixel on its left; a
pixel below them repeats the pixel above it. The network always runs a full batch. Missing tiles are black and are not
coded.

A recording is a tile of one row, and its samples are the pixels. The recordings of a batch may have different lengths;
no recording has codes beyond its end.
"""

from typing import Callable, List, Optional, Tuple, Union

import numpy as np

from vq_estimator.errors import VQError
from vq_estimator.inference.codec.coder import Coder, Tables
from vq_estimator.inference.codec.tables import NOT_FINITE
from vq_estimator.nn import arithmetic
from vq_estimator.nn.likelihoods import cumulative
from vq_estimator.nn.neighbourhood import Wavefronts

# Part of the format. The tables of a block of pixels are computed at once and fit in the processor's cache.
BLOCK = 256  # pixels per block
FRONT_BLOCK = 512  # pixels per block along a wavefront
WAITING = 256  # pixels for which an encoder computes tables at once
MIN_CLASS_PROBABILITY = 1e-200  # above zero, so that a class can become likely again


def _blocks(start: int, stop: int, size: int) -> List[slice]:
    """Returns the parts of start..stop with at most `size` elements each."""
    return [slice(first, min(first + size, stop)) for first in range(start, stop, size)]


def _check_finite(parameters: np.ndarray) -> None:
    if not np.isfinite(parameters).all():
        raise VQError(NOT_FINITE)


class Chunk:
    """The state of a chunk that is being encoded or decoded.

    Args:
      coder: an Encoder, a Decoder or a Sampler.
      codes: int32 [B, h, w, L]; a Decoder fills them in.
      images: uint8 [B, H, W, C], or [B, 1, T, 1] for recordings; a Decoder fills them in.
      extents: int [n, 2], the true height and width of the n <= B tiles.
      columns: int [n], the number of code columns of each tile.
      pixels: a function from a decoder's output to the distributions of pixels (`cumulative.for_likelihood`).
      classes: number of classes of the learned prior that a tile may belong to; 0 if the prior has no classes.
      fronts: the steps of a decoder that generates wavefronts.
      rows: int [n], the number of code rows of each tile; None: all.
    """

    def __init__(
        self,
        coder: Coder,
        codes: np.ndarray,
        images: np.ndarray,
        extents: np.ndarray,
        columns: np.ndarray,
        pixels: Callable[..., cumulative.Pixels],
        classes: int = 0,
        fronts: Optional[Wavefronts] = None,
        rows: Optional[np.ndarray] = None,
    ):
        self.coder, self.codes, self.images = coder, codes, images
        self.error: Optional[BaseException] = None
        self._n, self._heights, self._widths = len(extents), extents[:, 0], extents[:, 1]
        self._columns, self._rows = columns, np.full(self._n, codes.shape[1]) if rows is None else rows
        self._pixels, self._fronts = pixels, fronts
        self._class_probabilities = np.full([max(classes, 1), self._n], 1.0 / max(classes, 1))
        self._steps: List[Tuple[int, ...]] = []  # at most the last step
        self._waiting: List[Tuple[np.ndarray, np.ndarray, int]] = []  # parameters, pixels and block size of steps
        self._pixels_waiting = 0

    def codes_alike(self, distributions: List[np.ndarray]) -> None:
        """Codes all codes under one cumulative distribution [K - 1] per codebook."""
        codes = self.codes[: self._n]
        inside = np.arange(codes.shape[2]) < self._columns[:, np.newaxis, np.newaxis]
        inside = np.broadcast_to(inside, codes.shape[:3])
        for level, distribution in enumerate(distributions):
            codes[inside, level] = self.coder.code_alike(distribution, codes[inside, level])

    def of_codes(self, codes: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> "Chunk":
        """Returns a chunk of n other code maps int32 [n, h, w, L] and no pixels, for the same coder.

        `rows` and `columns`, int [n], are the numbers of rows and columns of each that are coded.
        """
        extents, classes = np.zeros([len(codes), 2], int), len(self._class_probabilities)
        return Chunk(self.coder, codes, self.images, extents, columns, self._pixels, classes, rows=rows)

    def code(self, logits: np.ndarray, i: int, j: int, level: int) -> np.ndarray:
        """Codes one code of each tile.

        The distribution of a class-conditional prior is a mixture over the classes, whose weights are the probabilities
        of the classes given the previous codes.

        Args:
          logits: float32 [classes * B, K].
          i, j: row and column in the code map.
          level: index of the codebook, in 0..L - 1.

        Returns:
          The codes, int32 [B].

        Raises:
          VQError: the logits are not finite.
        """
        self._in_order(i, j, level)
        _check_finite(logits)
        tiles = np.flatnonzero((i < self._rows) & (j < self._columns))  # those that have this code
        if not len(tiles):
            return self.codes[:, i, j, level]
        logits = logits.reshape(-1, len(self.codes), logits.shape[-1])[:, tiles].astype(np.float64)
        logits = np.ascontiguousarray(logits.transpose(2, 0, 1))  # [K, classes, tiles]
        p = arithmetic.exp(logits - logits.max(0))
        p /= np.cumsum(p, 0)[-1]
        weights = self._class_probabilities[:, tiles]
        mixture = weights[0] * p[:, 0]
        for k in range(1, len(weights)):
            mixture += weights[k] * p[:, k]
        codes = self.coder.code(cumulative.of_probabilities(mixture), self.codes[tiles, i, j, level])
        self.codes[tiles, i, j, level] = codes
        weights = weights * p[codes, :, np.arange(len(tiles))].T
        self._class_probabilities[:, tiles] = np.maximum(weights / np.cumsum(weights, 0)[-1], MIN_CLASS_PROBABILITY)
        return self.codes[:, i, j, level]

    def pixel(self, parameters: np.ndarray, i: int, j: int) -> np.ndarray:
        """Codes the pixel at row i and column j of each tile.

        Args:
          parameters: the likelihood parameters of these pixels, float32 [B, outputs].
          i, j: row and column in the tile.

        Returns:
          The pixels, uint8 [B, C].

        Raises:
          VQError: the parameters are not finite.
        """
        self._in_order(i, j)
        right, below = j >= self._widths, i >= self._heights
        inside = np.flatnonzero(~(right | below))
        self.images[inside, i, j] = self._code_pixels(parameters[inside], self.images[inside, i, j])
        if len(inside) < self._n:
            right, below = np.flatnonzero(right), np.flatnonzero(below & ~right)
            self.images[right, i, j] = self.images[right, i, j - 1]
            self.images[below, i, j] = self.images[below, i - 1, j]
        return self.images[:, i, j]

    def front(self, parameters: np.ndarray, t: int) -> np.ndarray:
        """Codes the pixels of each tile on a wavefront.

        Args:
          parameters: the likelihood parameters of the n pixels that are inside the array, float32 [B, n, outputs].
          t: the step of `Wavefronts`.

        Returns:
          The pixels, uint8 [B, n, C].

        Raises:
          VQError: the parameters are not finite.
        """
        self._in_order(t)
        n = parameters.shape[1]
        rows, columns = self._fronts.rows[t, :n], self._fronts.columns[t, :n]
        right, below = columns >= self._widths[:, np.newaxis], rows >= self._heights[:, np.newaxis]  # [tiles, n]
        outside = right | below
        if not outside.any():
            here = (slice(self._n), rows, columns)
            known = self.images[here]
            flat = [x.reshape(self._n * n, x.shape[-1]) for x in (parameters[: self._n], known)]
            coded = self._code_pixels(*flat, FRONT_BLOCK)
            self.images[here] = coded.reshape(known.shape)
            return self.images[:, rows, columns]
        tile, k = np.nonzero(~outside)
        i, j = rows[k], columns[k]
        self.images[tile, i, j] = self._code_pixels(parameters[tile, k], self.images[tile, i, j], FRONT_BLOCK)
        tile, k = np.nonzero(right)
        self.images[tile, rows[k], columns[k]] = self.images[tile, rows[k], columns[k] - 1]
        tile, k = np.nonzero(below & ~right)
        self.images[tile, rows[k], columns[k]] = self.images[tile, rows[k] - 1, columns[k]]
        return self.images[:, rows, columns]

    def front_of_one(self, parameters: np.ndarray, t: int, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Codes the pixels of the only tile on a wavefront, which are inside it.

        Args:
          parameters: the likelihood parameters of these pixels, float32 [n, outputs].
          t: the step of `Wavefronts`.
          rows, columns: int [n], the pixels.

        Returns:
          The pixels, uint8 [n, C].

        Raises:
          VQError: the parameters are not finite.
        """
        self._in_order(t)
        pixels = self._code_pixels(parameters, self.images[0, rows, columns], FRONT_BLOCK)
        self.images[0, rows, columns] = pixels
        return pixels

    def pixels(self, parameters: np.ndarray) -> None:
        """Codes all pixels, tile by tile in raster order, under likelihood parameters [B, H, W, outputs]."""
        rows, columns = (np.arange(n) for n in parameters.shape[1:3])
        rows = rows[:, np.newaxis]
        inside = (rows < self._heights[:, np.newaxis, np.newaxis]) & (columns < self._widths[:, np.newaxis, np.newaxis])
        images = self.images[: self._n]
        images[inside] = self._code_pixels(parameters[: self._n][inside], images[inside])

    def finish(self) -> None:
        """Codes the pixels that wait to be encoded. Call it after the last step."""
        waiting, self._waiting, self._pixels_waiting = self._waiting, [], 0
        blocks: List[slice] = []
        for parameters, _, size in waiting:
            first = blocks[-1].stop if blocks else 0
            blocks += _blocks(first, first + len(parameters), size)
        if blocks:
            tables = Tables()
            self._code_block(tables, *(np.concatenate(arrays) for arrays in list(zip(*waiting))[:2]))
            tables.encode(self.coder, blocks)

    def _code_pixels(self, parameters: np.ndarray, known: np.ndarray, size: int = BLOCK) -> np.ndarray:
        """Codes pixels uint8 [n, C] under parameters [n, outputs], block by block and channel by channel.

        The tables of known pixels do not depend on the coder, so an encoder computes those of several steps at once.
        """
        _check_finite(parameters)
        if self.coder.knows_symbols and len(known) < WAITING:
            self._waiting.append((parameters, known, size))
            self._pixels_waiting += len(known)
            if self._pixels_waiting >= WAITING:
                self.finish()
            return known
        self.finish()
        pixels = np.empty_like(known)
        for block in _blocks(0, len(known), size):
            pixels[block] = self._code_block(self.coder, parameters[block], known[block])
        return pixels

    def _code_block(self, coder: Union[Coder, Tables], parameters: np.ndarray, known: np.ndarray) -> np.ndarray:
        """Codes pixels uint8 [n, C] channel by channel."""
        p, pixels = self._pixels(parameters), np.empty_like(known)
        number = np.zeros(256, np.int32)
        number[p.levels] = np.arange(len(p.levels))
        for channel in range(known.shape[1]):
            pixels[:, channel] = p.levels[p.code(coder, channel, number[known[:, channel]])]
            p.observe(channel, pixels[:, channel])
        return pixels

    def _in_order(self, *step: int) -> None:
        """Raises AssertionError if the graph does not run its steps in order: each step needs the previous one."""
        kind = len(step)
        if self._steps and len(self._steps[-1]) == kind and self._steps[-1] >= step:
            raise AssertionError(f"step {step} after {self._steps[-1]}")
        self._steps = [step]
