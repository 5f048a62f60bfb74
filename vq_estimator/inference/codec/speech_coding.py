"""The parts of the codec for speech models.

A recording is an image of one row. Its tiles have LONGEST samples, except for a shorter last one. Recordings are sorted
by length, the longest first, so that the recordings of a batch have similar lengths.
"""

import numpy as np
import tensorflow.compat.v1 as tf

from vq_estimator.config import type_name
from vq_estimator.errors import VQError
from vq_estimator.inference.codec.chunk import Chunk
from vq_estimator.inference.codec.coding import ImageCoding
from vq_estimator.nn.waveform import repeat

LONGEST = 1 << 17  # samples of a recording's tile. Part of the format.
SPEAKER_SAMPLES = 1 << 14  # samples, from the middle of a recording, that identify an unknown speaker


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
