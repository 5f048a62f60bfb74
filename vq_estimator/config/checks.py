"""Values that can't be fail at once, with the field, what it got and what it expects."""

from typing import Any

from vq_estimator.errors import VQError

# What no machine can do fails at once too, and does not fill the memory first.
MAX_INT = 2**31 - 1  # TensorFlow's shapes and loops are of 32 bits
MAX_LAYERS = 256  # a graph is built of them one by one
MAX_CHANNELS = 2**16  # also of an embedding's dimension and of the examples in a step
MAX_LETTERS = 100  # of a value in a message


def check(ok: bool, field: str, got: Any, want: str) -> None:
    """Raises VQError `field: got .., expected ..` where `ok` is false."""
    if not ok:
        raise VQError(f"{field}: got {_format(got)}, expected {want}")


def _format(value: Any) -> str:
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # an integer of thousands of digits, lists in lists in lists
        return f"a {type(value).__name__} that is too large"
    return text if len(text) <= MAX_LETTERS else text[: MAX_LETTERS - 3] + "..."


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def positive_int(field: str, value: Any, most: int = MAX_INT) -> None:
    check(_is_integer(value) and value >= 1, field, value, "an integer of 1 or more")
    check(value <= most, field, value, f"at most {most}")


def natural(field: str, value: Any, most: int = MAX_INT) -> None:
    check(_is_integer(value) and value >= 0, field, value, "0 or more")
    check(value <= most, field, value, f"at most {most}")


def number(field: str, value: Any, low: float, high: float, want: str) -> None:
    ok = isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high
    check(ok, field, value, want)
