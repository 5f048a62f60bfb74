"""Where the models that come with the package lie. They are run directories, found here without TensorFlow."""

import os
from typing import Tuple

from vq_estimator.config.checks import check

CARD = "README.md"
_FOLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "pretrained")


def names() -> Tuple[str, ...]:
    """The provided models: those with a card."""
    return tuple(sorted(n for n in os.listdir(_FOLDER) if os.path.isfile(os.path.join(_FOLDER, n, CARD))))


def folder(name: str) -> str:
    """The folder of a provided model, which is a run folder; not to be written to.

    Raises:
      VQError: there is no such model.
    """
    check(isinstance(name, str) and name in names(), "pretrained", name, "one of " + ", ".join(names()))
    return os.path.join(_FOLDER, name)


def folder_of_run(name: str) -> str:
    """The run directory that a name means: itself, or the provided model of that name where no directory has it."""
    return folder(name) if name in names() and not os.path.isdir(name) else name
