"""Checks and expands the paths in flags and environment variables."""

import os
import re
from typing import Dict, List, NamedTuple, Optional

from absl import flags

from vq_estimator.data.files import split_paths
from vq_estimator.errors import VQError

FLAGS = flags.FLAGS
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")  # a single letter would be a drive of Windows


class Parser(flags.ArgumentParser):  # type: ignore[type-arg]  # older absl has no Generic here
    """absl's parser of a flag that is a path. `check_flags` checks the values, including defaults."""

    def flag_type(self) -> str:
        return "path"


class _Kind(NamedTuple):
    """How the value of a flag is read.

    Attributes:
      several: whether it may hold several comma-separated paths.
      variable: the environment variable that its default comes from.
      remote: the flag that, if it is set, allows the scheme of a store, such as gs://.
    """

    several: bool
    variable: Optional[str]
    remote: Optional[str] = None


_KINDS: Dict[str, _Kind] = {}


def declare(name: str, several: bool = False, variable: Optional[str] = None) -> None:
    """Registers a flag for `check_flags`."""
    _KINDS[name] = _Kind(several, variable)


def allow_remote(name: str, by: str) -> None:
    """Lets a flag be the path of a store, such as gs://bucket/folder, if the flag `by` is set."""
    _KINDS[name] = _KINDS[name]._replace(remote=by)


def check_flags() -> None:
    """Expands the paths of all declared flags.

    Raises:
      VQError: a value is not a local path.
    """
    for name, kind in _KINDS.items():
        flag = FLAGS[name]
        if flag.value is None or (kind.remote and FLAGS[kind.remote].value and _URL.match(flag.value)):
            continue
        field = kind.variable if kind.variable and not flag.present and os.environ.get(kind.variable) else name
        parts = split_paths(flag.value) if kind.several else [flag.value]
        flag.value = ",".join(expand(field, part) for part in parts)


def several(name: str) -> List[str]:
    """The paths of a flag that may hold several."""
    return split_paths(FLAGS[name].value or "")


def from_environment(variable: str, default: str) -> str:
    """The value of an environment variable, or the default if it is unset or empty."""
    return os.environ.get(variable) or default


def expand(field: str, path: str) -> str:
    """Expands a leading `~` or `~user`. Other values, such as the name of a split, are returned unchanged.

    Raises:
      VQError: the value is empty, a URL, or names an unknown user.
    """
    if not path.strip():
        raise VQError(f"{field}: got {path!r}, expected a path (is a variable of the shell unset?)")
    if "\0" in path:
        raise VQError(f"{field}: got {path!r}, expected a path without a zero byte")
    if _URL.match(path):
        raise VQError(f"{field}: got {path!r}, a URL, expected a local path; download or mount the files first")
    if not path.startswith("~"):
        return path
    expanded = os.path.expanduser(path)
    if expanded.startswith("~") and not os.path.lexists(path):
        user = path.split("/")[0]
        raise VQError(f"{field}: got {path!r}, expected a user for {user}, or ./{path} for a file of that name")
    return expanded
