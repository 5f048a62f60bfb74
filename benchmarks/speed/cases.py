"""What is measured: the configurations of `launch/train.py`, and the targets. Imports neither TensorFlow nor torch."""

import os
from typing import Any, Dict, NamedTuple, Optional

import vq_estimator
from vq_estimator import config as config_lib
from vq_estimator.config import Config, make_config

# L codebooks and a mixture, with the network and codes of the preset categorical. What makes a step longer for both
# contenders alike is left out.
_MIXTURE = dict(
    preset="categorical",
    likelihood="logistic_mixture",
    codebook="gradient",
    batch_size=128,
    flip=False,
    clip_norm=0.0,
    average_decay=0.0,
    warmup_steps=0,
    final_decay=0.0,
)


class Case(NamedTuple):
    """One configuration to train.

    Attributes:
      dataset: its name.
      settings: of `make_config`, which are flags of vq-train.
      plain: whether there is a tf-vqvae-style graph of it.
      warm_up: steps before the first turn, in which the launch path meets each set of fetches once.
      torch_target, plain_target: ratios to reach, our launch path to the rival; None: none.
    """

    dataset: str
    settings: Dict[str, Any]
    plain: bool
    warm_up: int
    torch_target: Optional[float]
    plain_target: Optional[float]


CASES = {
    "mnist-32": Case("mnist", dict(batch_size=32), True, 1100, 1.1, 1.2),
    "mnist-128": Case("mnist", dict(batch_size=128), True, 1100, 1.1, 1.2),
    "cifar10-128": Case("cifar10", dict(batch_size=128), True, 22, 1.0, 1.6),
    "cifar10-128-bfloat16": Case("cifar10", dict(batch_size=128, precision="bfloat16"), False, 22, 1.0, None),
    "cifar10-mixture-128": Case("cifar10", dict(_MIXTURE, precision="float32"), False, 52, 1.0, None),
    "cifar10-mixture-128-bfloat16": Case("cifar10", dict(_MIXTURE, precision="bfloat16"), False, 52, 1.0, None),
}
PROFILE_TARGET = 0.15  # of a CIFAR-10 step, likelihood and quantizer together
QUANTIZER_TARGET = 1e9  # bytes, at N=16,384, K=8,192, D=64


def config_of(name: str) -> Config:
    """The run of a case."""
    case = CASES[name]
    return make_config(case.dataset, **case.settings)


def provided(model: str) -> Config:
    """The configuration of a model that comes with the package, read without TensorFlow."""
    path = os.path.join(os.path.dirname(vq_estimator.__file__), "pretrained", model, "config.json")
    with open(path, encoding="utf-8") as f:
        return config_lib.from_json(f.read(), path)
