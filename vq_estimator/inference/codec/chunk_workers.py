"""Chunks, several at a time: tiles to a payload, and a payload to tiles."""

import collections
import os
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import Callable, Iterable, Iterator, Optional, Tuple

import numpy as np
from tqdm import tqdm

from vq_estimator.config import arguments
from vq_estimator.errors import VQError
from vq_estimator.inference.codec.coder import Damaged, Decoder, Encoder
from vq_estimator.inference.codec.container import Header
from vq_estimator.inference.codec.network import Network
from vq_estimator.inference.codec.tiles import Frame, Tiles

MAX_WORKERS = 8


class Progress:
    """A bar over tiles that moves within a chunk too, whose symbols may take minutes; a context.

    Args:
      total: tiles.
      title: what is done with them.
      passes: how often each is coded.
    """

    def __init__(self, total: int, title: str, passes: int = 1):
        self._passes, self._lock, self._total, self._done = passes, threading.Lock(), total, 0.0
        # By time alone (miniters): one symbol may take as long as thousands of others.
        self._bar = tqdm(total=total, unit="tile", unit_scale=True, miniters=0, desc=title)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *error) -> None:
        self._bar.close()

    def chunk(self, network: Network, frame: Frame, channels: int) -> "ChunkProgress":
        """The progress of one chunk."""
        tiles = len(frame.extents)
        pixels, codes = int(frame.extents.prod(1).sum()) * channels, tiles * int(np.prod(network.grid(frame)))
        return ChunkProgress(self._advance, tiles, self._passes * (pixels + codes))

    def _advance(self, tiles: float) -> None:
        with self._lock:
            self._done = min(self._done + tiles, self._total)
            self._bar.n = self._done
            self._bar.update(0)


class ChunkProgress:
    """Called with the number of symbols that were coded, it moves the bar by their share of the chunk's tiles."""

    def __init__(self, advance: Callable[[float], None], tiles: int, symbols: int):
        self._advance, self._left, self._each = advance, float(tiles), tiles / max(symbols, 1)

    def __call__(self, symbols: int) -> None:
        step = min(self._each * symbols, self._left)
        self._left -= step
        self._advance(step)

    def finish(self) -> None:
        """Moves the bar to the chunk's end, whatever was counted."""
        step, self._left = self._left, 0.0
        self._advance(step)


def encode(
    network: Network, header: Header, tiles: Tiles, verify: bool, progress: ChunkProgress
) -> Tuple[bytes, int, int]:
    """A chunk's payload, and the checksums of its tables and its pixels."""
    n = len(tiles.images)
    images = np.zeros((header.batch, *tiles.images.shape[1:]), np.uint8)
    images[:n] = tiles.images
    codes = network.encode(images, tiles.frame)
    codes[n:] = 0  # as they are when they are decoded
    coder = Encoder(progress)
    network.code(coder, codes, images, tiles.frame)
    payload, pixels = coder.payload(), tiles.true_pixels()
    if verify:
        again = decode(network, header, payload, tiles.frame, coder.tables_crc, progress)
        if Tiles(again, tiles.frame).true_pixels() != pixels:
            raise VQError("codec: a chunk was decoded to other pixels than it was made of; nothing is written")
    progress.finish()
    return payload, coder.tables_crc, zlib.crc32(pixels)


def decode(
    network: Network, header: Header, payload: bytes, frame: Frame, tables_crc: int, progress: ChunkProgress
) -> np.ndarray:
    """The tiles uint8 [n, height, width, C] of a chunk.

    Raises:
      VQError: they were coded with other tables.
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
        raise VQError("was coded with other probabilities than the network gives here" + _floats(network, header))
    return images[: len(frame.extents)]


def _floats(network: Network, header: Header) -> str:
    """Of a message: what differs between the arithmetic of a file and that of this process."""
    here = network.arithmetic()
    different = sorted(k for k in {*here, *header.arithmetic} if here.get(k) != header.arithmetic.get(k))
    if not different:
        return ""
    there = ", ".join(f"{k} {header.arithmetic.get(k)}" for k in different)
    return f" (written with {there}; here {', '.join(f'{k} {here.get(k)}' for k in different)})"


def number_of_workers(asked: Optional[int]) -> int:
    if asked is None:
        there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return min(there, MAX_WORKERS)
    return arguments.integer("workers", asked, 1, MAX_WORKERS, f"1 to {MAX_WORKERS}")


def in_order(work: Callable, items: Iterable, workers: int, stop: Callable[[], None]) -> Iterator[Tuple]:
    """(item, work(item)) in order, `workers` at a time; few items are taken ahead."""
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
        except BaseException:  # Ctrl-C too: what runs is told to end
            stop()
            for _, future in waiting:
                future.cancel()
            raise
