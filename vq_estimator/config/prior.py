"""The prior over the codes of a trained VQ-VAE, and how it is trained."""

import dataclasses
from typing import Tuple

from vq_estimator.config.checks import MOST_LAYERS, MOST_MAPS, check, natural, number, positive_int
from vq_estimator.config.model import MOST_SIZE
from vq_estimator.config.quantizer import MOST_ENTRIES
from vq_estimator.config.run import OptimizerConfig, TrainConfig
from vq_estimator.config.speech import MOST_DILATIONS

PRIOR_KINDS = ("gated", "tf_vqvae")
CONDITIONS = ("class", "speaker", "both")  # what the classes of a prior over speech are


@dataclasses.dataclass(frozen=True)
class PriorNetworkConfig:
    """A gated PixelCNN over the positions; within a position each of the L codes is given those before it.

    Attributes:
      layers, maps: gated layers after the first, and feature maps of each of the two stacks.
      cycles: of codes in one row (speech) there is a WaveNet in the PixelCNN's place, so many times `layers` dilations
        1, 2, 4 ..; 0: none, a PixelCNN.
      embedding: numbers that stand for a code in the input.
      dropout: share of the stacks' last features that training drops.
      kind: "gated", or "tf_vqvae": the network of tf-vqvae's checkpoints, which are imported, not trained here; its
        `layers` are its pairs of gated layers and its `embedding` the VQ-VAE's D.
    """

    layers: int = 6
    maps: int = 64
    embedding: int = 32
    dropout: float = 0.1
    cycles: int = 0
    kind: str = "gated"

    def __post_init__(self):
        check(self.kind in PRIOR_KINDS, "kind", self.kind, "one of " + ", ".join(PRIOR_KINDS))
        natural("cycles", self.cycles, MOST_LAYERS)
        positive_int("layers", self.layers, MOST_DILATIONS if self.cycles else MOST_LAYERS)
        for field in ("maps", "embedding"):
            positive_int(field, getattr(self, field), MOST_MAPS)
        number("dropout", self.dropout, 0.0, 0.95, "a share from 0 to 0.95")


@dataclasses.dataclass(frozen=True)
class CodesConfig:
    """What the prior is of.

    Attributes:
      grid: [h, w, L], the shape of an image's codes, or of so many codes of a recording as are trained on at once.
      K: values of each code.
      classes: of the data, where the prior is conditional on them; 0: it is not.
      condition: of speech what a class is, of CONDITIONS; "both": number of the speaker * classes of the data + class.
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

    def __post_init__(self):
        ok = len(self.grid) == 3 and min(self.grid) >= 1 and max(self.grid) <= MOST_SIZE
        check(ok, "grid", self.grid, f"three integers from 1 to {MOST_SIZE}")
        positive_int("K", self.K, MOST_ENTRIES)
        natural("classes", self.classes)
        check(self.condition in CONDITIONS, "condition", self.condition, "one of " + ", ".join(CONDITIONS))


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


# Recordings are few: of the 1,020 of FSDD's half a network of 10 layers knows 55,000 codes by heart in 500 steps.
_SPEECH = {
    "network": PriorNetworkConfig(layers=4, maps=64, dropout=0.5, cycles=1),
    "train": TrainConfig(batch_size=32, max_steps=1500, save_checkpoints_steps=100, eval_steps=100),
    "patience": 3,
}


def make_prior_config(codes: CodesConfig, **given) -> PriorConfig:
    """The defaults with what was given in their place; None is the default's value.

    Args:
      codes: what the prior is of.
      **given: fields of the network, the optimizer, the training, and `patience`.

    Raises:
      VQError: an unknown name, or a value that can't be.
    """
    given = {name: value for name, value in given.items() if value is not None}
    base = PriorConfig(codes, **(_SPEECH if given.get("cycles") else {}))
    parts = {}
    for part in ("network", "optimizer", "train"):
        names = {f.name for f in dataclasses.fields(getattr(base, part))}
        changes = {name: given.pop(name) for name in list(given) if name in names}
        parts[part] = dataclasses.replace(getattr(base, part), **changes)
    patience = given.pop("patience", base.patience)
    one_row = not parts["network"].cycles or codes.grid[0] == 1
    check(one_row, "cycles", parts["network"].cycles, "no value: a WaveNet is for codes in one row, those of speech")
    check(not given, "prior", sorted(given), "flags of vq-train-prior")
    return PriorConfig(codes, patience=patience, **parts)
