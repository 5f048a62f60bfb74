"""Cuts images of any size and recordings of any length into tiles, and joins tiles again. See `coding` and `whole`."""

from typing import Iterator, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from vq_estimator.inference.codec.coding import Frame
from vq_estimator.inference.codec.container import Item
from vq_estimator.inference.codec.whole import coding_for


class Tiles(NamedTuple):
    """Tiles of one chunk.

    Attributes:
      images: uint8 [n, height, width, C]. Beyond its true size, a tile repeats its last row and column.
      frame: their shapes and speakers.
    """

    images: np.ndarray
    frame: Frame

    def true_pixels(self) -> bytes:
        """Returns the bytes of the pixels within the true sizes, tile by tile."""
        extents = self.frame.extents
        if (extents == self.frame.shape).all():
            return self.images.tobytes()
        return b"".join(image[:h, :w].tobytes() for image, (h, w) in zip(self.images, extents))


class Layout:
    """The order of the tiles of all images: those of the first image in raster order, then those of the second.

    Args:
      model: the configuration of the run's model.
      images: number of images.
      size: (height, width) of every image, or None if `items` has the sizes.
      items: one per image, or None.
      name: WHOLE, or None for tiles of the model's size.

    Attributes:
      order: the indices of the images in coding order; recordings are sorted by length, the longest first.
      total: number of tiles.
    """

    def __init__(
        self,
        model,
        images: int,
        size: Optional[Sequence[int]],
        items: Optional[Sequence[Item]],
        name: Optional[str] = None,
    ):
        self.images, self._size, self._items = images, size, items
        self._coding = coding_for(model, name)
        self._tile = self._coding.tile
        self.order = self._coding.order(images, self.size)
        if items is not None:
            counts = [self.count(i) for i in self.order]
            self._first = np.concatenate([[0], np.cumsum(np.array(counts, np.int64))])
            self.total = int(self._first[-1])
        else:
            self.total = images * self.count(0) if images else 0

    def size(self, image: int) -> Tuple[int, int]:
        """Returns the height and width of an image."""
        if self._items is not None:
            return self._items[image].height, self._items[image].width
        return self._size[0], self._size[1]

    def count(self, image: int) -> int:
        """Returns the number of tiles of an image."""
        (height, width), (H, W) = self.size(image), self._tile
        return -(-height // H) * -(-width // W)

    def _place_of(self, tile: int) -> int:
        """Returns the position in `order` of a tile's image."""
        if self._items is not None:
            return int(np.searchsorted(self._first, tile, "right")) - 1
        return tile // self.count(0)

    def places(self, start: int, end: int) -> List[Tuple[int, int, int, int, int]]:
        """Returns (image, top, left, height, width) of each tile from `start` to `end` - 1."""
        places, (H, W) = [], self._tile
        place = self._place_of(start) if start < end else 0
        while len(places) < end - start:
            image = self.order[place]
            height, width = self.size(image)
            first = int(self._first[place]) if self._items is not None else place * self.count(0)
            columns = -(-width // W)
            for tile in range(max(start, first), min(end, first + self.count(image))):
                top, left = (tile - first) // columns * H, (tile - first) % columns * W
                places.append((image, top, left, min(H, height - top), min(W, width - left)))
            place += 1
        return places

    def frame(self, start: int, end: int) -> Frame:
        """Returns the shapes and the speakers of the tiles from `start` to `end` - 1."""
        places = self.places(start, end)
        extents = np.array([place[3:] for place in places], np.int64).reshape(-1, 2)
        items = [self._items[place[0]] if self._items is not None else None for place in places]
        return Frame(self._coding.array_shape(extents), extents, self._coding.speakers(items))

    @property
    def largest(self) -> Tuple[int, int]:
        """Height and width in arrays of the largest tile, which is the first one."""
        return self._coding.array_shape(np.array([place[3:] for place in self.places(0, 1)]))


def cut(images: Iterator[np.ndarray], layout: Layout, batch: int) -> Iterator[Tiles]:
    """Cuts images uint8 [H, W, C], which come in the layout's order, into chunks of `batch` tiles."""
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
    """Joins chunks of tiles to images.

    Args:
      chunks: tiles uint8 [n, height, width, C] of each chunk, or None if it is lost.
      layout: the layout of the tiles.
      batch: tiles per chunk.
      channels: C.

    Yields:
      (index, image uint8 [H, W, C] or None if a tile is lost), in the layout's order.
    """
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
