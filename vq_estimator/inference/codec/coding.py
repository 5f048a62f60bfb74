"""The parts of the codec that differ between kinds of models: tiles, graph ops and fed values.

Images are cut into tiles of the model's size. `speech_coding` and `whole` have the parts for recordings and for images
that are not cut.
"""

import functools
from typing import Any, Callable, Dict, Iterator, NamedTuple, Optional, Sequence, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from vq_estimator.config import LogisticMixturePixels, part, type_name
from vq_estimator.errors import VQError
from vq_estimator.inference.codec.chunk import Chunk
from vq_estimator.nn import likelihoods
from vq_estimator.nn.likelihoods import cumulative, grouped
from vq_estimator.nn.neighbourhood import Wavefronts

MAX_BATCH = 200
MAX_FLOATS = 1 << 25  # limit of a batch's likelihood parameters; for speech models, of its condition

Shape = Tuple[int, int]
Ops = Dict[str, Any]
Feed = Dict[tf.Tensor, np.ndarray]


class Frame(NamedTuple):
    """The shapes and the speakers of a chunk's tiles, which are known before their pixels.

    Attributes:
      shape: height and width of the tiles in arrays.
      extents: int [n, 2], the true height and width of each tile.
      speakers: int32 [n], the speaker of each tile; 0 for images.
    """

    shape: Tuple[int, int]
    extents: np.ndarray
    speakers: np.ndarray


