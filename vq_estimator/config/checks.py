"""Values that can't be fail at once, with the field, what it got and what it expects."""

from typing import Any

from vq_estimator.errors import VQError


def check(ok: bool, field: str, got: Any, want: str) -> None:
    if not ok:
        raise VQError(f"{field}: got {got!r}, expected {want}")


def positive_int(field: str, value: Any) -> None:
    check(
        isinstance(value, int) and not isinstance(value, bool) and value >= 1, field, value, "an integer of 1 or more"
    )


def natural(field: str, value: Any) -> None:
    check(isinstance(value, int) and value >= 0, field, value, "0 or more")


def number(field: str, value: Any, low: float, high: float, want: str) -> None:
    ok = isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high
    check(ok, field, value, want)
