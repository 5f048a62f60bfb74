"""Images of any size as tiles of the model's size, recordings of any length as stretches, and back. See `coding`."""

from typing import Iterator, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from vq_estimator.inference.codec.coding import Frame, coding_of
from vq_estimator.inference.codec.container import Item


class Tiles(NamedTuple):
    """Some tiles: uint8 [n, height, width, C], beyond their true sizes copies of the last row and column."""

    images: np.ndarray
    frame: Frame

    def true_pixels(self) -> bytes:
        """The bytes of the pixels within the true sizes, tile by tile."""
        extents = self.frame.extents
        if (extents == self.frame.shape).all():
            return self.images.tobytes()
        return b"".join(image[:h, :w].tobytes() for image, (h, w) in zip(self.images, extents))


class Layout:
    """Which tiles images of some sizes have: all of the first image in raster order, then those of the second.

    Args:
      model: of the run's configuration.
      images: how many.
      size: (height, width) of each, or None where `items` say it.
      items: of each image.

    Attributes:
      order: the numbers of the images as they are coded; recordings by their length, the longest first.
      total: the number of tiles.
    """

    def __init__(self, model, images: int, size: Optional[Sequence[int]], items: Optional[Sequence[Item]]):
        self.images, self._size, self._items = images, size, items
        self._coding = coding_of(model)
        self._tile = self._coding.tile
        self.order = self._coding.order(images, self.size)
        if items is not None:
            counts = [self.count(i) for i in self.order]
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
        (height, width), (H, W) = self.size(image), self._tile
        return -(-height // H) * -(-width // W)

    def _place_of(self, tile: int) -> int:
        """The place in `order` of the image that a tile is of."""
        if self._items is not None:
            return int(np.searchsorted(self._first, tile, "right")) - 1
        return tile // self.count(0)

    def places(self, start: int, end: int) -> List[Tuple[int, int, int, int, int]]:
        """(image, top, left, height, width) of the tiles from `start` on, up to `end`."""
        found, (H, W) = [], self._tile
        place = self._place_of(start) if start < end else 0
        while len(found) < end - start:
            image = self.order[place]
            height, width = self.size(image)
            first = int(self._first[place]) if self._items is not None else place * self.count(0)
            columns = -(-width // W)
            for tile in range(max(start, first), min(end, first + self.count(image))):
                top, left = (tile - first) // columns * H, (tile - first) % columns * W
                found.append((image, top, left, min(H, height - top), min(W, width - left)))
            place += 1
        return found

    def frame(self, start: int, end: int) -> Frame:
        """What is known of the same tiles."""
        places = self.places(start, end)
        extents = np.array([place[3:] for place in places], np.int64).reshape(-1, 2)
        items = [self._items[place[0]] if self._items is not None else None for place in places]
        return Frame(self._coding.array_shape(extents), extents, self._coding.speakers(items))

    @property
    def largest(self) -> Tuple[int, int]:
        """Height and width that the largest tile, which is the first, has in arrays."""
        return self._coding.array_shape(np.array([place[3:] for place in self.places(0, 1)]))


def cut(images: Iterator[np.ndarray], layout: Layout, batch: int) -> Iterator[Tiles]:
    """Images uint8 [H, W, C], in the layout's order, as chunks of tiles."""
    at, image = None, None
    for start in range(0, layout.total, batch):
        end = min(start + batch, layout.total)
        frame, tiles = layout.frame(start, end), []
        for number, top, left, h, w in layout.places(start, end):
            if number != at:
                at, image = number, next(images)
                assert image.shape[:2] == layout.size(number), (image.shape, layout.size(number))
            tile = image[top : top + h, left : left + w]
            if (h, w) != frame.shape:
                tile = np.pad(tile, [(0, frame.shape[0] - h), (0, frame.shape[1] - w), (0, 0)], mode="edge")
            tiles.append(tile)
        yield Tiles(np.stack(tiles), frame)


def join(
    chunks: Iterator[Optional[np.ndarray]], layout: Layout, batch: int, channels: int
) -> Iterator[Tuple[int, Optional[np.ndarray]]]:
    """Chunks of tiles uint8 [n, height, width, C], None where one is lost, to (number, image or None), in order."""
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
