"""The bits of codes, in nats, under the uniform, the unigram and the trained prior."""

import math
from typing import NamedTuple, Optional, Tuple

import numpy as np
import tensorflow.compat.v1 as tf
from tqdm import tqdm

from vq_estimator.config import Config
from vq_estimator.inference.calibration import Calibration
from vq_estimator.inference.session import OpenRun
from vq_estimator.training import prior_trainer

BATCH = 100


class CodeCost(NamedTuple):
    """The nats of each example's codes under the trained prior.

    Attributes:
      nats: [N], -ln p(z). With a class-conditional prior, p(z) is the mean of p(z | class) over the classes.
      given_class: [N], -ln p(z | its own class), or None if the prior has no classes or the labels are unknown.
    """

    nats: np.ndarray
    given_class: Optional[np.ndarray]


def uniform_cost(config: Config, positions: np.ndarray) -> np.ndarray:
    """Nats [N] under the uniform prior, for examples with `positions` [N] positions each."""
    q = config.model.quantizer
    return positions * (q.L * math.log(q.K))


def unigram_cost(codes: np.ndarray, calibration: Calibration) -> np.ndarray:
    """Nats [N] of codes [N, h, w, L] under their frequencies in the training split."""
    log_p = np.log(calibration.code_probabilities())  # [L, K]
    return -log_p[np.arange(codes.shape[-1]), codes].sum((1, 2, 3))


def log_prob(run: OpenRun) -> Tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Placeholders of codes int32 [B, h, w, L] and classes int32 [B], and ln p(z | class) [B] by the trained prior."""

    def build():
        z, classes = tf.placeholder(tf.int32, (None, *run.config.model.codes_shape)), tf.placeholder(tf.int32, [None])
        each = run.code_prior.log_prob(z, classes if run.prior.config.codes.classes else None)
        return z, classes, tf.reduce_sum(each, [1, 2, 3])

    return run.op("log_prob", build)


def cost(run: OpenRun, codes: np.ndarray, labels: Optional[np.ndarray] = None) -> CodeCost:
    """The nats of images' codes int32 [N, h, w, L] under the run's trained prior, which must exist.

    Args:
      run: the run.
      codes: int32 [N, h, w, L].
      labels: int32 [N], or None if they are unknown.
    """
    of, (z, classes, log_p), parts, n = run.prior.config.codes, log_prob(run), [], len(codes)
    size = prior_trainer.evaluation_batch(of, BATCH)
    hidden = {"disable": True} if n <= BATCH else {}  # False would override the variable TQDM_DISABLE
    with tqdm(total=n, unit="image", desc="prior", **hidden) as bar:
        for i in range(0, n, size):
            batch = codes[i : i + size]
            feeds = [{z: batch, classes: np.full(len(batch), k)} for k in range(max(of.classes, 1))]
            parts.append(np.stack([run.session.run(log_p, feed) for feed in feeds], 1).astype(np.float64))
            bar.update(len(batch))
    return _cost(np.concatenate(parts), of.classes, labels)


def cost_of_clips(
    run: OpenRun, codes: np.ndarray, positions: np.ndarray, labels: Optional[np.ndarray] = None
) -> CodeCost:
    """The nats of recordings' codes under the run's trained prior, which must exist.

    Args:
      run: the run.
      codes: int32 [1, 1, M, L], the codes of all recordings, concatenated.
      positions: [N], the number of codes of each recording.
      labels: int32 [N], the condition of the prior; None if it is unknown.
    """
    of, (z, classes, log_p), parts, start = run.prior.config.codes, log_prob(run), [], 0
    for n in tqdm(positions, unit="clip", desc="prior"):
        at_once = max(1, prior_trainer.MAX_LOGITS // (n * of.grid[2] * of.K))
        each = np.split(np.arange(max(of.classes, 1)), range(at_once, max(of.classes, 1), at_once))
        given = codes[:, :, start : start + n]
        feeds = [{z: np.repeat(given, len(some), 0), classes: some} for some in each]
        parts.append(np.concatenate([run.session.run(log_p, feed) for feed in feeds]))
        start += n
    return _cost(np.stack(parts).astype(np.float64), of.classes, labels)


def _cost(log_p: np.ndarray, classes: int, labels: Optional[np.ndarray]) -> CodeCost:
    """Computes the nats from ln p(z | class) [N, classes], or from ln p(z) [N, 1]."""
    if not classes:
        return CodeCost(-log_p[:, 0], None)
    mixture = np.logaddexp.reduce(log_p, 1) - np.log(classes)
    return CodeCost(-mixture, None if labels is None else -log_p[np.arange(len(log_p)), labels])
