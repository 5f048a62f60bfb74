"""Training of a prior over codes."""

import os
from typing import Callable

from vq_estimator.config import CodesConfig, PriorConfig
from vq_estimator.data import codes as codes_lib
from vq_estimator.data.codes import Codes
from vq_estimator.errors import VQError
from vq_estimator.training import loop, run_folder
from vq_estimator.training.loop import TrainResult
from vq_estimator.training.model_fns import prior_model_fn

EVAL_BATCH = 500  # largest number of code maps in an evaluation batch
MAX_LOGITS = 1 << 25  # largest number of logits of an evaluation batch
METRIC = "bits_per_image"


def evaluation_batch(of: CodesConfig, most: int = EVAL_BATCH) -> int:
    """Returns the number of code maps in an evaluation batch; large grids and codebooks need smaller batches."""
    h, w, L = of.grid
    return max(1, min(most, MAX_LOGITS // (h * w * L * of.K)))


def folder(model_dir: str) -> str:
    """Returns the folder of a run's prior."""
    return os.path.join(model_dir, "prior")


def check(config: PriorConfig, model_dir: str, overwrite: bool) -> None:
    """Makes the checks of `train` before anything is computed.

    Raises:
      VQError: the run has a prior for another checkpoint, or with another configuration.
    """
    path = folder(model_dir)
    if overwrite or not os.path.isfile(os.path.join(path, run_folder.CONFIG)):
        return
    old = run_folder.load_config(path, PriorConfig).codes
    if old.fingerprint != config.codes.fingerprint:
        raise VQError(
            f"prior: {path} is of the codes of the checkpoint of step {old.global_step}, expected the one of step "
            f"{config.codes.global_step} that is asked for; --overwrite removes that prior, and only it"
        )
    run_folder.check_resumable(path, config)


def train(
    config: PriorConfig,
    train_codes: Codes,
    validation_codes: Codes,
    model_dir: str,
    overwrite: bool = False,
    evaluated: Callable = lambda checkpoint: None,
) -> TrainResult:
    """Trains to `config.train.max_steps`, or until validation stops improving, from the newest checkpoint.

    Args:
      config: the prior's configuration.
      train_codes, validation_codes: the codes of the two splits.
      model_dir: the VQ-VAE's run directory; the prior is in `prior/`.
      overwrite: remove an existing prior.
      evaluated: called with the checkpoint after each evaluation.

    Raises:
      VQError: the folder holds another prior, or the loss is not finite.
    """
    schedule = config.train
    job = loop.Job(
        config=config,
        model_dir=folder(model_dir),
        model_fn=prior_model_fn,
        train_input=lambda start, _: codes_lib.training_dataset(train_codes, schedule.batch_size, schedule.seed, start),
        validation_input=lambda: codes_lib.evaluation_dataset(validation_codes, evaluation_batch(config.codes)),
        metric=METRIC,
        describe=lambda metrics: "{bits_per_image:.3f} bits per code map".format(**metrics),
        patience=config.patience,
        evaluated=evaluated,
    )
    return loop.run(job, overwrite)
