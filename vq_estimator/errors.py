"""The one error type for what a user can mend: bad flags, bad files, a run folder that does not fit."""


class VQError(ValueError):
    """Says in one line what was wrong, what was got and what is expected; launch/ prints it and exits with status 1."""
