"""The paths of flags and environment variables: what is expanded, and what is no path of this machine."""

import os
import re
from typing import Dict, List, NamedTuple, Optional

from absl import flags

from vq_estimator.data.files import split_paths
from vq_estimator.errors import VQError

FLAGS = flags.FLAGS
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")  # a single letter would be a drive of Windows


class Parser(flags.ArgumentParser):  # type: ignore[type-arg]  # older absl has no Generic here
    """Of absl, for a flag that is a path; `check_flags` looks at the values, the defaults' too."""

    def flag_type(self) -> str:
        return "path"


class _Kind(NamedTuple):
    """Whether a flag may be several paths with commas between them, and the variable that its default comes from."""

    several: bool
    variable: Optional[str]


_KINDS: Dict[str, _Kind] = {}


def declare(name: str, several: bool = False, variable: Optional[str] = None) -> None:
    """Has `check_flags` look at a flag."""
    _KINDS[name] = _Kind(several, variable)


def check_flags() -> None:
    """Expands the paths of all declared flags.

    Raises:
      VQError: one is no path of this machine.
    """
    for name, kind in _KINDS.items():
        flag = FLAGS[name]
        if flag.value is None:
            continue
        field = kind.variable if kind.variable and not flag.present and os.environ.get(kind.variable) else name
        parts = split_paths(flag.value) if kind.several else [flag.value]
        flag.value = ",".join(expand(field, part) for part in parts)


def several(name: str) -> List[str]:
    """The paths of a flag that may have several."""
    return split_paths(FLAGS[name].value or "")


def from_environment(variable: str, default: str) -> str:
    """A variable's value; one that is empty counts as unset."""
    return os.environ.get(variable) or default


def expand(field: str, path: str) -> str:
    """The path with a leading `~` or `~user` expanded; names that are no paths, such as a split's, stay as they are.

    Raises:
      VQError: it is empty, a URL, or of an unknown user.
    """
    if not path.strip():
        raise VQError(f"{field}: got {path!r}, expected a path (is a variable of the shell unset?)")
    if "\0" in path:
        raise VQError(f"{field}: got {path!r}, expected a path without a zero byte")
    if _URL.match(path):
        raise VQError(f"{field}: got {path!r}, a URL, expected a path of this machine; mount or copy what is elsewhere")
    if not path.startswith("~"):
        return path
    expanded = os.path.expanduser(path)
    if expanded.startswith("~") and not os.path.lexists(path):
        user = path.split("/")[0]
        raise VQError(f"{field}: got {path!r}, expected a user for {user}, or ./{path} for a file of that name")
    return expanded
