"""Checks of values. A failed check raises a VQError with the field, the value and the expected values."""

from typing import Any

from vq_estimator.errors import VQError

# Upper limits make absurd values fail at once instead of filling the memory.
MAX_INT = 2**31 - 1  # TensorFlow's shapes and loops have 32 bits
MAX_LAYERS = 256  # the graph is built layer by layer
MAX_CHANNELS = 2**16  # also limits the embedding dimension and the examples per step
MAX_LETTERS = 100  # characters of a value in a message


def check(ok: bool, field: str, got: Any, want: str) -> None:
    """Raises a VQError `field: got .., expected ..` if `ok` is false."""
    if not ok:
        raise VQError(f"{field}: got {_format(got)}, expected {want}")


def _format(value: Any) -> str:
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # an integer with thousands of digits, deeply nested lists
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
