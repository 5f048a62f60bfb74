"""One chunk: up to a batch of tiles on their way into a stream of bits, or out of it.

Both ways are the same walk. The codes come first, then the pixels given the codes. What is known when encoding is there
before; when decoding it is filled in, symbol by symbol. The network asks for symbols in the order in which it needs
them, `code` and `pixel` one step at a time; the tiles of the batch are coded side by side within a step.

A tile has its true height and width. Beyond them nothing is coded: a pixel there is the one left of it, below the
last row the one above it. A batch is always whole, and what it has more than tiles is black and not coded either.
A recording is a tile of one row, and its samples are the pixels; of those that are coded side by side each has its own
length, and no codes beyond it.
"""

from typing import Callable, List, Optional, Tuple

import numpy as np

from vq_estimator.errors import VQError
from vq_estimator.inference.codec.coder import Coder
from vq_estimator.nn import arithmetic
from vq_estimator.nn.likelihoods import cumulative
from vq_estimator.nn.local import Wavefronts

BLOCK = 256  # pixels whose tables are made at once: about what a processor's cache holds. Part of the format.
FRONT_BLOCK = 512  # the same along a wavefront
LEAST_BELIEF = 1e-200  # in a class; it may rise again


def _check_numbers(given: np.ndarray) -> None:
    if not np.isfinite(given).all():
        raise VQError("checkpoint: gives likelihoods that are no numbers (NaN)")


class Chunk:
    """The state of a walk.

    Args:
      coder: an Encoder or a Decoder.
      codes: int32 [B, h, w, L].
      images: uint8 [B, H, W, C], of recordings [B, 1, T, 1]; filled in, as are the codes, where they are not known.
      extents: int [n, 2], true height and width of the n <= B tiles.
      columns: int [n], how many columns of codes each tile has.
      pixels: what makes the distributions of pixels of a decoder's output (`cumulative.for_likelihood`).
      classes: of the learned prior, those that a tile may be of; 0 where it has none.
      fronts: the steps of a decoder that generates wavefronts.
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
    ):
        self.coder, self.codes, self.images = coder, codes, images
        self.error: Optional[BaseException] = None
        self._n, self._heights, self._widths = len(extents), extents[:, 0], extents[:, 1]
        self._columns = columns
        self._pixels, self._fronts = pixels, fronts
        self._belief = np.full([max(classes, 1), self._n], 1.0 / max(classes, 1))
        self._steps: List[Tuple[int, ...]] = []  # the last one taken

    def codes_alike(self, distributions: List[np.ndarray]) -> None:
        """Codes all codes under a distribution [K - 1] for each of the L codebooks."""
        codes = self.codes[: self._n]
        there = np.arange(codes.shape[2]) < self._columns[:, np.newaxis, np.newaxis]
        there = np.broadcast_to(there, codes.shape[:3])
        for level, distribution in enumerate(distributions):
            codes[there, level] = self.coder.code_alike(distribution, codes[there, level])

    def code(self, logits: np.ndarray, i: int, j: int, level: int) -> np.ndarray:
        """Codes one code of each tile under logits float32 [classes * B, K]; returns them, int32 [B].

        Of a class-conditional prior it is the mixture over the classes, each weighed by its probability given the codes
        before.
        """
        self._in_order(i, j, level)
        _check_numbers(logits)
        there = np.flatnonzero(j < self._columns)
        if not len(there):
            return self.codes[:, i, j, level]
        logits = logits.reshape(-1, len(self.codes), logits.shape[-1])[:, there].astype(np.float64)
        logits = np.ascontiguousarray(logits.transpose(2, 0, 1))  # [K, classes, tiles that have this code]
        p = arithmetic.exp(logits - logits.max(0))
        p /= np.cumsum(p, 0)[-1]
        belief = self._belief[:, there]
        mixture = belief[0] * p[:, 0]
        for k in range(1, len(belief)):
            mixture += belief[k] * p[:, k]
        found = self.coder.code(cumulative.of_probabilities(mixture), self.codes[there, i, j, level])
        self.codes[there, i, j, level] = found
        belief = belief * p[found, :, np.arange(len(there))].T
        self._belief[:, there] = np.maximum(belief / np.cumsum(belief, 0)[-1], LEAST_BELIEF)
        return self.codes[:, i, j, level]

    def pixel(self, parameters: np.ndarray, i: int, j: int) -> np.ndarray:
        """Codes the pixel at row i and column j of each tile, given what its distribution is made of, [B, outputs].

        Returns the pixels, uint8 [B, C].
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
        """Codes the pixels of each tile on a wavefront, given the parameters of their distributions [B, n, outputs].

        Returns the pixels, uint8 [B, n, C]; those outside the array are 0.
        """
        self._in_order(t)
        number = np.flatnonzero(self._fronts.inside[t])
        rows, columns = self._fronts.rows[t, number], self._fronts.columns[t, number]
        found = np.zeros((*parameters.shape[:2], self.images.shape[-1]), np.uint8)
        right, below = columns >= self._widths[:, np.newaxis], rows >= self._heights[:, np.newaxis]  # [tiles, n]
        tile, k = np.nonzero(~(right | below))
        i, j = rows[k], columns[k]
        self.images[tile, i, j] = self._code_pixels(parameters[tile, number[k]], self.images[tile, i, j], FRONT_BLOCK)
        if len(tile) < right.size:
            tile, k = np.nonzero(right)
            self.images[tile, rows[k], columns[k]] = self.images[tile, rows[k], columns[k] - 1]
            tile, k = np.nonzero(below & ~right)
            self.images[tile, rows[k], columns[k]] = self.images[tile, rows[k] - 1, columns[k]]
        found[:, number] = self.images[:, rows, columns]
        return found

    def pixels(self, parameters: np.ndarray) -> None:
        """Codes all pixels, tile by tile in raster order; `parameters` [B, H, W, outputs] say their distributions."""
        rows, columns = (np.arange(n) for n in parameters.shape[1:3])
        rows = rows[:, np.newaxis]
        inside = (rows < self._heights[:, np.newaxis, np.newaxis]) & (columns < self._widths[:, np.newaxis, np.newaxis])
        images = self.images[: self._n]
        images[inside] = self._code_pixels(parameters[: self._n][inside], images[inside])

    def _code_pixels(self, parameters: np.ndarray, known: np.ndarray, size: int = BLOCK) -> np.ndarray:
        """Codes pixels uint8 [n, C] under parameters [n, outputs] in blocks of `size`, each channel by channel."""
        _check_numbers(parameters)
        found = np.empty_like(known)
        for start in range(0, len(known), size):
            block = slice(start, start + size)
            p = self._pixels(parameters[block])
            number = np.zeros(256, np.int32)
            number[p.levels] = np.arange(len(p.levels))
            for channel in range(known.shape[1]):
                found[block, channel] = p.levels[p.code(self.coder, channel, number[known[block, channel]])]
                p.observe(channel, found[block, channel])
        return found

    def _in_order(self, *step: int) -> None:
        """The graph takes its steps one after the other, since each needs the one before; if ever not, it ends."""
        kind = len(step)
        if self._steps and len(self._steps[-1]) == kind and self._steps[-1] >= step:
            raise AssertionError(f"step {step} after {self._steps[-1]}")
        self._steps = [step]
