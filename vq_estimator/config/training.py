"""Objective, optimiser and schedule of a training."""

import dataclasses

from vq_estimator.config.checks import MAX_CHANNELS
from vq_estimator.config.fields import COMMON, OUTPUT, TRAINING, Bool, Choice, Integer, Number, Settings, setting
from vq_estimator.config.likelihood import MSE

RECONSTRUCTION_LOSSES = ("squared_error", "cross_entropy")
OBJECTIVES = ("original", "elbo")
MAX_SEED = 2**31 - 1


@dataclasses.dataclass(frozen=True)
class ObjectiveConfig(Settings):
    """The loss (docs/likelihood.md has the equations; models/objectives.py computes them).

    "original" has means over dimensions and positions, as tf-vqvae; "elbo" has nats of an image per dimension. Only
    under the likelihood "mse" there is a choice of the reconstruction loss; `beta` weighs the commitment loss.
    """

    kind: str = setting(
        "original",
        Choice(OBJECTIVES),
        "original: means as in tf-vqvae; elbo: nats per dimension, for every likelihood but mse",
        TRAINING,
        "objective",
    )
    reconstruction: str = setting(
        "squared_error",
        Choice(RECONSTRUCTION_LOSSES),
        "reconstruction loss under --likelihood=mse",
        TRAINING,
        "reconstruction_loss",
        applies=lambda config: isinstance(config.model.likelihood, MSE),
        why="only the likelihood mse has one",
    )
    beta: float = setting(
        0.25,
        Number(0.0, 1e6, "a number of 0 or more"),
        "weight of the commitment loss",
        TRAINING,
        applies=lambda config: hasattr(config.model.quantizer, "codebook"),
        why="this quantizer has no commitment loss",
    )


@dataclasses.dataclass(frozen=True)
class OptimizerConfig(Settings):
    """Adam and the schedule of its learning rate.

    The rate rises linearly in the warm-up, is multiplied by `decay_rate` every `decay_steps` steps, smoothly, and falls
    linearly to 1 % of itself in the final decay.
    """

    learning_rate: float = setting(2e-4, Number(1e-12, 1e3, "a number above 0"), "Adam learning rate", TRAINING)
    decay_steps: int = setting(
        0, Integer(0), "steps in which the learning rate falls by --decay_rate; 0 disables this decay", TRAINING
    )
    decay_rate: float = setting(
        0.5,
        Number(1e-12, 1.0, "a number above 0 and up to 1"),
        "factor of the learning rate every --decay_steps steps",
        TRAINING,
        applies=lambda config: config.optimizer.decay_steps > 0,
        why="without decay_steps nothing decays",
    )
    warmup_steps: int = setting(0, Integer(0), "first steps, in which the learning rate rises from 0", TRAINING)
    final_decay: float = setting(
        0.0,
        Number(0.0, 1.0, "a share from 0 to 1"),
        "last share of --max_steps, in which the learning rate falls to 1 %; 0 disables it",
        TRAINING,
    )
    clip_norm: float = setting(
        0.0,
        Number(0.0, 1e12, "a number of 0 or more"),
        "global-norm clipping threshold of the gradients; 0 disables clipping",
        TRAINING,
    )
    average_decay: float = setting(
        0.0,
        Number(0.0, 1.0 - 1e-7, "a number from 0 to below 1"),
        "decay of the averaged weights for evaluation and export; 0 uses the weights themselves",
        TRAINING,
    )


@dataclasses.dataclass(frozen=True)
class TrainConfig(Settings):
    """Length of a training, its batches, and its intervals.

    A step depends on `batch_size`, `seed` and `flip` alone. A preset's intervals are the largest ones;
    `config/intervals.py` makes them a run's own.
    """

    batch_size: int = setting(32, Integer(1, MAX_CHANNELS), "examples per step", COMMON)
    max_steps: int = setting(60000, Integer(1), "training steps in total", COMMON)
    seed: int = setting(0, Integer(0, MAX_SEED), "seed of the initial weights, the data order and every draw", TRAINING)
    flip: bool = setting(False, Bool(), "mirror training images left to right at random", TRAINING)
    save_checkpoints_steps: int = setting(
        1000, Integer(1), "steps between checkpoints, of which the last five are kept", OUTPUT
    )
    save_summary_steps: int = setting(1000, Integer(1), "steps between summaries for TensorBoard", OUTPUT)
    eval_steps: int = setting(5000, Integer(1), "steps between evaluations on validation, at checkpoints", OUTPUT)
    log_steps: int = setting(100, Integer(1), "steps between updates of the figures in the progress bar", OUTPUT)