class ImageCoding:
    """The parts of the codec for image models.

    Attributes:
      tile: height and width of a full tile.
      grid: the shape of its codes, (h, w, L).
      decoder: the name of the decoder in a header.
      sample_rate: the sample rate in a header, in Hz; None for images.
      voices: number of speakers; 0 for images.
    """

    sample_rate: Optional[int] = None
    voices = 0

    def __init__(self, model):
        self._model = model
        self.tile, self.grid, self.decoder = self._full_tile(model)

    @staticmethod
    def _full_tile(model) -> Tuple[Shape, Tuple[int, int, int], str]:
        return model.size, model.grid, type_name(model.decoder)

    @property
    def sizes(self) -> Tuple[int, ...]:
        """The size of a tile in a header: the side of a square, or height and width."""
        return self.tile[1:] if self.tile[0] == self.tile[1] else self.tile

    @property
    def image_shape(self) -> Tuple[Optional[int], Optional[int], int]:
        """The shape [H, W, C] of the tiles that the encoder gets."""
        return self._model.shape

    @property
    def code_map_shape(self) -> Tuple[Optional[int], Optional[int], int]:
        """The shape [h, w, L] of their codes."""
        return self._model.codes_shape

    def check(self, images) -> None:
        """Raises VQError if a speech model gets `codec.images.Images` that are not recordings."""

    def order(self, images: int, size: Callable[[int], Shape]) -> Sequence[int]:
        """Returns the indices of the examples in the order in which they are coded; `size` maps an index to a Shape."""
        del size
        return range(images)

    def check_lossy(self) -> None:
        """Raises VQError if a lossy file can't be written, because the model has no reconstruction but draws."""
        if self._model.is_stochastic_decoder:
            want = "a model with a factorised decoder (this decoder draws images; leave out lossy for an exact file)"
            raise VQError(f"lossy: got a model with decoder={self.decoder}, expected {want}")

    def speakers(self, items: Sequence[Any]) -> np.ndarray:
        """Returns the speakers int32 [n] of n tiles, given the `container.Item` of each tile."""
        return np.zeros(len(items), np.int32)

    def array_shape(self, extents: np.ndarray) -> Shape:
        """Returns the height and width in arrays of tiles whose true sizes are `extents` [n, 2]."""
        del extents
        return self.tile

    def most_batch(self, shape: Shape) -> int:
        """Returns how many tiles of `shape`, the largest one, a chunk can have within the memory limit."""
        return max(1, min(MAX_BATCH, MAX_FLOATS // max(self._floats(shape), 1)))

    def allowed_batch(self, shape: Shape) -> int:
        """Returns the largest `batch` that a user may set, given the `shape` of the largest tile."""
        del shape
        return MAX_BATCH

    def _floats(self, shape: Shape) -> int:
        return shape[0] * shape[1] * likelihoods.parameters(self._model.likelihood, self._model.channels)

    def codes_shape(self, frame: Frame) -> Tuple[int, int, int]:
        """Returns the shape (h, w, L) of the codes of a chunk's tiles in arrays."""
        del frame
        return self.grid

    def columns(self, frame: Frame) -> np.ndarray:
        """Returns the number of code columns of each tile, int [n]."""
        return np.full(len(frame.extents), self.grid[1])

    def prior_chunks(self, chunk: Chunk) -> Iterator[Chunk]:
        """Yields chunks whose code maps have the size of the learned prior's; together they code those of `chunk`."""
        yield chunk

    def prior_width(self, codes: tf.Tensor) -> Optional[tf.Tensor]:
        """Returns the width of the code maps, int32 []; None if it is the same for all chunks."""
        del codes
        return None

    @property
    def fronts(self) -> Optional[Wavefronts]:
        """The steps of a decoder that generates wavefronts; None for other decoders."""
        if not self._model.decoder.has_wavefronts:
            return None
        return Wavefronts(*self._model.size, self._model.decoder.reach)

    @property
    def _is_grouped(self) -> bool:
        return self._model.decoder.has_wavefronts and isinstance(self._model.likelihood, LogisticMixturePixels)

    @property
    def symbols_per_level(self) -> int:
        """The number of symbols that code a level: 2 if they are its group and the level within it."""
        return 2 if self._is_grouped else 1

    def pixels(self, scale: Optional[float]) -> Callable[..., cumulative.Pixels]:
        """Returns a function from a decoder's output to `cumulative.Pixels`; `scale` is for the likelihood "mse"."""
        likelihood, channels = self._model.likelihood, self._model.channels
        if self._is_grouped:
            return functools.partial(grouped.implementation(), channels=channels, components=likelihood.components)
        return cumulative.for_likelihood(likelihood, channels, scale)

    def add_ops(self, model, ops: Ops, make_request: Callable) -> None:
        """Adds the ops of the likelihoods to `ops`.

        Args:
          model: the VQ-VAE.
          ops: ops and placeholders by name, with at least "images" and "codes".
          make_request: a function (method of Chunk, dtype, shape) -> a function (tensor, *step) that calls this method
            of the running chunk, and whose result has this dtype and shape.
        """
        channels = self._model.channels
        if not self._model.is_stochastic_decoder:
            ops["parameters"] = model.parameters(ops["codes"])
        elif self._model.decoder.has_wavefronts:
            request = make_request(Chunk.front, tf.uint8, [None, None, channels])
            ops["pixels"] = model.scan(ops["codes"], lambda parameters, t, place: request(parameters, t))
        else:
            ops["pixels"] = model.scan(ops["codes"], make_request(Chunk.pixel, tf.uint8, [None, channels]))

    def add_lossy_ops(self, model, ops: Ops, make_request: Callable) -> None:
        """Adds the op of the reconstruction to `ops` instead, for a file without pixels; see `add_ops`."""
        del make_request
        ops["reconstruction"] = model.decode(ops["codes"])

    def encode(self, session: tf.Session, ops: Ops, images: np.ndarray, frame: Frame) -> np.ndarray:
        """Encodes images uint8 [B, height, width, C], which begin with the tiles of `frame`, to int32 [B, h, w, L]."""
        del frame
        return session.run(ops["encoded"], {ops["images"]: images})

    def feed(self, session: tf.Session, ops: Ops, codes: np.ndarray, frame: Frame, speakers: np.ndarray) -> Feed:
        """Returns the values to feed when the pixels of a chunk are coded; `speakers` is int32 [B]."""
        del session, frame, speakers
        return {ops["codes"]: codes}

    def code_pixels(
        self, session: tf.Session, ops: Ops, chunk: Chunk, feed: Feed, frame: Frame, check_stop: Callable[[], None]
    ) -> None:
        """Codes the pixels of a chunk whose codes are known.

        Args:
          session: the session.
          ops: what `add_ops` added.
          chunk: the chunk.
          feed: the number of the chunk, and the result of `feed`.
          frame: the shapes and the speakers of the batch's tiles.
          check_stop: a function that raises if the chunk shall end.
        """
        del frame
        if "pixels" in ops:
            session.run(ops["pixels"].op, feed)
        else:
            check_stop()
            chunk.pixels(session.run(ops["parameters"], feed))

    def likeliest_speaker(self, session: tf.Session, ops: Ops, image: np.ndarray) -> int:
        """Returns the speaker under whom a recording is most likely; 0 for images."""
        del session, ops, image
        return 0


def coding_of(model) -> ImageCoding:
    """Returns the ImageCoding or SpeechCoding for a model's configuration."""
    return part(model, "coding")(model)
