"""The layout of images that are not cut into the model's tiles, for decoders that generate wavefronts.

A chunk has one image, or one part of an image that is larger than LARGEST x LARGEST pixels. Its pixels are coded along
the wavefronts of the complete image, so every pixel has its neighbours. The loop over the wavefronts is in Python: it
gathers the neighbours of a wavefront and runs the network's step for them; see `any_size`.
"""

from typing import Optional, Sequence

import numpy as np

from vq_estimator.inference import any_size
from vq_estimator.inference.codec.chunk import Chunk
from vq_estimator.inference.codec.coding import Frame, ImageCoding, coding_of
from vq_estimator.nn.neighbourhood import Wavefronts

WHOLE = "whole"  # the name of the layout in a header; that of tiles is absent
LARGEST = 1024  # side of the largest part of an image. Part of the format.
ROUND = 16  # the number of pixels of a step is rounded up to a multiple, for fewer shapes. Part of the format.
MAX_CODE_MAPS = 200  # code maps per batch of the learned prior. Part of the format.


class WholeCoding(ImageCoding):
    """The parts of the codec for images of any size; a tile is a complete image, up to LARGEST x LARGEST pixels."""

    def __init__(self, model):
        super().__init__(model)
        self._grid, self._stride = model.grid, model.network.stride
        self.tile = (LARGEST, LARGEST)

    @property
    def image_shape(self):
        return None, None, self._model.channels

    @property
    def code_map_shape(self):
        return None, None, self._model.quantizer.L

    def array_shape(self, extents):
        return tuple(int(n) for n in extents.max(0))

    def most_batch(self, shape):
        return 1

    def codes_shape(self, frame):
        return (*any_size.code_size(frame.shape, self._stride), self._model.quantizer.L)

    def columns(self, frame):
        return np.array([self.codes_shape(frame)[1]])

    @property
    def fronts(self):
        return None  # they depend on the image

    def prior_chunks(self, chunk):
        """Cuts the code map into maps of the model's size. Codes outside of the map are 0, and are not coded."""
        (h, w, L), codes = self._grid, chunk.codes[0]
        places = [(top, left) for top in range(0, codes.shape[0], h) for left in range(0, codes.shape[1], w)]
        for start in range(0, len(places), MAX_CODE_MAPS):
            areas = [codes[top : top + h, left : left + w] for top, left in places[start : start + MAX_CODE_MAPS]]
            maps = np.zeros([len(areas), h, w, L], np.int32)
            for map_, area in zip(maps, areas):
                map_[: area.shape[0], : area.shape[1]] = area
            rows, columns = np.array([area.shape[:2] for area in areas]).T
            yield chunk.of_codes(maps, rows, columns)
            for map_, area in zip(maps, areas):
                area[:] = map_[: area.shape[0], : area.shape[1]]

    def add_ops(self, model, ops, make_request) -> None:
        del make_request
        ops["any_size"] = any_size.build(model)

    def encode(self, session, ops, images, frame):
        image = any_size.padded(images[0], self._stride)
        return session.run(ops["encoded"], {ops["images"]: image[np.newaxis]})

    def code_pixels(self, session, ops, chunk: Chunk, feed, frame: Frame, check_stop) -> None:
        """Codes an image wavefront by wavefront."""
        o, m, (height, width) = ops["any_size"], self._model, frame.shape
        condition = session.run(o.condition, {o.codes: feed[ops["codes"]]})[0, :height, :width]
        condition = condition.reshape(height * width, -1)
        step = session.make_callable(o.parameters, [o.near, o.here])
        fronts, canvas = (
            Wavefronts(height, width, m.decoder.reach),
            any_size.Canvas(frame.shape, m.channels, m.decoder.reach),
        )
        for t in range(fronts.steps):
            check_stop()
            inside = fronts.inside[t]
            rows, columns = fronts.rows[t, inside], fronts.columns[t, inside]
            n = len(rows)
            if not n:
                continue
            near, here = canvas.near(rows, columns), condition[rows * width + columns]
            near, here = (np.pad(x, [(0, -n % ROUND), (0, 0)]) for x in (near, here))
            canvas.set(rows, columns, chunk.front_of_one(step(near, here)[:n], t, rows, columns))


def layout_for(model, size: Optional[Sequence[int]], items: Optional[Sequence]) -> Optional[str]:
    """Returns the layout of images of `size`, or of the sizes of `items`: WHOLE, or None for tiles."""
    if not any_size.supports(model):
        return None
    sizes = {(item.height, item.width) for item in items} if size is None else {tuple(size)}
    return None if sizes == {tuple(model.size)} else WHOLE


def coding_for(model, layout: Optional[str]) -> ImageCoding:
    """Returns the parts of the codec for a model's configuration and a layout."""
    return coding_of(model) if layout is None else WholeCoding(model)
