"""The model as both sides of the codec run it: one graph, one batch size, one thread for each operation.

Of speech the samples of a batch are one loop, and what they are given (codes that a recording's encoder gave, and the
speaker) is made recording by recording: of each it is what it would be without the others.

float32 sums depend on the order of their terms. TensorFlow chooses it by the shapes, and by how many threads an
operation is divided among; so a batch is always whole, and the session's operations are not divided. Chunks are
independent of each other, and `workers` of them run side by side.
(The first session of a process decides how many threads operations have: `run.open_run` opens one.)
"""

import platform
import threading
import zlib
from typing import Dict, Optional, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from vq_estimator.config import AutoregressiveDecoder, SpeechConfig
from vq_estimator.errors import VQError
from vq_estimator.inference.codec.chunk import Chunk
from vq_estimator.inference.codec.coder import Coder
from vq_estimator.inference.codec.run import LEARNED, Run, distributions
from vq_estimator.inference.codec.tables import MAX_SYMBOLS
from vq_estimator.inference.codec.tiles import Frame
from vq_estimator.inference.session import open_session
from vq_estimator.nn import arithmetic
from vq_estimator.nn.likelihoods import cumulative
from vq_estimator.nn.waveform import repeat

HEARD = 1 << 14  # samples, from the middle of a recording, by which an unknown voice is chosen


