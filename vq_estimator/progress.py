"""Progress bars."""

import sys

from tqdm import tqdm

SECONDS_IN_A_FILE = 30.0  # between the lines of a bar that nobody watches


class ProgressBar(tqdm):
    """A bar of tqdm that writes one line per 30 seconds, and not ten per second, if standard error is no terminal.

    Arguments are those of tqdm. A notebook counts as a terminal.
    """

    def __init__(self, *args, **kwargs):
        if not _is_watched():
            # tqdm's monitor writes after `maxinterval`, and a number of steps alone may not cause a line.
            kwargs.update(mininterval=SECONDS_IN_A_FILE, maxinterval=SECONDS_IN_A_FILE, miniters=0)
        super().__init__(*args, **kwargs)


def _is_watched() -> bool:
    """Returns whether somebody sees a bar move: on a terminal, or in a notebook."""
    return sys.stderr is not None and (sys.stderr.isatty() or "ipykernel" in sys.modules)
