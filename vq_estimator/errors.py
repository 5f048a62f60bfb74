"""The error type for everything that a user can fix: bad flags, bad files, a run directory that does not fit."""

MOST = 2000  # characters of a message, which may contain text from a hostile file


class VQError(ValueError):
    """An error of one line: the field, the value, the expected values. Commands print it and exit with status 1."""

    def __init__(self, message: str):
        super().__init__(one_line(message))


class NoExampleError(VQError):
    """No example of an input can be read."""


def one_line(text: str) -> str:
    """Removes line breaks, control characters and terminal escapes, which file names may contain."""
    shown = text if len(text) <= MOST else text[: MOST - 3] + "..."
    return "".join(c if c.isprintable() else " " if c == "\n" else repr(c)[1:-1] for c in shown)


def counted(number: int, things: str) -> str:
    """Returns "1 image" or "2,000 images", given the plural."""
    return f"{number:,} {things[:-1] if number == 1 else things}"


def describe_extra(extra: str) -> str:
    """Returns how to install an extra of setup.py, for an error message. The package is installed from its source."""
    return f"the extra {extra!r}: pip install '.[{extra}]' in the source folder of vq_estimator"
