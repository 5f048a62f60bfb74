"""Configurations of the objective, the optimizer and the schedule."""

import dataclasses

from vq_estimator.config.checks import MAX_CHANNELS
from vq_estimator.config.fields import COMMON, OUTPUT, TRAINING, Settings, setting
from vq_estimator.config.likelihood import MSE
from vq_estimator.config.values import Bool, Choice, Integer, Number

RECONSTRUCTION_LOSSES = ("squared_error", "cross_entropy")
OBJECTIVES = ("original", "elbo")
ADAM, SOAP = OPTIMIZERS = ("adam", "soap")
MAX_SEED = 2**31 - 1


@dataclasses.dataclass(frozen=True)
class ObjectiveConfig(Settings):
    """The loss. docs/likelihood.md has the equations, and models/objectives.py computes them.

    "original" has means over dimensions and positions, as tf-vqvae. "elbo" has the nats of an image per dimension. The
    reconstruction loss can be chosen only with the likelihood "mse".
    """

    kind: str = setting(
        "original",
        Choice(OBJECTIVES),
        "original: means as in tf-vqvae; elbo: nats per dimension, for all likelihoods except mse",
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
        why="only --likelihood=mse has one",
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
    """The optimizer and its learning rate schedule.

    The learning rate rises linearly during the warm-up, decays continuously by `decay_rate` every `decay_steps` steps,
    and falls linearly to 1 % during the final decay.
    """

    learning_rate: float = setting(2e-4, Number(1e-12, 1e3, "a number above 0"), "learning rate", TRAINING)
    decay_steps: int = setting(
        0, Integer(0), "steps in which the learning rate decays by --decay_rate; 0 disables this decay", TRAINING
    )
    decay_rate: float = setting(
        0.5,
        Number(1e-12, 1.0, "a number above 0 and up to 1"),
        "factor by which the learning rate decays every --decay_steps steps",
        TRAINING,
        applies=lambda config: config.optimizer.decay_steps > 0,
        why="it needs --decay_steps above 0",
    )
    warmup_steps: int = setting(0, Integer(0), "first steps, in which the learning rate rises from 0", TRAINING)
    final_decay: float = setting(
        0.0,
        Number(0.0, 1.0, "a number from 0 to 1"),
        "last fraction of --max_steps, in which the learning rate falls to 1 %; 0 disables it",
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
        "decay of the weights' moving average for evaluation and export; 0 disables averaging",
        TRAINING,
    )
    kind: str = setting(
        ADAM,
        Choice(OPTIMIZERS),
        "adam, or soap: Adam in the eigenbasis of each layer's gradients (docs/lossless.md)",
        TRAINING,
        "optimizer",
    )


@dataclasses.dataclass(frozen=True)
class TrainConfig(Settings):
    """Length, batches and intervals of a training.

    A step depends only on `batch_size`, `seed` and `flip`. The intervals of a preset are upper limits;
    `config/intervals.py` derives those of a run.
    """

    batch_size: int = setting(32, Integer(1, MAX_CHANNELS), "examples per step", COMMON)
    max_steps: int = setting(60000, Integer(1), "training steps in total", COMMON)
    seed: int = setting(0, Integer(0, MAX_SEED), "seed of the initial weights, the data order and all draws", TRAINING)
    flip: bool = setting(False, Bool(), "mirror training images left to right at random", TRAINING)
    save_checkpoints_steps: int = setting(1000, Integer(1), "steps between checkpoints; the last five are kept", OUTPUT)
    save_summary_steps: int = setting(1000, Integer(1), "steps between summaries for TensorBoard", OUTPUT)
    eval_steps: int = setting(5000, Integer(1), "steps between evaluations on the validation split", OUTPUT)
    log_steps: int = setting(100, Integer(1), "steps between updates of the values in the progress bar", OUTPUT)
