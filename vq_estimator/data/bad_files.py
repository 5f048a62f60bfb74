"""Counts the files of an input that cannot be read, up to a limit."""

import logging
from typing import Dict, List, Sequence, Tuple, Union

from vq_estimator.errors import VQError, one_line

log = logging.getLogger("vq_estimator")


class BadFiles:
    """The files of one pass over an input that are left out.

    Args:
      limit: the largest number of such files.
      problem: what is wrong with them, for messages.

    Attributes:
      limit: the same.
      names: names to report for some files, such as those of unpacked records.
      files: (name, reason) of each file that was left out, in order.
    """

    def __init__(self, limit: int, problem: str = "can't be read"):
        self.limit, self._problem = limit, problem
        self.files: List[Tuple[str, str]] = []
        self.names: Dict[str, str] = {}

    @classmethod
    def of(cls, given: "Union[int, BadFiles]", problem: str = "can't be read") -> "BadFiles":
        """Returns `given` if it is a BadFiles, otherwise a new one with that limit."""
        return given if isinstance(given, BadFiles) else cls(given, problem)

    def add(self, name: str, reason: str) -> None:
        """Logs that a file is left out.

        Raises:
          VQError: there are more than `limit` of them.
        """
        name = self.names.get(name, name)
        self.files.append((name, one_line(reason)))
        if len(self.files) > self.limit:
            hint = f"; expected at most {self.limit} such files, --max_bad_files changes that"
            raise VQError(f"input: {name}: {self._problem}: {reason}{hint if len(self.files) > 1 else ''}")
        log.warning("%s %s and is left out: %s", one_line(name), self._problem, one_line(reason))


Limit = Union[int, BadFiles]  # a number of files, or the counter of several inputs


def check_number(bad: Sequence[Sequence[str]], most: int) -> None:
    """Raises a VQError if there are more than `most` files (name, reason) that can't be read."""
    if len(bad) > most:
        path, why = bad[-1]
        got = f"{len(bad)} or more files that can't be read, {path} among them ({why})"
        raise VQError(f"data_dir: got {got}, expected at most {most}; --max_bad_files changes that")
