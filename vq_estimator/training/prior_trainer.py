"""The training of a prior over codes."""

import os
from typing import Callable

from vq_estimator.config import CodesConfig, PriorConfig
from vq_estimator.data import codes as codes_lib
from vq_estimator.data.codes import Codes
from vq_estimator.errors import VQError
from vq_estimator.training import loop, run_folder
from vq_estimator.training.loop import TrainResult
from vq_estimator.training.model_fns import prior_model_fn

EVAL_BATCH = 500  # code maps that are evaluated at once, at most
MAX_LOGITS = 1 << 25  # of what is evaluated at once
METRIC = "bits_per_image"


def evaluation_batch(of: CodesConfig, most: int = EVAL_BATCH) -> int:
    """Code maps that are evaluated at once: of large grids and many entries fewer, or memory would not do."""
    h, w, L = of.grid
    return max(1, min(most, MAX_LOGITS // (h * w * L * of.K)))


def folder(model_dir: str) -> str:
    """Where the prior of a run lies."""
    return os.path.join(model_dir, "prior")


def check(config: PriorConfig, model_dir: str, overwrite: bool) -> None:
    """Refuses, before anything is computed, what `train` would refuse.

    Raises:
      VQError: the run has a prior of another checkpoint's codes, or of another configuration.
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
    """Trains to `config.train.max_steps` or until validation gets no better, from the newest checkpoint on.

    Args:
      config: the prior.
      train_codes, validation_codes: what it is of.
      model_dir: the VQ-VAE's run folder; the prior's is `prior/` in it.
      overwrite: remove a prior that is there.
      evaluated: called with the checkpoint after each evaluation.

    Raises:
      VQError: the folder holds another prior, or the loss is no number.
    """
    schedule = config.train
    job = loop.Job(
        config=config,
        model_dir=folder(model_dir),
        model_fn=prior_model_fn,
        train_input=lambda start, _: codes_lib.training_dataset(train_codes, schedule.batch_size, schedule.seed, start),
        validation_input=lambda: codes_lib.evaluation_dataset(validation_codes, evaluation_batch(config.codes)),
        metric=METRIC,
        describe=lambda metrics: "{bits_per_image:.3f} bits/image".format(**metrics),
        patience=config.patience,
        evaluated=evaluated,
    )
    return loop.run(job, overwrite)
