"""The run that a file is made with: what of it must be the same when the file is read, and which prior it has."""

import os
import zlib
from typing import List, NamedTuple, Optional, Tuple, Union

import numpy as np
import tensorflow.compat.v1 as tf

from vq_estimator.config import Config, LogisticMixturePixels, arguments, type_name
from vq_estimator.errors import VQError
from vq_estimator.inference import session
from vq_estimator.inference.calibration import Calibration, kept
from vq_estimator.inference.codec.coding import coding_of
from vq_estimator.inference.trained_model import TrainedModel
from vq_estimator.inference.trained_prior import TrainedPrior
from vq_estimator.nn.likelihoods import cumulative
from vq_estimator.training.checkpoints import Checkpoint, fingerprint

AUTO, LEARNED, UNIGRAM, UNIFORM = "auto", "learned", "unigram", "uniform"
PRIORS = (LEARNED, UNIGRAM, UNIFORM)
FINGERPRINT = 32  # hexadecimal digits that are kept of one


class Run(NamedTuple):
    """What the codec needs of a trained run; a `TrainedModel` has these too."""

    config: Config
    checkpoint: Checkpoint
    prior: Optional[TrainedPrior]
    calibration: Optional[Calibration]


AnyRun = Union[str, Run, TrainedModel]


def open_run(model_dir: str, which: str = "latest") -> Run:
    """A run directory at the checkpoint "latest", "best" or a path, with its prior and its calibration if it has them.

    Call it before any session is opened: it sees to it that operations have one thread each.

    Raises:
      VQError: there is no such run or checkpoint.
    """
    model_dir, which = arguments.path("model_dir", model_dir), arguments.path("checkpoint", which)
    _one_thread()
    run = session.open_run(model_dir, which)
    return Run(run.config, run.checkpoint, run.prior, kept(run))


def _one_thread() -> None:
    """Opens a process's first session, where there was none yet: it decides how many threads operations have."""
    settings = tf.ConfigProto(intra_op_parallelism_threads=1, device_count={"GPU": 0})
    tf.Session(graph=tf.Graph(), config=settings).close()


def as_run(run: AnyRun) -> Run:
    if isinstance(run, (str, os.PathLike)):
        return open_run(run)
    if not isinstance(run, (Run, TrainedModel)):
        raise VQError(
            f"run: got {type(run).__name__}, expected a run directory, open_run of one, a Model or a SpeechModel"
        )
    return Run(run.config, run.checkpoint, run.prior, run.calibration)


def made_by(run: Run, model: str) -> bool:
    """Whether a run's weights are those of a header's `model`."""
    return fingerprint(as_run(run).checkpoint.path)[:FINGERPRINT] == arguments.text("model", model)


def batch_for(config: Config, tiles: int, shape: Tuple[int, int]) -> int:
    """Tiles of a chunk, so that the last chunk has few missing."""
    most = coding_of(config.model).most_batch(shape)
    chunks = -(-tiles // most)
    return -(-tiles // max(chunks, 1))


def prior_for(run: Run, asked: str) -> str:
    """Which of PRIORS codes are coded under: that asked for, or under AUTO the best that the run has.

    Raises:
      VQError: the run does not have it.
    """
    have = [kind for kind, there in zip(PRIORS, (run.prior, run.calibration, True)) if there]
    if isinstance(asked, str) and asked == AUTO:
        return have[0]
    arguments.one_of("prior", asked, (AUTO, *PRIORS))
    if asked not in have:
        hint = {LEARNED: "train it with vq-train-prior", UNIGRAM: "evaluate the run with vq-evaluate"}[asked]
        raise VQError(f"prior: got {asked!r}, which the run does not have; {hint}, or choose {' or '.join(have)}")
    return asked


def distributions(run: Run, prior: str) -> List[np.ndarray]:
    """Cumulative distributions [K - 1] of the codes of each of the L codebooks."""
    q = run.config.model.quantizer
    if prior == UNIFORM:
        return [np.arange(1.0, q.K) / q.K] * q.L
    return [cumulative.of_probabilities(p[:, np.newaxis])[:, 0] for p in run.calibration.code_probabilities()]


def scale_of(run: Run) -> Optional[float]:
    """The fitted scale of the likelihood "mse", None of others."""
    if type_name(run.config.model.likelihood) != "mse":
        return None
    if run.calibration is None:
        raise VQError("calibration: the run has none of this checkpoint; evaluate it with vq-evaluate first")
    return run.calibration.scale


def of_the_model(run: Run, prior: str) -> dict:
    """The fields of a header that a run must share with the one that wrote it."""
    m = run.config.model
    likelihood, figures, coding = type_name(m.likelihood), "", coding_of(m)
    if isinstance(m.likelihood, LogisticMixturePixels):
        likelihood += f" {m.likelihood.components}"
    if prior == LEARNED:
        figures = fingerprint(run.prior.checkpoint.path)[:FINGERPRINT]
    elif prior == UNIGRAM:
        figures = f"{zlib.crc32(run.calibration.counts.astype('<i8').tobytes()):08x}"
    return {
        "model": fingerprint(run.checkpoint.path)[:FINGERPRINT],
        "sizes": [*coding.sizes, m.channels, *coding.grid, m.quantizer.K],
        "likelihood": likelihood,
        "decoder": coding.decoder,
        "sample_rate": coding.sample_rate,
        "prior_model": figures,
    }
