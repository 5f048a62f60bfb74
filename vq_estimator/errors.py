"""The one error type for what a user can mend: bad flags, bad files, a run folder that does not fit."""

MOST = 2000  # letters of a message: a hostile file may put any text into one


class VQError(ValueError):
    """Says in one line what was wrong, what was got and what is expected; launch/ prints it and exits with status 1."""

    def __init__(self, message: str):
        super().__init__(one_line(message))


def one_line(text: str) -> str:
    """The text without line breaks, control characters and terminal escapes, which names of files may hold."""
    shown = text if len(text) <= MOST else text[: MOST - 3] + "..."
    return "".join(c if c.isprintable() else " " if c == "\n" else repr(c)[1:-1] for c in shown)
