"""Chunks, several at a time: tiles to a payload, and a payload to tiles."""

import collections
import os
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import Callable, Iterable, Iterator, Optional, Tuple

import numpy as np

from vq_estimator.config import arguments
from vq_estimator.errors import VQError
from vq_estimator.inference.codec.coder import Damaged, Decoder, Encoder
from vq_estimator.inference.codec.container import Header
from vq_estimator.inference.codec.network import Network
from vq_estimator.inference.codec.tiles import Frame, Tiles

MOST_WORKERS = 8


def encode(network: Network, header: Header, tiles: Tiles, verify: bool) -> Tuple[bytes, int, int]:
    """A chunk's payload, and the checksums of its tables and its pixels."""
    n = len(tiles.images)
    images = np.zeros((header.batch, *tiles.images.shape[1:]), np.uint8)
    images[:n] = tiles.images
    codes = network.encode(images, tiles.frame)
    codes[n:] = 0  # as they are when they are decoded
    coder = Encoder()
    network.code(coder, codes, images, tiles.frame)
    payload, pixels = coder.payload(), tiles.true_pixels()
    if verify:
        again = decode(network, header, payload, tiles.frame, coder.tables_crc)
        if Tiles(again, tiles.frame).true_pixels() != pixels:
            raise VQError("codec: a chunk was decoded to other pixels than it was made of; nothing is written")
    return payload, coder.tables_crc, zlib.crc32(pixels)


def decode(network: Network, header: Header, payload: bytes, frame: Frame, tables_crc: int) -> np.ndarray:
    """The tiles uint8 [n, height, width, C] of a chunk.

    Raises:
      VQError: they were coded with other tables.
    """
    codes = np.zeros((header.batch, *network.grid(frame)), np.int32)
    images = np.zeros((header.batch, *frame.shape, header.sizes[1]), np.uint8)
    try:
        coder = Decoder(payload)
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
        return min(there, MOST_WORKERS)
    return arguments.integer("workers", asked, 1, MOST_WORKERS, f"1 to {MOST_WORKERS}")


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
