"""Objective, optimiser, schedule, and the whole run."""

import dataclasses
from typing import Optional, Sequence, Union

from vq_estimator.config.checks import MOST_MAPS, check, natural, number, positive_int
from vq_estimator.config.data import DataConfig
from vq_estimator.config.model import MSE, ModelConfig
from vq_estimator.config.speech import SpeechConfig

IMAGES = "images"  # the data set that is a folder of the user's own images
IMAGE_DATASETS = ("mnist", "fashion_mnist", "cifar10", IMAGES)
FSDD, WAV = "fsdd", "wav"  # the Free Spoken Digit Dataset; a folder of the user's own recordings
SPEECH_DATASETS = (FSDD, WAV)
DATASETS = IMAGE_DATASETS + SPEECH_DATASETS
PRESETS = ("original", "tuned", "paper", "sonnet", "factorised", "autoregressive", "imagenet", "wavenet")
MODELS = {"image": ModelConfig, "speech": SpeechConfig}
AnyModel = Union[ModelConfig, SpeechConfig]
RECONSTRUCTION_LOSSES = ("squared_error", "cross_entropy")
OBJECTIVES = ("original", "elbo")
# How a training may be shared (training/distribution.py); no part of a run, which can go on by another.
DISTRIBUTIONS = ("none", "mirrored", "multi_worker", "parameter_server")


@dataclasses.dataclass(frozen=True)
class ObjectiveConfig:
    """What training minimises (docs/likelihood.md has the equations; models/objectives.py computes them).

    Attributes:
      kind: "original" (means over dimensions and positions, as tf-vqvae) or "elbo" (nats of an image, per dimension).
      reconstruction: under the likelihood "mse" the reconstruction term; the other likelihoods have their own.
      beta: weight of the commitment.
    """

    kind: str = "original"
    reconstruction: str = "squared_error"
    beta: float = 0.25

    def __post_init__(self):
        check(self.kind in OBJECTIVES, "objective", self.kind, "one of " + ", ".join(OBJECTIVES))
        known = ", ".join(RECONSTRUCTION_LOSSES)
        check(
            self.reconstruction in RECONSTRUCTION_LOSSES, "reconstruction_loss", self.reconstruction, "one of " + known
        )
        number("beta", self.beta, 0.0, 1e6, "a number of 0 or more")


@dataclasses.dataclass(frozen=True)
class OptimizerConfig:
    """Adam.

    Attributes:
      learning_rate: after the warm-up and before any decay.
      decay_steps, decay_rate: it is multiplied by `decay_rate` every `decay_steps` steps, smoothly; 0 steps: constant.
      warmup_steps: in which it rises linearly from 0.
      final_decay: the last share of `max_steps`, in which it falls linearly to 1 % of itself; 0: none.
      clip_norm: the gradients' global norm is cut to it; 0: never.
      average_decay: of the moving average of the weights that evaluation and export use; 0: the weights themselves.
    """

    learning_rate: float = 2e-4
    decay_steps: int = 0
    decay_rate: float = 0.5
    warmup_steps: int = 0
    final_decay: float = 0.0
    clip_norm: float = 0.0
    average_decay: float = 0.0

    def __post_init__(self):
        number("learning_rate", self.learning_rate, 1e-12, 1e3, "a number above 0")
        natural("decay_steps", self.decay_steps)
        number("decay_rate", self.decay_rate, 1e-12, 1.0, "a number above 0 and up to 1")
        natural("warmup_steps", self.warmup_steps)
        number("final_decay", self.final_decay, 0.0, 1.0, "a share from 0 to 1")
        number("clip_norm", self.clip_norm, 0.0, 1e12, "a number of 0 or more")
        number("average_decay", self.average_decay, 0.0, 1.0 - 1e-7, "a number from 0 to below 1")


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """How long and how often; of what is here a step depends on `batch_size`, `seed` and `flip` (images mirrored left
    to right at random). A preset's intervals are the largest ones; `config/intervals.py` makes them a run's own."""

    batch_size: int = 32
    max_steps: int = 60000
    seed: int = 0
    flip: bool = False
    save_checkpoints_steps: int = 1000
    save_summary_steps: int = 1000
    eval_steps: int = 5000
    log_steps: int = 100

    def __post_init__(self):
        positive_int("batch_size", self.batch_size, MOST_MAPS)
        for field in ("max_steps", "save_checkpoints_steps", "save_summary_steps", "eval_steps", "log_steps"):
            positive_int(field, getattr(self, field))
        check(
            isinstance(self.seed, int) and 0 <= self.seed < 2**31, "seed", self.seed, "an integer from 0 to 2147483647"
        )


@dataclasses.dataclass(frozen=True)
class Config:
    """One run.

    `dataset_source` is filled once the files are found: the data set's name, "mnist-5k", "fsdd-half", or, of a folder,
    "images-" or "wav-" and the first 12 digits of its content's hash. None: no data yet. `warm_start` names the run or
    provided model that training began with the weights of.
    """

    dataset: str
    preset: str
    model: AnyModel
    objective: ObjectiveConfig = ObjectiveConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    train: TrainConfig = TrainConfig()
    data: DataConfig = DataConfig()
    dataset_source: Optional[str] = None
    warm_start: Optional[str] = None

    def __post_init__(self):
        check(self.dataset in DATASETS, "dataset", self.dataset, "one of " + ", ".join(DATASETS))
        check(self.preset in PRESETS, "preset", self.preset, "one of " + ", ".join(PRESETS))
        fits = isinstance(self.model, SpeechConfig) == (self.dataset in SPEECH_DATASETS)
        check(fits, "model", "another kind", f"one for {self.dataset}")
        without_nats = self.objective.kind == "elbo" and isinstance(self.model.likelihood, MSE)
        check(not without_nats, "objective", "elbo", "a likelihood other than mse, which has no nats to train on")


def with_data(config: Config, source: str, speakers: Sequence[str] = ()) -> Config:
    """A run once its files are found: its `dataset_source`, and of speech who speaks."""
    model = config.model
    if isinstance(model, SpeechConfig):
        model = dataclasses.replace(model, speakers=tuple(speakers))
    return dataclasses.replace(config, model=model, dataset_source=source)


def as_resumed(config: Config, old: Config) -> Config:
    """A configuration as a command makes it, with what the run that it resumes keeps: its data and the rules for it."""
    config = dataclasses.replace(config, data=dataclasses.replace(config.data, rules=old.data.rules))
    return with_data(config, old.dataset_source, getattr(old.model, "speakers", ()))


# Fields in which a run may differ when it is resumed: how long, and how often something is written.
RESUMABLE = (
    "train.max_steps",
    "train.save_checkpoints_steps",
    "train.save_summary_steps",
    "train.eval_steps",
    "train.log_steps",
    "patience",
)
