"""Values that can't be fail at once, with the field, what it got and what it expects."""

from typing import Any

from vq_estimator.errors import VQError

# What no machine can do fails at once too, and does not fill the memory first.
MOST = 2**31 - 1  # of any count: TensorFlow's shapes and loops are of 32 bits
MOST_LAYERS = 256  # of anything that a graph is built of one by one
MOST_MAPS = 2**16  # feature maps, numbers in an entry, images in a step
SHOWN = 100  # letters of a value in a message


def check(ok: bool, field: str, got: Any, want: str) -> None:
    if not ok:
        raise VQError(f"{field}: got {_shown(got)}, expected {want}")


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # an integer of thousands of digits, lists in lists in lists
        return f"a {type(value).__name__} that is too large"
    return text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."


def _integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def positive_int(field: str, value: Any, most: int = MOST) -> None:
    check(_integer(value) and value >= 1, field, value, "an integer of 1 or more")
    check(value <= most, field, value, f"at most {most}")


def natural(field: str, value: Any, most: int = MOST) -> None:
    check(_integer(value) and value >= 0, field, value, "0 or more")
    check(value <= most, field, value, f"at most {most}")


def number(field: str, value: Any, low: float, high: float, want: str) -> None:
    ok = isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high
    check(ok, field, value, want)
