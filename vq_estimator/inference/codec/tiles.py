"""Images of any size as square tiles of the model's, and back."""

from typing import Iterator, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from vq_estimator.inference.codec.container import Item


class Tiles(NamedTuple):
    """Some tiles: images uint8 [n, S, S, C], beyond the true size copies of the last row and column, and these sizes.

    Attributes:
      images: the tiles.
      extents: int [n, 2], true height and width of each.
    """

    images: np.ndarray
    extents: np.ndarray

    def true_pixels(self) -> bytes:
        """The bytes of the pixels within the true sizes, tile by tile."""
        S = self.images.shape[1]
        if (self.extents == S).all():
            return self.images.tobytes()
        return b"".join(image[:h, :w].tobytes() for image, (h, w) in zip(self.images, self.extents))


class Layout:
    """Which tiles images of some sizes have: all of the first image in raster order, then those of the second.

    Args:
      side: S.
      images: how many.
      size: (height, width) of each, or None where `items` say it.
      items: of each image.
    """

    def __init__(self, side: int, images: int, size: Optional[Sequence[int]], items: Optional[Sequence[Item]]):
        self.images, self._side, self._size, self._items = images, side, size, items
        if items is not None:
            counts = [self.count(i) for i in range(images)]
            self._first = np.concatenate([[0], np.cumsum(np.array(counts, np.int64))])
            self.total = int(self._first[-1])
        else:
            self.total = images * self.count(0) if images else 0

    def size(self, image: int) -> Tuple[int, int]:
        """Height and width of an image."""
        if self._items is not None:
            return self._items[image].height, self._items[image].width
        return self._size[0], self._size[1]

    def count(self, image: int) -> int:
        """Tiles of an image."""
        height, width = self.size(image)
        return -(-height // self._side) * -(-width // self._side)

    def image_of(self, tile: int) -> int:
        """The image that a tile is of."""
        if self._items is not None:
            return int(np.searchsorted(self._first, tile, "right")) - 1
        return tile // self.count(0)

    def places(self, start: int, end: int) -> List[Tuple[int, int, int, int, int]]:
        """(image, top, left, height, width) of the tiles from `start` on, up to `end`."""
        found, S = [], self._side
        image = self.image_of(start) if start < end else 0
        while len(found) < end - start:
            height, width = self.size(image)
            first = int(self._first[image]) if self._items is not None else image * self.count(0)
            columns = -(-width // S)
            for tile in range(max(start, first), min(end, first + self.count(image))):
                top, left = (tile - first) // columns * S, (tile - first) % columns * S
                found.append((image, top, left, min(S, height - top), min(S, width - left)))
            image += 1
        return found

    def extents(self, start: int, end: int) -> np.ndarray:
        """int [n, 2] of the same."""
        return np.array([place[3:] for place in self.places(start, end)], np.int64).reshape(-1, 2)


def cut(images: Iterator[np.ndarray], layout: Layout, side: int, batch: int) -> Iterator[Tiles]:
    """Images uint8 [H, W, C], in the layout's order, as chunks of tiles."""
    waiting: List[np.ndarray] = []
    extents: List[Tuple[int, int]] = []
    for number, image in enumerate(images):
        height, width = layout.size(number)
        assert image.shape[:2] == (height, width), (image.shape, height, width)
        for top in range(0, height, side):
            for left in range(0, width, side):
                tile = image[top : top + side, left : left + side]
                h, w = tile.shape[:2]
                if (h, w) != (side, side):
                    tile = np.pad(tile, [(0, side - h), (0, side - w), (0, 0)], mode="edge")
                waiting.append(tile)
                extents.append((h, w))
                if len(waiting) == batch:
                    yield Tiles(np.stack(waiting), np.array(extents))
                    waiting, extents = [], []
    if waiting:
        yield Tiles(np.stack(waiting), np.array(extents))


def join(
    chunks: Iterator[Optional[np.ndarray]], layout: Layout, batch: int, channels: int
) -> Iterator[Tuple[int, Optional[np.ndarray]]]:
    """Chunks of tiles uint8 [n, S, S, C], None where one is lost, to (number, image or None), in order."""
    canvas, complete, at = None, True, None
    for number, tiles in enumerate(chunks):
        start = number * batch
        for k, (image, top, left, height, width) in enumerate(layout.places(start, min(start + batch, layout.total))):
            if image != at:
                if at is not None:
                    yield at, canvas if complete else None
                canvas, complete, at = np.empty(layout.size(image) + (channels,), np.uint8), True, image
            if tiles is None:
                complete = False
            else:
                canvas[top : top + height, left : left + width] = tiles[k, :height, :width]
    if at is not None:
        yield at, canvas if complete else None
