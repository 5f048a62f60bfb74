"""What the codec asks of a kind of model: the tiles of its examples, and how their codes and pixels are computed.

Images are cut into tiles of the model's size. A recording is an image of one row; its tiles are LONGEST samples
and a shorter last one. Long recordings come first, so that those that are coded side by side have about one length.
"""

import functools
from typing import Any, Callable, Dict, NamedTuple, Optional, Sequence, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from vq_estimator.config import LogisticMixturePixels, part, type_name
from vq_estimator.errors import VQError
from vq_estimator.inference.codec.chunk import Chunk
from vq_estimator.nn import likelihoods
from vq_estimator.nn.likelihoods import cumulative
from vq_estimator.nn.likelihoods.grouped import GroupedMixture
from vq_estimator.nn.local import Wavefronts
from vq_estimator.nn.waveform import repeat

MAX_BATCH = 200
MAX_FLOATS = 1 << 25  # of a batch's parameters; of speech, of what its samples are given
LONGEST = 1 << 17  # samples of a recording that are coded in one go. Part of the format.
HEARD = 1 << 14  # samples, from the middle of a recording, by which an unknown voice is chosen

Shape = Tuple[int, int]
Ops = Dict[str, Any]
Feed = Dict[tf.Tensor, np.ndarray]


class Frame(NamedTuple):
    """What is known of a chunk's tiles before their pixels.

    Attributes:
      shape: height and width that the tiles have in arrays.
      extents: int [n, 2], the true height and width of each.
      speakers: int32 [n], who speaks in each; 0 of images.
    """

    shape: Tuple[int, int]
    extents: np.ndarray
    speakers: np.ndarray


