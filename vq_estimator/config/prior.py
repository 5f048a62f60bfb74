"""Configuration of the prior over the codes of a trained VQ-VAE and of its training."""

import dataclasses
from typing import Any, Tuple

from vq_estimator.config.checks import MAX_CHANNELS, MAX_LAYERS, check, natural, positive_int
from vq_estimator.config.fields import MODEL, SPEECH, TRAINING, Settings, setting
from vq_estimator.config.intervals import resolve_intervals
from vq_estimator.config.model import MAX_SIZE
from vq_estimator.config.overrides import override
from vq_estimator.config.quantizer import MAX_ENTRIES
from vq_estimator.config.speech import MAX_DILATIONS
from vq_estimator.config.training import OptimizerConfig, TrainConfig
from vq_estimator.config.values import Integer, Number

PRIOR_KINDS = {  # each with its implementation, as "module:Class"
    "gated": "vq_estimator.nn.code_prior:CodePrior",
    "tf_vqvae": "vq_estimator.nn.tf_vqvae_prior:TFVQVAEPrior",
}
CONDITIONS = ("class", "speaker", "both")  # what a class-conditional prior of a speech model depends on


@dataclasses.dataclass(frozen=True)
class PriorNetworkConfig(Settings):
    """A gated PixelCNN over the positions; within a position each of the L codes depends on the codes before it.

    With `stacks` above 0, for codes in one row (speech), it is a WaveNet with `stacks` times `layers` dilations 1, 2,
    4 ... The kind "tf_vqvae" is the network of tf-vqvae's checkpoints, which can be imported but not trained: `layers`
    counts its pairs of gated layers, and `embedding` is the VQ-VAE's D.
    """

    layers: int = setting(
        6, Integer(1, MAX_LAYERS), "gated layers after the first one; speech: layers per stack", MODEL
    )
    channels: int = setting(64, Integer(1, MAX_CHANNELS), "channels of the prior's layers", MODEL)
    embedding: int = setting(32, Integer(1, MAX_CHANNELS), "embedding dimension of a code in the prior's input", MODEL)
    dropout: float = setting(
        0.1, Number(0.0, 0.95, "a number from 0 to 0.95"), "dropout probability of the last layer's channels", MODEL
    )
    stacks: int = setting(0, Integer(0, MAX_LAYERS), "speech: stacks of layers with doubling dilations", SPEECH)
    kind: str = "gated"

    def check(self) -> None:
        check(self.kind in PRIOR_KINDS, "kind", self.kind, "one of " + ", ".join(PRIOR_KINDS))
        if self.stacks:
            positive_int("layers", self.layers, MAX_DILATIONS)


@dataclasses.dataclass(frozen=True)
class CodesConfig:
    """The codes that a prior models.

    Attributes:
      grid: the shape [h, w, L] of an image's codes, or of the codes in a training example of a recording.
      K: number of values of a code.
      classes: number of classes of a class-conditional prior; 0: unconditional.
      condition: for speech the meaning of a class, one of CONDITIONS; "both" is speaker * classes of the data + class.
      dataset_source: the `dataset_source` of the data.
      global_step: step of the VQ-VAE's checkpoint that computed the codes.
      fingerprint: fingerprint of that checkpoint.
    """

    grid: Tuple[int, ...]
    K: int
    classes: int
    dataset_source: str
    global_step: int
    fingerprint: str
    condition: str = "class"

    def __post_init__(self) -> None:
        ok = len(self.grid) == 3 and min(self.grid) >= 1 and max(self.grid) <= MAX_SIZE
        check(ok, "grid", self.grid, f"three integers from 1 to {MAX_SIZE}")
        positive_int("K", self.K, MAX_ENTRIES)
        natural("classes", self.classes)
        check(self.condition in CONDITIONS, "condition", self.condition, "one of " + ", ".join(CONDITIONS))


@dataclasses.dataclass(frozen=True)
class PriorConfig(Settings):
    """Configuration of the training of a prior."""

    without = ("flip",)

    codes: CodesConfig
    network: PriorNetworkConfig = PriorNetworkConfig()
    optimizer: OptimizerConfig = OptimizerConfig(
        learning_rate=1e-3, final_decay=0.3, clip_norm=1.0, average_decay=0.999
    )
    train: TrainConfig = TrainConfig(batch_size=128, max_steps=10000, save_checkpoints_steps=500, eval_steps=500)
    patience: int = setting(
        6, Integer(0), "number of evaluations without improvement after which training stops; 0 never stops", TRAINING
    )

    def check(self) -> None:
        one_row = not self.network.stacks or self.codes.grid[0] == 1
        check(one_row, "stacks", self.network.stacks, "no value: a WaveNet is for codes in one row (speech)")


def default_prior(codes: CodesConfig, speech: bool) -> PriorConfig:
    """Returns the default prior for images or for speech.

    The one for speech is small and has much dropout, because a larger one overfits to the few recordings of FSDD.
    """
    if not speech:
        return PriorConfig(codes)
    return PriorConfig(
        codes,
        PriorNetworkConfig(layers=4, channels=64, dropout=0.5, stacks=1),
        train=TrainConfig(batch_size=32, max_steps=1500, save_checkpoints_steps=100, eval_steps=100),
        patience=3,
    )


def make_prior_config(codes: CodesConfig, speech: bool = False, **given: Any) -> PriorConfig:
    """Returns the default prior with the given settings.

    Args:
      codes: the codes that the prior models.
      speech: whether these are codes of recordings.
      **given: any of its settings, by the name of its flag; None keeps the default. Intervals that are not given
        follow `max_steps` (`resolve_intervals`).

    Raises:
      VQError: an unknown name, an invalid value, or codes that have one value only.
    """
    check(codes.K > 1, "K", codes.K, "2 or more, because a prior has nothing to learn about codes of one value")
    given = {name: value for name, value in given.items() if value is not None}
    if speech and "stacks" in given:
        positive_int("stacks", given["stacks"])  # a PixelCNN needs a fixed number of columns
    config = override(default_prior(codes, speech), given)
    return dataclasses.replace(config, train=resolve_intervals(config.train, set(given)))
