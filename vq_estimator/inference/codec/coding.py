"""The parts of the codec that differ between image and speech models: tiles, graph ops and fed values.

Images are cut into tiles of the model's size. A recording is an image of one row. Its tiles have LONGEST samples,
except for a shorter last one. Recordings are sorted by length, the longest first, so that the recordings of a batch
have similar lengths.
"""

import functools
from typing import Any, Callable, Dict, NamedTuple, Optional, Sequence, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from vq_estimator.config import LogisticMixturePixels, part, type_name
from vq_estimator.errors import VQError
from vq_estimator.inference.codec.chunk import Chunk
from vq_estimator.nn import likelihoods
from vq_estimator.nn.likelihoods import cumulative, grouped
from vq_estimator.nn.local import Wavefronts
from vq_estimator.nn.waveform import repeat

MAX_BATCH = 200
MAX_FLOATS = 1 << 25  # limit of a batch's likelihood parameters; for speech models, of its condition
LONGEST = 1 << 17  # samples of a recording's tile. Part of the format.
SPEAKER_SAMPLES = 1 << 14  # samples, from the middle of a recording, that identify an unknown speaker

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

    def pixels(self, scale: Optional[float]) -> Callable[..., cumulative.Pixels]:
        """Returns a function from a decoder's output to `cumulative.Pixels`; `scale` is for the likelihood "mse"."""
        likelihood, channels = self._model.likelihood, self._model.channels
        if self._model.decoder.has_wavefronts and isinstance(likelihood, LogisticMixturePixels):
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
            request = make_request(Chunk.front, tf.uint8, [None, self.fronts.size, channels])
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

    def likeliest_speaker(self, session: tf.Session, ops: Ops, image: np.ndarray) -> int:
        """Returns the speaker under whom a recording is most likely; 0 for images."""
        del session, ops, image
        return 0


class SpeechCoding(ImageCoding):
    """The parts of the codec for speech models.

    One loop generates the samples of a batch. Its condition is computed from the codes and the speaker of one recording
    at a time, so it does not depend on the other recordings of the batch.
    """

    def __init__(self, model):
        super().__init__(model)
        self._stride = model.network.stride
        self.sample_rate, self.voices = model.sample_rate, max(len(model.speakers), 1)

    @staticmethod
    def _full_tile(model):
        return (1, LONGEST), (1, -(-LONGEST // model.network.stride), model.quantizer.L), type_name(model.decoder)

    @property
    def sizes(self):
        return self.tile[1:]

    def check(self, images) -> None:
        if not (images.read and all(item.height == 1 for item in images.items)):
            raise VQError("input: got images, expected recordings, because the run has a speech model")

    def check_lossy(self) -> None:
        """Accepts every model: a draw from p(x | z_q, speaker) sounds like the recording."""

    def order(self, images, size):
        return sorted(range(images), key=lambda i: -size(i)[1])

    def speakers(self, items):
        return np.array([item.speaker for item in items], np.int32)

    def array_shape(self, extents):
        """Rounds the length of the longest recording up to whole codes."""
        return 1, -(-int(extents[:, 1].max()) // self._stride) * self._stride

    def allowed_batch(self, shape):
        return self.most_batch(shape)

    def _floats(self, shape):
        return shape[0] * shape[1] // repeat(self._stride) * self._model.decoder.condition_channels

    def codes_shape(self, frame):
        return 1, frame.shape[1] // self._stride, self._model.quantizer.L

    def columns(self, frame):
        return -(-frame.extents[:, 1] // self._stride)

    def prior_width(self, codes):
        return tf.shape(codes)[2]

    def add_ops(self, model, ops, make_request) -> None:
        request = make_request(Chunk.pixel, tf.uint8, [None, self._model.channels])
        ops["speakers"] = tf.placeholder(tf.int32, [None])
        ops["condition"] = model.condition(ops["codes"], ops["speakers"])
        ops["conditions"] = tf.placeholder(tf.float32, [None, 1, None, self._model.decoder.condition_channels])
        ops["pixels"] = model.decoder.scan(ops["conditions"], lambda *step: tf.cast(request(*step), tf.int32))
        ops["log_p"] = model.likelihood(ops["codes"], ops["images"], ops["speakers"]).log_prob(ops["images"])

    def add_lossy_ops(self, model, ops, make_request) -> None:
        """Adds the ops of the likelihoods, from which the samples are drawn."""
        self.add_ops(model, ops, make_request)

    def encode(self, session, ops, images, frame):
        codes = np.zeros((len(images), *self.codes_shape(frame)), np.int32)
        for image, row, samples, columns in zip(images, codes, frame.extents[:, 1], self.columns(frame)):
            row[:, :columns] = session.run(ops["encoded"], {ops["images"]: image[np.newaxis, :, :samples]})[0]
        return codes

    def feed(self, session, ops, codes, frame, speakers):
        """Returns the condition of the loop over a batch's samples, which is 0 beyond the end of a recording."""
        width, channels = frame.shape[1] // repeat(self._stride), self._model.decoder.condition_channels
        conditions = np.zeros([len(codes), 1, width, channels], np.float32)
        for k, columns in enumerate(self.columns(frame)):
            feed = {ops["codes"]: codes[k : k + 1, :, :columns], ops["speakers"]: speakers[k : k + 1]}
            condition = session.run(ops["condition"], feed)[0]
            conditions[k, :, : condition.shape[1]] = condition
        return {ops["conditions"]: conditions}

    def likeliest_speaker(self, session, ops, image):
        """Returns the speaker under whom the middle of a recording uint8 [1, T, 1] is most likely."""
        start = max(image.shape[1] - SPEAKER_SAMPLES, 0) // 2
        feed = {ops["images"]: image[np.newaxis, :, start : start + SPEAKER_SAMPLES]}
        feed[ops["codes"]] = session.run(ops["encoded"], feed)
        log_p = [session.run(ops["log_p"], {**feed, ops["speakers"]: [i]})[0] for i in range(self.voices)]
        return int(np.argmax(log_p))


def coding_of(model) -> ImageCoding:
    """Returns the ImageCoding or SpeechCoding for a model's configuration."""
    return part(model, "coding")(model)