class ImageCoding:
    """The codec of images.

    Attributes:
      tile: height and width of a whole tile.
      grid: the shape of its codes.
      decoder: the name of the decoder, of a header.
      sample_rate: the same of recordings, or None.
      voices: how many speakers there are, 0 of images.
    """

    sample_rate: Optional[int] = None
    voices = 0

    def __init__(self, model):
        self._model = model
        self.tile, self.grid, self.decoder = self._whole(model)

    @staticmethod
    def _whole(model) -> Tuple[Shape, Tuple[int, int, int], str]:
        return model.size, model.grid, type_name(model.decoder)

    @property
    def sizes(self) -> Tuple[int, ...]:
        """What a header says of a tile: a square's side, or height and width."""
        return self.tile[1:] if self.tile[0] == self.tile[1] else self.tile

    def check(self, images) -> None:
        """Raises VQError where `codec.images.Images` are of another kind."""

    def order(self, images: int, size: Callable[[int], Shape]) -> Sequence[int]:
        """The numbers of examples as they are coded."""
        del size
        return range(images)

    def speakers(self, items: Sequence[Any]) -> np.ndarray:
        """Who speaks in each of some tiles, int32 [n], by the `container.Item` that each is of."""
        return np.zeros(len(items), np.int32)

    def array_shape(self, extents: np.ndarray) -> Shape:
        """Height and width that tiles of true sizes [n, 2] have in arrays."""
        del extents
        return self.tile

    def most_batch(self, shape: Shape) -> int:
        """Tiles of a chunk that memory is had for, where the largest one is an array of `shape`."""
        return max(1, min(MAX_BATCH, MAX_FLOATS // max(self._floats(shape), 1)))

    def allowed_batch(self, shape: Shape) -> int:
        """Tiles of a chunk that may be asked for."""
        del shape
        return MAX_BATCH

    def _floats(self, shape: Shape) -> int:
        return shape[0] * shape[1] * likelihoods.parameters(self._model.likelihood, self._model.channels)

    def codes_shape(self, frame: Frame) -> Tuple[int, int, int]:
        """The shape of the codes that a chunk's tiles have in arrays."""
        del frame
        return self.grid

    def columns(self, frame: Frame) -> np.ndarray:
        """Columns of codes of each tile."""
        return np.full(len(frame.extents), self.grid[1])

    def prior_width(self, codes: tf.Tensor) -> Optional[tf.Tensor]:
        """The width of code maps, where it differs."""
        del codes
        return None

    @property
    def fronts(self) -> Optional[Wavefronts]:
        """The steps of a decoder that generates wavefronts, None of others."""
        if not _has_wavefronts(self._model):
            return None
        return Wavefronts(*self._model.size, self._model.decoder.reach)

    def pixels(self, scale: Optional[float]) -> Callable[..., cumulative.Pixels]:
        """What makes the distributions of pixels of a decoder's output; `scale` of the likelihood "mse"."""
        likelihood, channels = self._model.likelihood, self._model.channels
        if _has_wavefronts(self._model) and isinstance(likelihood, LogisticMixturePixels):
            return functools.partial(GroupedMixture, channels=channels, components=likelihood.components)
        return cumulative.for_likelihood(likelihood, channels, scale)

    def add_ops(self, model, ops: Ops, asking: Callable) -> None:
        """Adds the ops of the likelihoods to `ops`, which has `images` and `codes`.

        Args:
          asking: a function (method of Chunk, dtype, shape) -> a function that calls the method for the running chunk.
        """
        channels = self._model.channels
        if not self._model.is_stochastic_decoder:
            ops["parameters"] = model.parameters(ops["codes"])
        elif _has_wavefronts(self._model):
            ask = asking(Chunk.front, tf.uint8, [None, self.fronts.size, channels])
            ops["pixels"] = model.scan(ops["codes"], lambda parameters, t, place: ask(parameters, t))
        else:
            ops["pixels"] = model.scan(ops["codes"], asking(Chunk.pixel, tf.uint8, [None, channels]))

    def encode(self, session: tf.Session, ops: Ops, images: np.ndarray, frame: Frame) -> np.ndarray:
        """Codes int32 [B, h, w, L] of images uint8 [B, height, width, C], the first of which are those of a frame."""
        del frame
        return session.run(ops["encoded"], {ops["images"]: images})

    def feed(self, session: tf.Session, ops: Ops, codes: np.ndarray, frame: Frame, speakers: np.ndarray) -> Feed:
        """What the pixels of a chunk depend on beside each other, by placeholder; `speakers` int32 [B]."""
        del session, frame, speakers
        return {ops["codes"]: codes}

    def likeliest_speaker(self, session: tf.Session, ops: Ops, image: np.ndarray) -> int:
        """Who speaks: of images nobody."""
        del session, ops, image
        return 0


class SpeechCoding(ImageCoding):
    """The codec of recordings.

    The samples of a batch are one loop, and what they are given (codes that a recording's encoder gave, and the
    speaker) is made recording by recording: of each it is what it would be without the others.
    """

    def __init__(self, model):
        super().__init__(model)
        self._stride = model.network.stride
        self.sample_rate, self.voices = model.sample_rate, max(len(model.speakers), 1)

    @staticmethod
    def _whole(model):
        return (1, LONGEST), (1, -(-LONGEST // model.network.stride), model.quantizer.L), type_name(model.decoder)

    @property
    def sizes(self):
        return self.tile[1:]

    def check(self, images) -> None:
        if not (images.read and all(item.height == 1 for item in images.items)):
            raise VQError("input: got images, expected recordings: the run is one of speech")

    def order(self, images, size):
        return sorted(range(images), key=lambda i: -size(i)[1])

    def speakers(self, items):
        return np.array([item.speaker for item in items], np.int32)

    def array_shape(self, extents):
        """As many samples as the codes of the longest reach for."""
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

    def add_ops(self, model, ops, asking) -> None:
        ask = asking(Chunk.pixel, tf.uint8, [None, self._model.channels])
        ops["speakers"] = tf.placeholder(tf.int32, [None])
        ops["condition"] = model.condition(ops["codes"], ops["speakers"])
        ops["conditions"] = tf.placeholder(tf.float32, [None, 1, None, self._model.decoder.condition_channels])
        ops["pixels"] = model.decoder.scan(ops["conditions"], lambda *step: tf.cast(ask(*step), tf.int32))
        ops["log_p"] = model.likelihood(ops["codes"], ops["images"], ops["speakers"]).log_prob(ops["images"])

    def encode(self, session, ops, images, frame):
        codes = np.zeros((len(images), *self.codes_shape(frame)), np.int32)
        for image, own, samples, columns in zip(images, codes, frame.extents[:, 1], self.columns(frame)):
            own[:, :columns] = session.run(ops["encoded"], {ops["images"]: image[np.newaxis, :, :samples]})[0]
        return codes

    def feed(self, session, ops, codes, frame, speakers):
        """What the loop over a batch's samples is given, 0 beyond the end of a recording."""
        width, channels = frame.shape[1] // repeat(self._stride), self._model.decoder.condition_channels
        found = np.zeros([len(codes), 1, width, channels], np.float32)
        for k, columns in enumerate(self.columns(frame)):
            given = {ops["codes"]: codes[k : k + 1, :, :columns], ops["speakers"]: speakers[k : k + 1]}
            own = session.run(ops["condition"], given)[0]
            found[k, :, : own.shape[1]] = own
        return {ops["conditions"]: found}

    def likeliest_speaker(self, session, ops, image):
        """The voice in which HEARD samples from the middle of a recording uint8 [1, T, 1] are likeliest."""
        start = max(image.shape[1] - HEARD, 0) // 2
        given = {ops["images"]: image[np.newaxis, :, start : start + HEARD]}
        given[ops["codes"]] = session.run(ops["encoded"], given)
        each = [session.run(ops["log_p"], {**given, ops["speakers"]: [i]})[0] for i in range(self.voices)]
        return int(np.argmax(each))


def coding_of(model) -> ImageCoding:
    """The coding of a model's configuration."""
    return part(model, "coding")(model)


def _has_wavefronts(model) -> bool:
    return getattr(model.decoder, "has_wavefronts", False)