class Network:
    """A run's model in a session.

    Args:
      run: the weights.
      prior: one of PRIORS.
      scale: of the likelihood "mse".
      workers: chunks that are coded side by side.

    Raises:
      VQError: a likelihood or a prior whose figures are missing, or K beyond what a table holds.
    """

    def __init__(self, run: Run, prior: str, scale: Optional[float], workers: int = 1):
        m = run.config.model
        if m.quantizer.K > MAX_SYMBOLS:
            raise VQError(f"codec: got a codebook of {m.quantizer.K}, expected at most {MAX_SYMBOLS}")
        self._model, self._stopped = m, threading.Event()
        self._speech = isinstance(m, SpeechConfig)
        self._voices = max(len(m.speakers), 1) if self._speech else 0
        self._pixels = cumulative.for_likelihood(m.likelihood, m.channels, scale)
        self._alike = None if prior == LEARNED else distributions(run, prior)
        self._classes, self._condition = 0, "class"
        if prior == LEARNED:
            self._classes, self._condition = run.prior.config.codes.classes, run.prior.config.codes.condition
        self._running: Dict[int, Chunk] = {}
        self._numbers = iter(range(1 << 31))
        learned = run.prior if prior == LEARNED else None
        settings = tf.ConfigProto(
            intra_op_parallelism_threads=1,
            inter_op_parallelism_threads=workers,
            use_per_session_threads=True,
            device_count={"GPU": 0},
        )
        self._session, self._ops = open_session(run.config, run.checkpoint.path, self._build, learned, settings)

    def close(self) -> None:
        """Ends chunks that are being coded, and frees the session."""
        self.stop()
        self._session.close()

    def stop(self) -> None:
        """Makes chunks that are being coded end soon, by an error."""
        self._stopped.set()

    def _build(self, model, code_prior=None):
        m = self._model
        ops = {
            "chunk": tf.placeholder(tf.int32, []),
            "images": tf.placeholder(tf.uint8, (None, *m.shape)),
            "codes": tf.placeholder(tf.int32, (None, *m.codes_shape)),
        }
        ops["encoded"] = model.encode(ops["images"])
        if self._speech:
            ops["speakers"] = tf.placeholder(tf.int32, [None])
            ops["condition"] = model.condition(ops["codes"], ops["speakers"])
            ops["conditions"] = tf.placeholder(tf.float32, [None, 1, None, m.decoder.condition_channels])
            ask = self._asking(ops["chunk"], Chunk.pixel, tf.uint8, [None, 1])
            ops["pixels"] = model.decoder.scan(ops["conditions"], lambda *step: tf.cast(ask(*step), tf.int32))
            ops["log_p"] = model.likelihood(ops["codes"], ops["images"], ops["speakers"]).log_prob(ops["images"])
        elif isinstance(m.decoder, AutoregressiveDecoder):
            ask = self._asking(ops["chunk"], Chunk.pixel, tf.uint8, [None, m.channels])
            ops["pixels"] = model.scan(ops["codes"], ask)
        else:
            ops["parameters"] = model.parameters(ops["codes"])
        if code_prior is not None:
            ops["prior"] = self._prior(code_prior, ops)
        ops["floats"] = tf.placeholder(tf.float32, [64, 192])
        product = tf.matmul(ops["floats"], ops["floats"], transpose_b=True)
        ops["check"] = tf.tanh(product) + tf.exp(0.01 * product)
        return ops

    def _prior(self, code_prior, ops):
        """The codes of a batch under the learned prior; with classes the batch is there once for each that may be."""
        times, batch = max(self._possible, 1), tf.shape(ops["codes"])[0]
        ops["labels"] = tf.placeholder(tf.int32, [None])
        labels = ops["labels"] if self._classes else None
        ask = self._asking(ops["chunk"], Chunk.code, tf.int32, [None])
        width = tf.shape(ops["codes"])[2] if self._speech else None
        return code_prior.scan(times * batch, labels, lambda *step: tf.tile(ask(*step), [times]), width)

    @property
    def _possible(self) -> int:
        """Of how many of the prior's classes the codes may be, once it is known who speaks."""
        among = {"class": 1, "speaker": self._classes, "both": self._voices}[self._condition]
        return self._classes // max(among, 1)

    def _labels(self, speakers: np.ndarray) -> np.ndarray:
        """The classes int32 [possible * B] that the codes may be of, of speakers int32 [B]."""
        each = np.arange(self._possible, dtype=np.int32)[:, np.newaxis]
        return (each + self._possible * (speakers if self._condition != "class" else np.zeros_like(speakers))).ravel()

    def _asking(self, chunk, method, dtype, shape):
        """A function (numbers, row, column, ...) -> what the running chunk's `method` says of them."""

        def asked(number, numbers, *step):
            running = self._running[int(number)]
            try:
                if self._stopped.is_set():
                    raise InterruptedError("stopped")
                return method(running, numbers, *(int(at) for at in step))
            except BaseException as e:
                running.error = e
                raise

        def ask(numbers, *step):
            found = tf.numpy_function(asked, [chunk, numbers, *step], dtype)
            found.set_shape(shape)
            return found

        return ask

    def grid(self, frame: Frame) -> Tuple[int, int, int]:
        """The shape of the codes that a chunk's tiles have in arrays."""
        if self._speech:
            return 1, frame.shape[1] // self._model.network.stride, self._model.quantizer.L
        return self._model.grid

    def _columns(self, frame: Frame) -> np.ndarray:
        """Columns of codes of each tile."""
        if self._speech:
            return -(-frame.extents[:, 1] // self._model.network.stride)
        return np.full(len(frame.extents), self._model.grid[1])

    def encode(self, images: np.ndarray, frame: Frame) -> np.ndarray:
        """Codes int32 [B, h, w, L] of images uint8 [B, height, width, C], the first of which are those of a frame."""
        given, encoded = self._ops["images"], self._ops["encoded"]
        if not self._speech:
            return self._session.run(encoded, {given: images})
        codes = np.zeros((len(images), *self.grid(frame)), np.int32)
        for image, own, samples, columns in zip(images, codes, frame.extents[:, 1], self._columns(frame)):
            own[:, :columns] = self._session.run(encoded, {given: image[np.newaxis, :, :samples]})[0]
        return codes

    def likeliest_speaker(self, image: np.ndarray) -> int:
        """The voice in which HEARD samples from the middle of a recording uint8 [1, T, 1] are likeliest."""
        start, ops = max(image.shape[1] - HEARD, 0) // 2, self._ops
        given = {ops["images"]: image[np.newaxis, :, start : start + HEARD]}
        given[ops["codes"]] = self._session.run(ops["encoded"], given)
        each = [self._session.run(ops["log_p"], {**given, ops["speakers"]: [i]})[0] for i in range(self._voices)]
        return int(np.argmax(each))

    def _conditions(self, codes: np.ndarray, frame: Frame, speakers: np.ndarray) -> np.ndarray:
        """What the loop over a batch's samples is given, 0 beyond the end of a recording."""
        ops, stride, D = self._ops, self._model.network.stride, self._model.decoder.condition_channels
        found = np.zeros([len(codes), 1, frame.shape[1] // repeat(stride), D], np.float32)
        for k, columns in enumerate(self._columns(frame)):
            given = {ops["codes"]: codes[k : k + 1, :, :columns], ops["speakers"]: speakers[k : k + 1]}
            own = self._session.run(ops["condition"], given)[0]
            found[k, :, : own.shape[1]] = own
        return found

    def code(self, coder: Coder, codes: np.ndarray, images: np.ndarray, frame: Frame) -> None:
        """Codes a whole batch; what is not known of `codes` and `images` is filled in. See `Chunk`."""
        chunk = Chunk(coder, codes, images, frame.extents, self._columns(frame), self._pixels, self._possible)
        speakers = np.zeros(len(codes), np.int32)
        speakers[: len(frame.speakers)] = frame.speakers
        number = next(self._numbers)
        self._running[number] = chunk
        ops, given = self._ops, {self._ops["chunk"]: number}
        try:
            if self._alike is None:
                labels = self._labels(speakers)
                self._session.run(ops["prior"].op, {**given, ops["codes"]: codes, ops["labels"]: labels})
            else:
                chunk.codes_alike(self._alike)
            if self._speech:
                given[ops["conditions"]] = self._conditions(chunk.codes, frame, speakers)
            else:
                given[ops["codes"]] = chunk.codes
            if "pixels" in ops:
                self._session.run(ops["pixels"].op, given)
            else:
                if self._stopped.is_set():
                    raise InterruptedError("stopped")
                chunk.pixels(self._session.run(ops["parameters"], given))
        except tf.errors.OpError:
            if chunk.error is not None:  # TensorFlow makes of it a message of many lines
                raise chunk.error from None
            raise
        finally:
            del self._running[number]

    def arithmetic(self) -> Dict[str, str]:
        """What floats depend on here: versions, processor, and a checksum of some results of float32 and of float64."""
        x = np.arange(-7000, 7000, 3) / 10.0
        some = (np.arange(64 * 192) * 37 % 193 / np.float32(193.0) - 0.5).astype(np.float32).reshape(64, 192)
        floats = self._session.run(self._ops["check"], {self._ops["floats"]: some}).tobytes()
        doubles = arithmetic.exp(x).tobytes() + arithmetic.normal_cdf(0.01 * x).tobytes()
        return {
            "tensorflow": tf.__version__,
            "machine": platform.machine(),
            "precision": self._model.precision,
            "check": f"{zlib.crc32(floats):08x}{zlib.crc32(doubles):08x}",
        }
