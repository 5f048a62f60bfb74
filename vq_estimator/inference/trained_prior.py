"""The trained prior of a run: where it is, and what the codes of images cost under it."""

import logging
import os
from typing import NamedTuple, Optional

import numpy as np
import tensorflow.compat.v1 as tf
from tqdm import tqdm

from vq_estimator.config import Config, PriorConfig
from vq_estimator.data.codes import Codes
from vq_estimator.errors import VQError
from vq_estimator.inference.calibration import fingerprint
from vq_estimator.inference.session import Closeable, TrainedPrior, open_session, session_scope
from vq_estimator.training import prior_trainer, run_folder
from vq_estimator.training.run_folder import Checkpoint

log = logging.getLogger("vq_estimator")

BATCH = 100


class CodeCost(NamedTuple):
    """Of each example, in nats.

    Attributes:
      nats: [N], -ln p(z). Of a class-conditional prior p(z) is the mean of p(z | class) over the classes.
      given_class: [N], -ln p(z | its own class), or None where the prior has no classes.
    """

    nats: np.ndarray
    given_class: Optional[np.ndarray]


def find(model_dir: str, checkpoint: Checkpoint) -> Optional[TrainedPrior]:
    """The best checkpoint, by validation, of the prior of a run, or None where there is none.

    Raises:
      VQError: the prior is of the codes of another checkpoint than `checkpoint`.
    """
    folder = prior_trainer.folder(model_dir)
    if not os.path.isfile(os.path.join(folder, run_folder.CONFIG)) or run_folder.load_best(folder) is None:
        return None
    config = run_folder.load_config(folder, PriorConfig)
    if config.codes.fingerprint != fingerprint(checkpoint.path):
        raise VQError(
            f"prior: that of {model_dir} is of the codes of another checkpoint (step {config.codes.global_step}), "
            f"expected one of step {checkpoint.step}'s; run vq-train-prior --overwrite, or name its --checkpoint"
        )
    of, m = config.codes, run_folder.load_config(model_dir).model
    fits = all(wanted in (None, got) for wanted, got in zip(m.codes_shape, of.grid)) and of.K == m.quantizer.K
    if not fits:
        got = f"codes {list(of.grid)} of {of.K}"
        raise VQError(f"prior: that of {model_dir} is of {got}, expected {list(m.grid)} of {m.quantizer.K}")
    return TrainedPrior(config, run_folder.find_checkpoint(folder, run_folder.BEST))


def find_or_warn(model_dir: str, checkpoint: Checkpoint) -> Optional[TrainedPrior]:
    """The same, but a prior of another checkpoint is a warning, and as good as none."""
    try:
        return find(model_dir, checkpoint)
    except VQError as e:
        log.warning("going on without the trained prior: %s", e)
        return None


def cost_of_clips(
    config: Config,
    checkpoint: Checkpoint,
    prior: TrainedPrior,
    codes: np.ndarray,
    positions: np.ndarray,
    labels: np.ndarray,
) -> CodeCost:
    """What the codes of recordings cost under the prior.

    Args:
      config, checkpoint, prior: the run.
      codes: int32 [1, 1, M, L], one recording behind the other.
      positions: [N], of each.
      labels: int32 [N], what the prior is conditional on.
    """
    classes = prior.config.codes.classes

    of = prior.config.codes

    def build(model, code_prior):
        del model
        z, of_classes = tf.placeholder(tf.int32, (1, 1, None, of.grid[2])), tf.placeholder(tf.int32, [None])
        log_p = code_prior.log_prob(tf.tile(z, [tf.size(of_classes), 1, 1, 1]), of_classes if classes else None)
        return z, of_classes, tf.reduce_sum(log_p, [1, 2, 3])

    parts, start = [], 0
    with session_scope(config, checkpoint.path, build, prior) as (session, (z, of_classes, log_p)):
        for n in tqdm(positions, unit="clip", desc="prior"):
            given, at_once = (
                codes[:, :, start : start + n],
                max(1, prior_trainer.MAX_LOGITS // (n * of.grid[2] * of.K)),
            )
            numbers = np.split(np.arange(max(classes, 1)), range(at_once, max(classes, 1), at_once))
            parts.append(np.concatenate([session.run(log_p, {z: given, of_classes: some}) for some in numbers]))
            start += n
    return _cost(np.stack(parts).astype(np.float64), classes, labels)


class Pricer(Closeable):
    """A run's prior in a session, to price codes of images as often as wanted; or as a context."""

    def __init__(self, config: Config, checkpoint: Checkpoint, prior: TrainedPrior):
        self._classes = prior.config.codes.classes
        self._size = prior_trainer.evaluation_batch(prior.config.codes, BATCH)

        def build(model, code_prior):
            del model
            z = tf.placeholder(tf.int32, (None,) + prior.config.codes.grid)
            label = tf.placeholder(tf.int32, [])
            labels = tf.fill([tf.shape(z)[0]], label) if self._classes else None
            return z, label, tf.reduce_sum(code_prior.log_prob(z, labels), [1, 2, 3])

        self._session, (self._z, self._label, self._log_p) = open_session(config, checkpoint.path, build, prior)

    def cost(self, codes: Codes) -> CodeCost:
        """What codes [N, h, w, L] cost."""
        n, parts = len(codes.codes), []
        hidden = {"disable": True} if n <= BATCH else {}  # False would override the variable TQDM_DISABLE
        with tqdm(total=n, unit="image", desc="prior", **hidden) as bar:
            for i in range(0, n, self._size):
                batch = codes.codes[i : i + self._size]
                feeds = [{self._z: batch, self._label: k} for k in range(max(self._classes, 1))]
                by_class = [self._session.run(self._log_p, feed) for feed in feeds]
                parts.append(np.stack(by_class, 1).astype(np.float64))
                bar.update(len(batch))
        return _cost(np.concatenate(parts), self._classes, codes.labels)


def cost(config: Config, checkpoint: Checkpoint, prior: TrainedPrior, codes: Codes) -> CodeCost:
    """`Pricer.cost`, once."""
    with Pricer(config, checkpoint, prior) as pricer:
        return pricer.cost(codes)


def _cost(log_p: np.ndarray, classes: int, labels: np.ndarray) -> CodeCost:
    """From ln p(z | class) [N, classes], or ln p(z) [N, 1]."""
    if not classes:
        return CodeCost(-log_p[:, 0], None)
    mixture = np.logaddexp.reduce(log_p, 1) - np.log(classes)
    return CodeCost(-mixture, -log_p[np.arange(len(log_p)), labels])
