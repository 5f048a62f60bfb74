"""Runs the model for the encoder and the decoder, with one graph, one batch size and one thread per operation.

A float32 sum depends on the order of its terms, which TensorFlow chooses by the shapes and by the number of threads of
an operation. So the network always runs full batches, and each operation runs in one thread. Chunks are independent of
each other, and `workers` of them run in parallel. The first session of a process determines the number of threads per
operation, so `run.open_run` opens one with the right setting.
"""

import contextlib
import functools
import platform
import threading
import zlib
from typing import Dict, Iterator, List, Optional, Sequence, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from vq_estimator.errors import VQError
from vq_estimator.inference.codec import portable as portable_lib
from vq_estimator.inference.codec.chunk import Chunk
from vq_estimator.inference.codec.coder import Coder, Sampler
from vq_estimator.inference.codec.coding import Feed, Frame
from vq_estimator.inference.codec.run import LEARNED, Run, code_probabilities, distributions
from vq_estimator.inference.codec.tables import MAX_SYMBOLS
from vq_estimator.inference.codec.whole import coding_for
from vq_estimator.inference.session import OpenRun
from vq_estimator.nn import arithmetic


class Network:
    """A run's model in a session.

    Args:
      run: the run with the checkpoint.
      prior: one of PRIORS.
      scale: the scale of the likelihood "mse"; None for other likelihoods.
      workers: number of chunks that are coded in parallel.
      lossy: code the codes only; pixels are reconstructed from them.
      portable: compute the likelihood parameters of the pixels by the exact decoder.
      exponents: the exponents of the exact decoder; None: measure them.
      layout: WHOLE, or None for tiles.

    Attributes:
      exponents: the exponents of the exact decoder; None if the network is not portable.

    Raises:
      VQError: K is greater than MAX_SYMBOLS, or the exponents do not fit the decoder.
    """

    def __init__(
        self,
        run: Run,
        prior: str,
        scale: Optional[float],
        workers: int = 1,
        lossy: bool = False,
        portable: bool = False,
        exponents: Optional[Sequence[int]] = None,
        layout: Optional[str] = None,
    ):
        m = run.config.model
        if m.quantizer.K > MAX_SYMBOLS:
            raise VQError(f"codec: got a codebook of {m.quantizer.K} entries, expected at most {MAX_SYMBOLS}")
        self._model, self._lossy, self._stopped = m, lossy, threading.Event()
        self._coding = coding_for(m, layout)
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
        config = portable_lib.in_float32(run.config) if portable else run.config
        self._run = OpenRun(config, run.checkpoint, prior=learned, settings=settings)
        self.exponents: Optional[List[int]] = None
        model, computed = self._run.vqvae, contextlib.nullcontext
        if portable:
            exact = portable_lib.PortableModel(self._run, exponents, code_probabilities(run))
            self.exponents, model, computed = exact.exponents, exact.vqvae, exact.arithmetic
            self._pixels = portable_lib.pixels(m, self._pixels)
        self._ops = self._run.op("codec", lambda: self._build(model, computed, learned and self._run.code_prior))
        self._session = self._run.session

    def close(self) -> None:
        """Stops the chunks that are being coded, and closes the session."""
        self.stop()
        self._run.close()

    def stop(self) -> None:
        """Makes the chunks that are being coded end soon with an error."""
        self._stopped.set()

    def _build(self, model, computed, code_prior=None):
        """Adds the ops; the decoder of `model` is connected within the context that `computed` returns."""
        ops = {
            "chunk": tf.placeholder(tf.int32, []),
            "images": tf.placeholder(tf.uint8, (None, *self._coding.image_shape)),
            "codes": tf.placeholder(tf.int32, (None, *self._coding.code_map_shape)),
        }
        ops["encoded"] = model.encode(ops["images"])
        add_ops = self._coding.add_lossy_ops if self._lossy else self._coding.add_ops
        with computed():
            add_ops(model, ops, functools.partial(self._make_request, ops["chunk"]))
        if code_prior is not None:
            ops["prior"] = self._prior(code_prior, ops)
        ops["floats"] = tf.placeholder(tf.float32, [64, 192])
        product = tf.matmul(ops["floats"], ops["floats"], transpose_b=True)
        ops["check"] = tf.tanh(product) + tf.exp(0.01 * product)
        return ops

    def _prior(self, code_prior, ops):
        """Codes a batch under the learned prior; the batch is repeated for each class that its tiles may belong to."""
        times, batch = max(self._possible_classes, 1), tf.shape(ops["codes"])[0]
        ops["labels"] = tf.placeholder(tf.int32, [None])
        labels = ops["labels"] if self._classes else None
        request = self._make_request(ops["chunk"], Chunk.code, tf.int32, [None])
        width = self._coding.prior_width(ops["codes"])
        return code_prior.scan(times * batch, labels, lambda *step: tf.tile(request(*step), [times]), width)

    @property
    def _possible_classes(self) -> int:
        """The number of the prior's classes that codes may belong to, given their speaker."""
        speakers = {"class": 1, "speaker": self._classes, "both": self._coding.voices}[self._condition]
        return self._classes // max(speakers, 1)

    def _labels(self, speakers: np.ndarray) -> np.ndarray:
        """Returns the classes int32 [possible * B] that codes may belong to, given their speakers int32 [B]."""
        classes = np.arange(self._possible_classes, dtype=np.int32)[:, np.newaxis]
        first = len(classes) * (speakers if self._condition != "class" else np.zeros_like(speakers))
        return (classes + first).ravel()

    def _make_request(self, chunk, method, dtype, shape):
        """Returns a function (tensor, *step) that calls `method` of the running chunk inside the graph."""

        def call(number, values, *step):
            running = self._running[int(number)]
            try:
                self._check_stop()
                return method(running, values, *(int(index) for index in step))
            except BaseException as e:
                running.error = e
                raise

        def request(values, *step):
            symbols = tf.numpy_function(call, [chunk, values, *step], dtype)
            symbols.set_shape(shape)
            return symbols

        return request

    def symbols(self, frame: Frame) -> int:
        """Returns the number of symbols that a chunk's tiles have, of codes and of pixels."""
        codes = len(frame.extents) * int(np.prod(self.grid(frame)))
        if self._lossy:
            return codes
        return codes + int(frame.extents.prod(1).sum()) * self._model.channels * self._coding.symbols_per_level

    def grid(self, frame: Frame) -> Tuple[int, int, int]:
        """Returns the shape (h, w, L) of the codes of a chunk's tiles in arrays."""
        return self._coding.codes_shape(frame)

    def encode(self, images: np.ndarray, frame: Frame) -> np.ndarray:
        """Encodes images uint8 [B, height, width, C], which begin with the tiles of `frame`, to int32 [B, h, w, L]."""
        return self._coding.encode(self._session, self._ops, images, frame)

    def likeliest_speaker(self, image: np.ndarray) -> int:
        """Returns the speaker under whom the middle of a recording uint8 [1, T, 1] is most likely."""
        return self._coding.likeliest_speaker(self._session, self._ops, image)

    def _conditions(self, codes: np.ndarray, frame: Frame, speakers: np.ndarray) -> Dict[tf.Tensor, np.ndarray]:
        """Returns the values to feed when the pixels of a chunk are coded; `speakers` is int32 [B]."""
        return self._coding.feed(self._session, self._ops, codes, frame, speakers)

    def code(self, coder: Coder, codes: np.ndarray, images: np.ndarray, frame: Frame) -> None:
        """Codes a full batch, with its pixels unless the network is lossy; see `Chunk`.

        Args:
          coder: an Encoder or a Decoder.
          codes: int32 [B, h, w, L]; a Decoder fills them in.
          images: uint8 [B, height, width, C]; a Decoder fills them in.
          frame: the shapes and the speakers of the batch's tiles.

        Raises:
          VQError: a likelihood is not finite.
          Damaged: the payload of a Decoder is not the output of an Encoder.
        """
        with self._start(Chunk(coder, codes, images, *self._arguments(frame)), frame) as (chunk, feed, speakers):
            self._code_codes(chunk, feed, speakers)
            if not self._lossy:
                self._code_pixels(chunk, feed, frame, speakers)

    def reconstruct(self, codes: np.ndarray, frame: Frame, seed: int) -> np.ndarray:
        """Reconstructs a full batch from its codes, for a lossy network.

        Args:
          codes: int32 [B, h, w, L].
          frame: the shapes and the speakers of the batch's tiles.
          seed: seed of the draws for speech, which are samples of p(x | z_q, speaker).

        Returns:
          uint8 [B, height, width, C].
        """
        if "reconstruction" in self._ops:
            return self._session.run(self._ops["reconstruction"], {self._ops["codes"]: codes})
        images = np.zeros((len(codes), *frame.shape, self._model.channels), np.uint8)
        chunk = Chunk(Sampler(seed), codes, images, *self._arguments(frame))
        with self._start(chunk, frame) as (chunk, feed, speakers):
            self._code_pixels(chunk, feed, frame, speakers)
        return images

    def _arguments(self, frame: Frame):
        """The arguments of a Chunk that do not depend on its content."""
        columns = self._coding.columns(frame)
        return frame.extents, columns, self._pixels, self._possible_classes, self._coding.fronts

    @contextlib.contextmanager
    def _start(self, chunk: Chunk, frame: Frame) -> Iterator[Tuple[Chunk, Feed, np.ndarray]]:
        """Lets the graph find a chunk by its number; yields the chunk, what to feed, and its speakers int32 [B]."""
        speakers = np.zeros(len(chunk.codes), np.int32)
        speakers[: len(frame.speakers)] = frame.speakers
        number = next(self._numbers)
        self._running[number] = chunk
        try:
            yield chunk, {self._ops["chunk"]: number}, speakers
        except tf.errors.OpError:
            if chunk.error is not None:  # the OpError has a message of many lines
                raise chunk.error from None
            raise
        finally:
            del self._running[number]

    def _code_codes(self, chunk: Chunk, feed: Feed, speakers: np.ndarray) -> None:
        ops = self._ops
        if self._alike is None:
            for part in self._coding.prior_chunks(chunk):
                self._running[feed[ops["chunk"]]] = part
                labels = self._labels(speakers if part is chunk else np.zeros(len(part.codes), np.int32))
                try:
                    self._session.run(ops["prior"].op, {**feed, ops["codes"]: part.codes, ops["labels"]: labels})
                finally:
                    chunk.error = part.error
            self._running[feed[ops["chunk"]]] = chunk
        else:
            chunk.codes_alike(self._alike)

    def _code_pixels(self, chunk: Chunk, feed: Feed, frame: Frame, speakers: np.ndarray) -> None:
        feed = {**feed, **self._conditions(chunk.codes, frame, speakers)}
        self._coding.code_pixels(self._session, self._ops, chunk, feed, frame, self._check_stop)
        chunk.finish()

    def _check_stop(self) -> None:
        if self._stopped.is_set():
            raise InterruptedError("stopped")

    def arithmetic(self) -> Dict[str, str]:
        """Returns the library versions, the processor and a checksum of sample results, for error messages."""
        x = np.arange(-7000, 7000, 3) / 10.0
        y = (np.arange(64 * 192) * 37 % 193 / np.float32(193.0) - 0.5).astype(np.float32).reshape(64, 192)
        floats = self._session.run(self._ops["check"], {self._ops["floats"]: y}).tobytes()
        doubles = arithmetic.exp(x).tobytes() + arithmetic.normal_cdf(0.01 * x).tobytes()
        return {
            "tensorflow": tf.__version__,
            "machine": platform.machine(),
            "precision": self._model.precision,
            "check": f"{zlib.crc32(floats):08x}{zlib.crc32(doubles):08x}",
        }
