"""The model as both sides of the codec run it: one graph, one batch size, one thread for each operation.

float32 sums depend on the order of their terms. TensorFlow chooses it by the shapes, and by how many threads an
operation is divided among; so a batch is always whole, and the session's operations are not divided. Chunks are
independent of each other, and `workers` of them run side by side.
(The first session of a process decides how many threads operations have. Open the codec before any other one.)
"""

import platform
import threading
import zlib
from typing import Dict, Optional

import numpy as np
import tensorflow.compat.v1 as tf

from vq_estimator.config import AutoregressiveDecoder
from vq_estimator.errors import VQError
from vq_estimator.inference.codec.chunk import Chunk
from vq_estimator.inference.codec.coder import Coder
from vq_estimator.inference.codec.run import LEARNED, Run, distributions
from vq_estimator.inference.codec.tables import MOST_SYMBOLS
from vq_estimator.inference.session import opened
from vq_estimator.nn import arithmetic
from vq_estimator.nn.likelihoods import cumulative


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
        if m.quantizer.K > MOST_SYMBOLS:
            raise VQError(f"codec: got a codebook of {m.quantizer.K}, expected at most {MOST_SYMBOLS}")
        self._model, self._stopped = m, threading.Event()
        self._pixels = cumulative.for_likelihood(m.likelihood, m.channels, scale)
        self._alike = None if prior == LEARNED else distributions(run, prior)
        self._classes = run.prior.config.codes.classes if prior == LEARNED else 0
        self._running: Dict[int, Chunk] = {}
        self._numbers = iter(range(1 << 31))
        learned = run.prior if prior == LEARNED else None
        settings = tf.ConfigProto(
            intra_op_parallelism_threads=1,
            inter_op_parallelism_threads=workers,
            use_per_session_threads=True,
            device_count={"GPU": 0},
        )
        self._session, self._ops = opened(run.config, run.checkpoint.path, self._build, learned, settings)

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
            "images": tf.placeholder(tf.uint8, [None, m.image_size, m.image_size, m.channels]),
            "codes": tf.placeholder(tf.int32, (None,) + m.grid),
        }
        ops["encoded"] = model.encode(ops["images"])
        if isinstance(m.decoder, AutoregressiveDecoder):
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
        """The codes of a batch under the learned prior; with classes the batch is there once for each class."""
        times, batch = max(self._classes, 1), tf.shape(ops["codes"])[0]
        labels = tf.repeat(tf.range(self._classes), batch) if self._classes else None
        ask = self._asking(ops["chunk"], Chunk.code, tf.int32, [None])
        return code_prior.scan(times * batch, labels, lambda *step: tf.tile(ask(*step), [times]))

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

    def encode(self, images: np.ndarray) -> np.ndarray:
        """Codes int32 [B, h, w, L] of images uint8 [B, S, S, C]."""
        return self._session.run(self._ops["encoded"], {self._ops["images"]: images})

    def code(self, coder: Coder, codes: np.ndarray, images: np.ndarray, extents: np.ndarray) -> None:
        """Codes a whole batch; what is not known of `codes` and `images` is filled in. See `Chunk`."""
        chunk = Chunk(coder, codes, images, extents, self._pixels, self._classes)
        number = next(self._numbers)
        self._running[number] = chunk
        ops, given = self._ops, {self._ops["chunk"]: number}
        try:
            if self._alike is None:
                self._session.run(ops["prior"].op, {**given, ops["codes"]: codes})
            else:
                chunk.codes_alike(self._alike)
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
