"""Encodes tiles to payloads and decodes payloads to tiles, several chunks in parallel."""

import collections
import os
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import Callable, Iterable, Iterator, Optional, Tuple

import numpy as np

from vq_estimator.config import arguments
from vq_estimator.errors import VQError
from vq_estimator.inference.codec.coder import Damaged, Decoder, Encoder
from vq_estimator.inference.codec.container import Entry
from vq_estimator.inference.codec.header import Header
from vq_estimator.inference.codec.network import Network
from vq_estimator.inference.codec.tiles import Frame, Tiles
from vq_estimator.progress import ProgressBar

MAX_WORKERS = 8


class Progress:
    """A progress bar over tiles, as a context manager. It also moves within a chunk, which may take minutes.

    Args:
      total: number of tiles.
      title: the title of the bar.
      passes: how many times each tile is coded.
    """

    def __init__(self, total: int, title: str, passes: int = 1):
        self._passes, self._lock, self._total, self._done = passes, threading.Lock(), total, 0.0
        # miniters=0 refreshes the bar by time, because one symbol may take as long as thousands of others.
        self._bar = ProgressBar(total=total, unit="tile", unit_scale=True, miniters=0, desc=title)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *error) -> None:
        self._bar.close()

    def chunk(self, network: Network, frame: Frame) -> "ChunkProgress":
        """Returns the progress of one chunk."""
        return ChunkProgress(self._advance, len(frame.extents), self._passes * network.symbols(frame))

    def _advance(self, tiles: float) -> None:
        with self._lock:
            self._done = min(self._done + tiles, self._total)
            self._bar.n = self._done
            self._bar.update(0)


class ChunkProgress:
    """A function of the number of coded symbols that moves the bar by their share of the chunk's tiles."""

    def __init__(self, advance: Callable[[float], None], tiles: int, symbols: int):
        self._advance, self._left, self._each = advance, float(tiles), tiles / max(symbols, 1)

    def __call__(self, symbols: int) -> None:
        step = min(self._each * symbols, self._left)
        self._left -= step
        self._advance(step)

    def finish(self) -> None:
        """Moves the bar to the end of the chunk, regardless of the symbols counted so far."""
        step, self._left = self._left, 0.0
        self._advance(step)


def encode(
    network: Network, header: Header, tiles: Tiles, verify: bool, progress: ChunkProgress
) -> Tuple[bytes, int, int]:
    """Encodes a chunk.

    Returns:
      The payload, and the CRC-32 of its tables and of what it restores exactly.

    Raises:
      VQError: `verify` is set and the payload decodes to different pixels, or to different codes in a lossy file.
    """
    n = len(tiles.images)
    images = np.zeros((header.batch, *tiles.images.shape[1:]), np.uint8)
    images[:n] = tiles.images
    codes = network.encode(images, tiles.frame)
    codes[n:] = 0  # the decoder starts with zeros as well
    coder = Encoder(progress)
    network.code(coder, codes, images, tiles.frame)
    payload, exact = coder.payload(), _exact_bytes(header, codes, images, tiles.frame)
    if verify:
        decoded = decode_symbols(network, header, payload, tiles.frame, coder.tables_crc, progress)
        if _exact_bytes(header, *decoded, tiles.frame) != exact:
            raise VQError(f"codec: a chunk was decoded to {header.exact} that differ from the input; no file is made")
    progress.finish()
    return payload, coder.tables_crc, zlib.crc32(exact)


def decode(
    network: Network, header: Header, payload: bytes, frame: Frame, entry: Entry, number: int, progress: ChunkProgress
) -> np.ndarray:
    """Decodes a chunk to tiles, uint8 [n, height, width, C]; `number` is the seed of a lossy chunk's draws, if any.

    Raises:
      VQError: the chunk was encoded with different tables, or its content differs from its checksum.
    """
    codes, images = decode_symbols(network, header, payload, frame, entry.tables_crc, progress)
    if zlib.crc32(_exact_bytes(header, codes, images, frame)) != entry.exact_crc:
        raise VQError(f"has other {header.exact} (wrong checksum)")
    if header.lossy:
        images = network.reconstruct(codes, frame, number)
    return images[: len(frame.extents)]


def _exact_bytes(header: Header, codes: np.ndarray, images: np.ndarray, frame: Frame) -> bytes:
    """Returns what a chunk restores exactly: the pixels of its tiles, or their codes in a lossy file."""
    n = len(frame.extents)
    return codes[:n].astype("<i4").tobytes() if header.lossy else Tiles(images[:n], frame).true_pixels()


def decode_symbols(
    network: Network, header: Header, payload: bytes, frame: Frame, tables_crc: int, progress: ChunkProgress
) -> Tuple[np.ndarray, np.ndarray]:
    """Decodes a full batch: codes int32 [B, h, w, L], and images uint8 [B, height, width, C], black in a lossy file.

    Raises:
      VQError: the chunk was encoded with different tables.
    """
    codes = np.zeros((header.batch, *network.grid(frame)), np.int32)
    images = np.zeros((header.batch, *frame.shape, header.channels), np.uint8)
    try:
        coder = Decoder(payload, progress)
        network.code(coder, codes, images, frame)
        same = coder.tables_crc == tables_crc
    except Damaged:
        same = False
    if not same:
        message = "was encoded with probabilities that differ from those computed here"
        raise VQError(message + _arithmetic_differences(network, header))
    return codes, images


def _arithmetic_differences(network: Network, header: Header) -> str:
    """Formats the differences between a file's arithmetic and this process's, for an error message."""
    here = network.arithmetic()
    different = sorted(k for k in {*here, *header.arithmetic} if here.get(k) != header.arithmetic.get(k))
    if not different:
        return ""
    written = ", ".join(f"{k} {header.arithmetic.get(k)}" for k in different)
    return f" (written with {written}; here {', '.join(f'{k} {here.get(k)}' for k in different)})"


def number_of_workers(workers: Optional[int]) -> int:
    """Returns the number of chunks to code in parallel; None: one per processor, up to MAX_WORKERS."""
    if workers is None:
        processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return min(processors, MAX_WORKERS)
    return arguments.integer("workers", workers, 1, MAX_WORKERS, f"1 to {MAX_WORKERS}")


def in_order(work: Callable, items: Iterable, workers: int, stop: Callable[[], None]) -> Iterator[Tuple]:
    """Yields (item, work(item)) in order, with `workers` calls in parallel; it reads few items ahead."""
    waiting = collections.deque()  # type: collections.deque[Tuple[object, Future]]
    with ThreadPoolExecutor(workers) as pool:
        try:
            for item in items:
                waiting.append((item, pool.submit(work, item)))
                if len(waiting) > workers:
                    item, future = waiting.popleft()
                    yield item, future.result()
            while waiting:
                item, future = waiting.popleft()
                yield item, future.result()
        except BaseException:  # including Ctrl-C: the running chunks have to end
            stop()
            for _, future in waiting:
                future.cancel()
            raise
