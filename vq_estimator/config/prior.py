"""The prior over the codes of a trained VQ-VAE, and how it is trained."""

import dataclasses
from typing import Any, Tuple

from vq_estimator.config.checks import MAX_CHANNELS, MAX_LAYERS, check, natural, positive_int
from vq_estimator.config.fields import MODEL, SPEECH, TRAINING, Integer, Number, Settings, setting
from vq_estimator.config.intervals import resolve_intervals
from vq_estimator.config.model import MAX_SIZE
from vq_estimator.config.overrides import override
from vq_estimator.config.quantizer import MAX_ENTRIES
from vq_estimator.config.speech import MAX_DILATIONS
from vq_estimator.config.training import OptimizerConfig, TrainConfig

PRIOR_KINDS = ("gated", "tf_vqvae")
CONDITIONS = ("class", "speaker", "both")  # what the classes of a prior over speech are


@dataclasses.dataclass(frozen=True)
class PriorNetworkConfig(Settings):
    """A gated PixelCNN over the positions; within a position each of the L codes depends on those before it.

    For codes in one row (speech) a WaveNet takes its place: `stacks` times `layers` dilations 1, 2, 4 ..; with 0 stacks
    there is none. The kind "tf_vqvae" is the network of tf-vqvae's checkpoints, which are imported and not trained
    here: its `layers` are its pairs of gated layers and its `embedding` the VQ-VAE's D.
    """

    layers: int = setting(
        6, Integer(1, MAX_LAYERS), "gated layers after the first; for speech layers of a stack", MODEL
    )
    channels: int = setting(64, Integer(1, MAX_CHANNELS), "channels of each stack", MODEL)
    embedding: int = setting(32, Integer(1, MAX_CHANNELS), "embedding dimension of a code in the prior's input", MODEL)
    dropout: float = setting(
        0.1, Number(0.0, 0.95, "a share from 0 to 0.95"), "dropout probability of the last channels", MODEL
    )
    stacks: int = setting(0, Integer(0, MAX_LAYERS), "speech: stacks of layers whose dilations double", SPEECH)
    kind: str = "gated"

    def check(self) -> None:
        check(self.kind in PRIOR_KINDS, "kind", self.kind, "one of " + ", ".join(PRIOR_KINDS))
        if self.stacks:
            positive_int("layers", self.layers, MAX_DILATIONS)


@dataclasses.dataclass(frozen=True)
class CodesConfig:
    """The codes that the prior models.

    Attributes:
      grid: [h, w, L], the shape of an image's codes, or of the codes of a recording that are trained on at once.
      K: values of each code.
      classes: of the data, where the prior is conditional on them; 0: it is not.
      condition: for speech what a class is, of CONDITIONS; "both": number of the speaker * classes of the data + class.
      dataset_source: the files they come from.
      global_step, fingerprint: of the VQ-VAE's checkpoint that gave them.
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
    """One training of a prior."""

    without = ("flip",)

    codes: CodesConfig
    network: PriorNetworkConfig = PriorNetworkConfig()
    optimizer: OptimizerConfig = OptimizerConfig(
        learning_rate=1e-3, final_decay=0.3, clip_norm=1.0, average_decay=0.999
    )
    train: TrainConfig = TrainConfig(batch_size=128, max_steps=10000, save_checkpoints_steps=500, eval_steps=500)
    patience: int = setting(
        6, Integer(0), "evaluations without a better validation after which training stops; 0 never stops", TRAINING
    )

    def check(self) -> None:
        one_row = not self.network.stacks or self.codes.grid[0] == 1
        check(one_row, "stacks", self.network.stacks, "no value: a WaveNet is for codes in one row, those of speech")


def default_prior(codes: CodesConfig, speech: bool) -> PriorConfig:
    """The default prior of images, or of speech, whose recordings are few.

    A network of 10 layers learns the 55,000 codes of the 1,020 training clips of FSDD's half by heart in 500 steps.
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
    """The default prior with what is given in its place.

    Args:
      codes: what the prior models.
      speech: whether they are codes of recordings.
      **given: any of its settings, by the name of its flag; None keeps the default. The intervals that are not given
        follow `max_steps` (`resolve_intervals`).

    Raises:
      VQError: an unknown name, or a value that can't be.
    """
    given = {name: value for name, value in given.items() if value is not None}
    if speech and "stacks" in given:
        positive_int("stacks", given["stacks"])  # a PixelCNN needs codes of one number of columns
    config = override(default_prior(codes, speech), given)
    return dataclasses.replace(config, train=resolve_intervals(config.train, set(given)))
