"""The models that come with the package, which are run directories; they are located without TensorFlow."""

import os
from typing import Tuple

from vq_estimator.config.checks import check
from vq_estimator.errors import VQError

CARD = "README.md"
_FOLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "pretrained")


def names() -> Tuple[str, ...]:
    """The provided models: those with a card."""
    return tuple(sorted(n for n in os.listdir(_FOLDER) if os.path.isfile(os.path.join(_FOLDER, n, CARD))))


def folder(name: str) -> str:
    """The folder of a provided model, which is a run directory; not to be written to.

    Raises:
      VQError: there is no such model.
    """
    check(isinstance(name, str) and name in names(), "pretrained", name, "one of " + ", ".join(names()))
    return os.path.join(_FOLDER, name)


def locate_run(name: str, field: str = "run") -> str:
    """Returns the directory of a run, given its path or the name of a provided model; `./mnist` is always a path.

    Raises:
      VQError: neither exists, or both do.
    """
    from vq_estimator.config import arguments  # imports NumPy, which `import vq_estimator` does not need

    want = "a run directory, or one of the provided models " + ", ".join(names())
    name = arguments.path(field, name, want)
    known, exists = name in names(), os.path.isdir(name)
    if known and exists:
        other = f"expected ./{name} for the folder"
        raise VQError(f"{field}: got {name!r}, which is a provided model and a folder too, {other}")
    check(known or exists, field, name, want)
    return folder(name) if known else name
