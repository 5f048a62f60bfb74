"""The values that a setting may have: their check, their text and their type as a flag."""

import abc
import dataclasses
import numbers
import re
from typing import Any, List, Tuple

from vq_estimator.config.checks import MAX_CHANNELS, MAX_INT, check, natural, number, positive_int
from vq_estimator.errors import VQError


class Kind(abc.ABC):
    """The values that a setting may have.

    Attributes:
      flag: the type of its flag: "integer", "float", "bool", "enum" or "string".
      want: the allowed values in words, of a kind that has no `describe`.
    """

    flag = "string"
    want: str

    def check(self, field: str, value: Any) -> None:
        """Raises a VQError if `value` is invalid; every value is valid here."""
        del field, value

    def read(self, field: str, value: Any) -> Any:
        """Converts the text of a flag, or an argument of a caller, to a value."""
        del field
        return value

    def describe(self) -> str:
        """Returns the allowed values as text, for the table of settings."""
        return self.want

    def text(self, value: Any) -> str:
        """Formats a value as its flag accepts it."""
        return "none" if value is None else str(value)

    @abc.abstractmethod
    def bad_values(self) -> List[Any]:
        """Returns examples of values that `check` or `read` refuses, for the tests."""


@dataclasses.dataclass(frozen=True)
class Integer(Kind):
    """Integers from `low`, which is 0 or 1, to `high`."""

    low: int = 1
    high: int = MAX_INT
    flag = "integer"

    def check(self, field: str, value: Any) -> None:
        (positive_int if self.low else natural)(field, value, self.high)

    def describe(self) -> str:
        return f"{self.low} or more" if self.high == MAX_INT else f"{self.low} to {self.high:,}"

    def bad_values(self) -> List[Any]:
        return [self.low - 1, self.high + 1]


@dataclasses.dataclass(frozen=True)
class Number(Kind):
    """Numbers from `low` to `high`; `want` describes the range in words."""

    low: float
    high: float
    want: str
    flag = "float"

    def check(self, field: str, value: Any) -> None:
        number(field, value, self.low, self.high, self.want)

    def bad_values(self) -> List[Any]:
        return [self.low - 1.0, float("nan"), float("inf")]


@dataclasses.dataclass(frozen=True)
class Choice(Kind):
    """One of several names."""

    names: Tuple[str, ...]
    flag = "enum"

    def check(self, field: str, value: Any) -> None:
        check(value in self.names, field, value, "one of " + ", ".join(self.names))

    def describe(self) -> str:
        return ", ".join(self.names)

    def bad_values(self) -> List[Any]:
        return ["no_such_name"]


@dataclasses.dataclass(frozen=True)
class Bool(Kind):
    """True or false."""

    flag = "bool"

    def check(self, field: str, value: Any) -> None:
        check(isinstance(value, bool), field, value, "true or false")

    def describe(self) -> str:
        return "true, false"

    def text(self, value: Any) -> str:
        return "true" if value else "false"

    def bad_values(self) -> List[Any]:
        return ["maybe"]


@dataclasses.dataclass(frozen=True)
class Integers(Kind):
    """A tuple of integers, or text such as 8,5,5,5."""

    want: str
    each: Kind = Integer(1, MAX_CHANNELS)

    def check(self, field: str, value: Any) -> None:
        check(isinstance(value, tuple) and len(value) > 0, field, value, self.want)
        for one in value:
            self.each.check(field, one)

    def read(self, field: str, value: Any) -> Any:
        try:
            return tuple(int(n) for n in value.split(",")) if isinstance(value, str) else tuple(value)
        except (ValueError, TypeError):
            raise VQError(f"{field}: got {value!r}, expected {self.want}") from None

    def text(self, value: Any) -> str:
        return "none" if value is None else ",".join(str(n) for n in value)

    def bad_values(self) -> List[Any]:
        return ["8,x", "", (-1,)]


@dataclasses.dataclass(frozen=True)
class Size(Kind):
    """Height and width: an integer if they are equal, otherwise a tuple of two; as text such as 64 or 64x96."""

    high: int
    want: str

    def check(self, field: str, value: Any) -> None:
        sides = value if isinstance(value, tuple) else (value,)
        check(not isinstance(value, tuple) or (len(value) == 2 and value[0] != value[1]), field, value, self.want)
        for side in sides:
            positive_int(field, side, self.high)

    def read(self, field: str, value: Any) -> Any:
        sides: Any = value if isinstance(value, (tuple, list)) else (value,)
        if isinstance(value, str):
            parts = value.lower().split("x")
            check(all(re.fullmatch(r"-?[0-9]{1,9}", part) for part in parts), field, value, self.want)
            sides = [int(part) for part in parts]
        good = all(isinstance(n, numbers.Integral) and not isinstance(n, bool) for n in sides)
        check(good and len(sides) in (1, 2), field, value, self.want)
        found = tuple(int(n) for n in sides)
        return found[0] if found[0] == found[-1] else found

    def text(self, value: Any) -> str:
        return "x".join(str(n) for n in dict.fromkeys(value)) if isinstance(value, tuple) else str(value)

    def bad_values(self) -> List[Any]:
        return ["64x", "64x96x3", "0", 0, (64, -1), (8, 8, 8), self.high + 1]


@dataclasses.dataclass(frozen=True)
class Text(Kind):
    """Any text, or None."""

    want: str

    def check(self, field: str, value: Any) -> None:
        check(value is None or isinstance(value, str), field, value, self.want)

    def bad_values(self) -> List[Any]:
        return [5]
