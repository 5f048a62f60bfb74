"""The run that makes and reads files: its prior, and the header fields that must match when a file is read."""

import os
import zlib
from typing import List, NamedTuple, Optional, Tuple, Union

import numpy as np
import tensorflow.compat.v1 as tf

from vq_estimator.config import Config, LogisticMixturePixels, arguments, type_name
from vq_estimator.errors import VQError
from vq_estimator.inference import session
from vq_estimator.inference.calibration import Calibration, kept
from vq_estimator.inference.codec.coding import ImageCoding, coding_of
from vq_estimator.inference.trained_model import TrainedModel
from vq_estimator.inference.trained_prior import TrainedPrior
from vq_estimator.nn.likelihoods import cumulative
from vq_estimator.training.checkpoints import Checkpoint, fingerprint

AUTO, LEARNED, UNIGRAM, UNIFORM = "auto", "learned", "unigram", "uniform"
PRIORS = (LEARNED, UNIGRAM, UNIFORM)
FINGERPRINT = 32  # hexadecimal digits of a fingerprint in a header


class Run(NamedTuple):
    """The parts of a trained run that the codec uses; a `TrainedModel` has the same attributes."""

    config: Config
    checkpoint: Checkpoint
    prior: Optional[TrainedPrior]
    calibration: Optional[Calibration]


AnyRun = Union[str, Run, TrainedModel]


def open_run(model_dir: str, which: str = "latest") -> Run:
    """Opens a run directory, with its prior and its calibration if it has them.

    Call it before any session is opened, because it limits operations to one thread each.

    Args:
      model_dir: the run directory.
      which: the checkpoint: "latest", "best" or a path.

    Raises:
      VQError: the run or the checkpoint does not exist.
    """
    model_dir, which = arguments.path("model_dir", model_dir), arguments.path("checkpoint", which)
    _one_thread()
    run = session.open_run(model_dir, which)
    return Run(run.config, run.checkpoint, run.prior, kept(run))


def _one_thread() -> None:
    """Opens and closes a session. The first session of a process determines the number of threads per operation."""
    settings = tf.ConfigProto(intra_op_parallelism_threads=1, device_count={"GPU": 0})
    tf.Session(graph=tf.Graph(), config=settings).close()


def as_run(run: AnyRun) -> Run:
    """Converts a run directory, a Run or a TrainedModel to a Run; raises VQError for other types."""
    if isinstance(run, (str, os.PathLike)):
        return open_run(run)
    if not isinstance(run, (Run, TrainedModel)):
        want = "a run directory, the result of open_run, an ImageModel or a SpeechModel"
        raise VQError(f"run: got {type(run).__name__}, expected {want}")
    return Run(run.config, run.checkpoint, run.prior, run.calibration)


def made_by(run: Run, model: str) -> bool:
    """Returns whether the run's weights have the fingerprint `model` of a header."""
    return fingerprint(as_run(run).checkpoint.path)[:FINGERPRINT] == arguments.text("model", model)


def batch_for(coding: ImageCoding, tiles: int, shape: Tuple[int, int]) -> int:
    """Returns the tiles per chunk, such that the last of the chunks for `tiles` tiles of `shape` is almost full."""
    most = coding.most_batch(shape)
    chunks = -(-tiles // most)
    return -(-tiles // max(chunks, 1))


def prior_for(run: Run, prior: str) -> str:
    """Returns the prior for codes, one of PRIORS: `prior` itself, or the best prior of the run if it is AUTO.

    Raises:
      VQError: the run does not have this prior.
    """
    available = [kind for kind, present in zip(PRIORS, (run.prior, run.calibration, True)) if present]
    if isinstance(prior, str) and prior == AUTO:
        return available[0]
    arguments.one_of("prior", prior, (AUTO, *PRIORS))
    if prior not in available:
        hint = {LEARNED: "train it with vq-train-prior", UNIGRAM: "evaluate the run with vq-evaluate"}[prior]
        raise VQError(f"prior: got {prior!r}, which the run does not have; {hint}, or choose {' or '.join(available)}")
    return prior


def code_probabilities(run: Run) -> np.ndarray:
    """Returns the unigram probabilities of the codes, float64 [L, K]; uniform ones for a run without calibration."""
    q = run.config.model.quantizer
    return np.full([q.L, q.K], 1.0 / q.K) if run.calibration is None else run.calibration.code_probabilities()


def distributions(run: Run, prior: str) -> List[np.ndarray]:
    """Returns one cumulative distribution of codes [K - 1] per codebook, for a prior that is not learned."""
    q = run.config.model.quantizer
    if prior == UNIFORM:
        return [np.arange(1.0, q.K) / q.K] * q.L
    return [cumulative.of_probabilities(p[:, np.newaxis])[:, 0] for p in run.calibration.code_probabilities()]


def scale_of(run: Run) -> Optional[float]:
    """Returns the fitted scale of the likelihood "mse"; None for other likelihoods."""
    if type_name(run.config.model.likelihood) != "mse":
        return None
    if run.calibration is None:
        raise VQError("calibration: the run has none for this checkpoint; evaluate it with vq-evaluate first")
    return run.calibration.scale


def of_the_model(run: Run, prior: str) -> dict:
    """Returns the header fields that must be equal for the run that wrote a file and the run that reads it."""
    m = run.config.model
    likelihood, prior_model, coding = type_name(m.likelihood), "", coding_of(m)
    if isinstance(m.likelihood, LogisticMixturePixels):
        likelihood += f" {m.likelihood.components}"
    if prior == LEARNED:
        prior_model = fingerprint(run.prior.checkpoint.path)[:FINGERPRINT]
    elif prior == UNIGRAM:
        prior_model = f"{zlib.crc32(run.calibration.counts.astype('<i8').tobytes()):08x}"
    return {
        "model": fingerprint(run.checkpoint.path)[:FINGERPRINT],
        "sizes": [*coding.sizes, m.channels, *coding.grid, m.quantizer.K],
        "likelihood": likelihood,
        "decoder": coding.decoder,
        "sample_rate": coding.sample_rate,
        "prior_model": prior_model,
    }
