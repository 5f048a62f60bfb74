"""Checks of what a Python program passes to a public method: one function for each kind of value.

Each returns the value as the plain type that the code works with, so that a NumPy scalar is as good as a Python number.
Flags arrive checked by their kind; arguments may be anything at all.
"""

import numbers
import os
import re
from typing import Any, List, Sequence, Tuple, Union

import numpy as np

from vq_estimator.config.checks import MAX_INT, check
from vq_estimator.errors import VQError, one_line

MAX_NAMES = 10  # of classes in a message
_DIGITS = re.compile("[0-9]{1,9}")
Shape = Tuple[Union[int, str], ...]  # a letter is a dimension of any size


def _is_integer(value: Any) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _is_real(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def integer(field: str, value: Any, low: int = 0, high: int = MAX_INT, want: str = "") -> int:
    """An integer from `low` to `high`, both included.

    Raises:
      VQError: it is another number, or no integer (True is none, and 1.0 is none).
    """
    want = want or f"an integer from {low:,} to {high:,}"
    check(_is_integer(value), field, value, want if "integer" in want else f"an integer, {want}")
    check(low <= value <= high, field, value, want)
    return int(value)


def real(field: str, value: Any, low: float, high: float, want: str, above: bool = False) -> float:
    """A number from `low` to `high`, both included; with `above` greater than `low`.

    Raises:
      VQError: it is another number, NaN, or no number.
    """
    good = _is_real(value) and low <= value <= high
    check(good and not (above and value == low), field, value, want)
    return float(value)


def class_number(field: str, value: Any, count: int, names: Sequence[str] = ()) -> int:
    """The number of a class or speaker: one that is given by its number, or by its name as a string.

    A string of digits is a number too, except where the name of a class is a string of digits itself: there a string is
    a name alone, so that "3" never means the class of another name.

    Args:
      field: the argument's name.
      value: what was passed.
      count: how many classes there are.
      names: their names; those of another number of classes are not used.

    Raises:
      VQError: there is no such class.
    """
    names = names if len(names) == count else ()
    if isinstance(value, str) and value in names:
        return list(names).index(value)
    some = ", ".join(one_line(name) for name in names[:MAX_NAMES]) + (", ..." if len(names) > MAX_NAMES else "")
    want = f"one of {some} or a number from 0 to {count - 1}" if names else f"a number from 0 to {count - 1}"
    if isinstance(value, str):
        numeric = any(_DIGITS.fullmatch(name) for name in names)
        is_number = not numeric and _DIGITS.fullmatch(value) is not None
        check(is_number, field, value, f"one of {some}" if numeric else want)
        value = int(value)
    check(_is_integer(value) and 0 <= value < count, field, value, want)
    return int(value)


def boolean(field: str, value: Any) -> bool:
    """True or False.

    Raises:
      VQError: it is anything else, such as 1.
    """
    check(isinstance(value, (bool, np.bool_)), field, value, "True or False")
    return bool(value)


def text(field: str, value: Any, want: str = "a string") -> str:
    """A string.

    Raises:
      VQError: it is anything else.
    """
    check(isinstance(value, str), field, value, want)
    return str(value)


def one_of(field: str, value: Any, choices: Sequence[str]) -> str:
    """One of some strings.

    Raises:
      VQError: it is anything else.
    """
    check(isinstance(value, str) and value in choices, field, value, "one of " + ", ".join(choices))
    return str(value)


def path(field: str, value: Any, want: str = "a path") -> str:
    """A path as a string: one that is given as a string, or a pathlib.Path.

    Raises:
      VQError: it is empty, holds a null character, or is no path.
    """
    found = os.fspath(value) if isinstance(value, (str, os.PathLike)) else None
    text = found if isinstance(found, str) else ""
    check(text != "" and "\0" not in text, field, value, want)
    return text


def listed(field: str, value: Any, want: str) -> List[Any]:
    """The elements of a list, a tuple, a range or an array.

    Raises:
      VQError: it is anything else, such as a string or a number.
    """
    if isinstance(value, np.ndarray):
        check(value.ndim > 0, field, value, want)
    else:
        check(isinstance(value, (list, tuple, range)), field, value, want)
    return list(value)


def shape_of(value: Any) -> str:
    """What a message says of an array: its dtype and shape; of anything else its type."""
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return f"{value.dtype} {list(value.shape)}"
    return "no array (" + type(value).__name__ + ")"


def array(field: str, value: Any, kind: str, shape: Shape, hint: str = "") -> "np.ndarray[Any, Any]":
    """A NumPy array of a shape that is not empty; nested lists of numbers are as good.

    Args:
      field: its name.
      value: what was passed.
      kind: "uint8", or "integers" of any width.
      shape: an integer for each dimension, or the letter that a message has for one of any size.
      hint: what a message says of what to do.

    Raises:
      VQError: another dtype, rank or shape, or no array.
    """
    want = "{} [{}]{}".format(kind, ", ".join(map(str, shape)), hint)
    try:
        found = np.asarray(value)
    except Exception:  # lists of unequal lengths, tensors of a graph: each has an error of its own
        raise VQError(f"{field}: got {shape_of(value)}, expected {want}") from None
    good = found.dtype == np.uint8 if kind == "uint8" else np.issubdtype(found.dtype, np.integer)
    good = good and found.ndim == len(shape) and found.size > 0
    if not good or any(not isinstance(n, str) and n != have for n, have in zip(shape, found.shape)):
        got = shape_of(value if found.dtype == object else found)
        raise VQError(f"{field}: got {got}, expected {want}")
    return found


def codes(field: str, value: Any, shape: Shape, K: int) -> "np.ndarray[Any, Any]":
    """Codes int32 of a shape; see `array`.

    Raises:
      VQError: no such array, or a code that is none of 0 to K - 1.
    """
    found = array(field, value, "integers", shape)
    if found.min() < 0 or found.max() >= K:
        raise VQError(f"{field}: got {found.min()} to {found.max()}, expected codes from 0 to {K - 1}")
    return found.astype(np.int32)
