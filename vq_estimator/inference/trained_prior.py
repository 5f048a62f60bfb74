"""The trained prior of a run: its configuration and its best checkpoint."""

import logging
import os
from typing import NamedTuple, Optional

from vq_estimator.config import PriorConfig
from vq_estimator.errors import VQError
from vq_estimator.training import checkpoints, prior_trainer, run_folder
from vq_estimator.training.checkpoints import Checkpoint, fingerprint

log = logging.getLogger("vq_estimator")


class TrainedPrior(NamedTuple):
    """A prior over a run's codes: its configuration and its checkpoint."""

    config: PriorConfig
    checkpoint: Checkpoint


def find(model_dir: str, checkpoint: Checkpoint) -> Optional[TrainedPrior]:
    """The best checkpoint, by validation, of a run's prior, or None.

    Raises:
      VQError: the prior belongs to codes of another checkpoint than `checkpoint`.
    """
    folder = prior_trainer.folder(model_dir)
    if not os.path.isfile(os.path.join(folder, run_folder.CONFIG)) or checkpoints.load_best(folder) is None:
        return None
    config = run_folder.load_config(folder, PriorConfig)
    if config.codes.fingerprint != fingerprint(checkpoint.path):
        raise VQError(
            f"prior: the one in {model_dir} is for the codes of another checkpoint (step {config.codes.global_step}), "
            f"expected one of step {checkpoint.step}'s; run vq-train-prior --overwrite, or name its --checkpoint"
        )
    of, m = config.codes, run_folder.load_config(model_dir).model
    fits = all(wanted in (None, got) for wanted, got in zip(m.codes_shape, of.grid)) and of.K == m.quantizer.K
    if not fits:
        got = f"codes {list(of.grid)} of {of.K}"
        raise VQError(f"prior: the one in {model_dir} is for {got}, expected {list(m.grid)} of {m.quantizer.K}")
    return TrainedPrior(config, checkpoints.find_checkpoint(folder, checkpoints.BEST))


def missing(K: int, model_dir: Optional[str] = None) -> VQError:
    """The error of sampling without a prior.

    Args:
      K: number of entries in the model's codebook.
      model_dir: the run directory, to be named in the message.
    """
    run = "the run" if model_dir is None else repr(model_dir)
    if K == 1:
        why = "all images of its model have the same codes (K=1)"
        return VQError(f"prior: {run} has none and needs none: {why}; vq-decode draws from what vq-encode wrote")
    flag = "" if model_dir is None else f" --model_dir={model_dir}"
    return VQError(f"prior: {run} has none; train it with vq-train-prior{flag}")


def find_or_warn(model_dir: str, checkpoint: Checkpoint) -> Optional[TrainedPrior]:
    """Like `find`, but a prior of another checkpoint is a warning and counts as none."""
    try:
        return find(model_dir, checkpoint)
    except VQError as e:
        log.warning("continuing without the trained prior: %s", e)
        return None
