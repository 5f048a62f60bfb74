"""The prior over the codes of a trained VQ-VAE, and how it is trained."""

import dataclasses
from typing import Tuple

from vq_estimator.config.checks import MOST_LAYERS, MOST_MAPS, check, natural, number, positive_int
from vq_estimator.config.model import MOST_SIZE
from vq_estimator.config.quantizer import MOST_ENTRIES
from vq_estimator.config.run import OptimizerConfig, TrainConfig


@dataclasses.dataclass(frozen=True)
class PriorNetworkConfig:
    """A gated PixelCNN over the positions; within a position each of the L codes is given those before it.

    Attributes:
      layers, maps: gated layers after the first, and feature maps of each of the two stacks.
      embedding: numbers that stand for a code in the input.
      dropout: share of the stacks' last features that training drops.
    """

    layers: int = 6
    maps: int = 64
    embedding: int = 32
    dropout: float = 0.1

    def __post_init__(self):
        natural("layers", self.layers, MOST_LAYERS)
        for field in ("maps", "embedding"):
            positive_int(field, getattr(self, field), MOST_MAPS)
        number("dropout", self.dropout, 0.0, 0.95, "a share from 0 to 0.95")


@dataclasses.dataclass(frozen=True)
class CodesConfig:
    """What the prior is of.

    Attributes:
      grid: [h, w, L], the shape of an image's codes.
      K: values of each code.
      classes: of the data, where the prior is conditional on them; 0: it is not.
      dataset_source: the files they come from.
      global_step, fingerprint: of the VQ-VAE's checkpoint that gave them.
    """

    grid: Tuple[int, ...]
    K: int
    classes: int
    dataset_source: str
    global_step: int
    fingerprint: str

    def __post_init__(self):
        ok = len(self.grid) == 3 and min(self.grid) >= 1 and max(self.grid) <= MOST_SIZE
        check(ok, "grid", self.grid, f"three integers from 1 to {MOST_SIZE}")
        positive_int("K", self.K, MOST_ENTRIES)
        natural("classes", self.classes)


@dataclasses.dataclass(frozen=True)
class PriorConfig:
    """One training of a prior.

    Attributes:
      patience: evaluations on validation in a row without a better loss after which training stops; 0: never.
    """

    codes: CodesConfig
    network: PriorNetworkConfig = PriorNetworkConfig()
    optimizer: OptimizerConfig = OptimizerConfig(
        learning_rate=1e-3, final_decay=0.3, clip_norm=1.0, average_decay=0.999
    )
    train: TrainConfig = TrainConfig(batch_size=128, max_steps=10000, save_checkpoints_steps=500, eval_steps=500)
    patience: int = 6

    def __post_init__(self):
        natural("patience", self.patience)


def make_prior_config(codes: CodesConfig, **given) -> PriorConfig:
    """The defaults with what was given in their place; None is the default's value.

    Args:
      codes: what the prior is of.
      **given: fields of the network, the optimizer, the training, and `patience`.

    Raises:
      VQError: an unknown name, or a value that can't be.
    """
    given = {name: value for name, value in given.items() if value is not None}
    base = PriorConfig(codes)
    parts = {}
    for part in ("network", "optimizer", "train"):
        names = {f.name for f in dataclasses.fields(getattr(base, part))}
        changes = {name: given.pop(name) for name in list(given) if name in names}
        parts[part] = dataclasses.replace(getattr(base, part), **changes)
    patience = given.pop("patience", base.patience)
    check(not given, "prior", sorted(given), "flags of train_prior.py")
    return PriorConfig(codes, patience=patience, **parts)
