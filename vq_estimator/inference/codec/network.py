"""The model as both sides of the codec run it: one graph, one batch size, one thread for each operation.

float32 sums depend on the order of their terms. TensorFlow chooses it by the shapes, and by how many threads an
operation is divided among; so a batch is always whole, and the session's operations are not divided. Chunks are
independent of each other, and `workers` of them run side by side.
(The first session of a process decides how many threads operations have: `run.open_run` opens one.)
"""

import functools
import platform
import threading
import zlib
from typing import Dict, Optional, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from vq_estimator.errors import VQError
from vq_estimator.inference.codec.chunk import Chunk
from vq_estimator.inference.codec.coder import Coder
from vq_estimator.inference.codec.coding import Frame, coding_of
from vq_estimator.inference.codec.run import LEARNED, Run, distributions
from vq_estimator.inference.codec.tables import MAX_SYMBOLS
from vq_estimator.inference.session import OpenRun
from vq_estimator.nn import arithmetic


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
        self._coding = coding_of(m)
        self._pixels = self._coding.pixels(scale)
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
        self._run = OpenRun(run.config, run.checkpoint, prior=learned, settings=settings)
        self._ops = self._run.op("codec", lambda: self._build(self._run.vqvae, learned and self._run.code_prior))
        self._session = self._run.session

    def close(self) -> None:
        """Ends chunks that are being coded, and frees the session."""
        self.stop()
        self._run.close()

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
        self._coding.add_ops(model, ops, functools.partial(self._asking, ops["chunk"]))
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
        width = self._coding.prior_width(ops["codes"])
        return code_prior.scan(times * batch, labels, lambda *step: tf.tile(ask(*step), [times]), width)

    @property
    def _possible(self) -> int:
        """Of how many of the prior's classes the codes may be, once it is known who speaks."""
        among = {"class": 1, "speaker": self._classes, "both": self._coding.voices}[self._condition]
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
        return self._coding.codes_shape(frame)

    def encode(self, images: np.ndarray, frame: Frame) -> np.ndarray:
        """Codes int32 [B, h, w, L] of images uint8 [B, height, width, C], the first of which are those of a frame."""
        return self._coding.encode(self._session, self._ops, images, frame)

    def likeliest_speaker(self, image: np.ndarray) -> int:
        """The voice in which a recording uint8 [1, T, 1] is likeliest, by what is in its middle."""
        return self._coding.likeliest_speaker(self._session, self._ops, image)

    def _conditions(self, codes: np.ndarray, frame: Frame, speakers: np.ndarray) -> Dict[tf.Tensor, np.ndarray]:
        """What the pixels of a chunk depend on beside each other, to be fed."""
        return self._coding.feed(self._session, self._ops, codes, frame, speakers)

    def code(self, coder: Coder, codes: np.ndarray, images: np.ndarray, frame: Frame) -> None:
        """Codes a whole batch; what is not known of `codes` and `images` is filled in. See `Chunk`."""
        columns = self._coding.columns(frame)
        fronts = self._coding.fronts
        chunk = Chunk(coder, codes, images, frame.extents, columns, self._pixels, self._possible, fronts)
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
            given.update(self._conditions(chunk.codes, frame, speakers))
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
