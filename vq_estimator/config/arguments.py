"""Checks of the arguments of public methods: one function for each kind of value.

Each function returns the value as a plain type, so NumPy scalars are accepted like Python numbers. Flags are checked by
their kind, but the arguments of a Python program may be anything.
"""

import dataclasses
import numbers
import os
import re
from typing import Any, List, Sequence, Tuple, Type, Union

import numpy as np

from vq_estimator.config.checks import MAX_INT, check
from vq_estimator.errors import VQError, one_line

MAX_NAMES = 10  # of classes in a message
MAX_SAMPLES = 10**6  # largest number of samples per call
_DIGITS = re.compile("[0-9]{1,9}")
Shape = Tuple[Union[int, str], ...]  # a letter stands for a dimension of any size


def _is_integer(value: Any) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _is_real(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def integer(field: str, value: Any, low: int = 0, high: int = MAX_INT, want: str = "") -> int:
    """Checks an integer from `low` to `high`, both included.

    Raises:
      VQError: another number or type; True and 1.0 are not integers.
    """
    want = want or f"an integer from {low:,} to {high:,}"
    check(_is_integer(value), field, value, want if "integer" in want else f"an integer, {want}")
    check(low <= value <= high, field, value, want)
    return int(value)


def real(field: str, value: Any, low: float, high: float, want: str, above: bool = False) -> float:
    """Checks a number from `low` to `high`, both included; with `above` it must be greater than `low`.

    Raises:
      VQError: another number or type, or NaN.
    """
    good = _is_real(value) and low <= value <= high
    check(good and not (above and value == low), field, value, want)
    return float(value)


def samples(field: str, value: Any) -> int:
    """Checks the number of samples to draw.

    Raises:
      VQError: another number or type.
    """
    number = integer(field, value, 1, 2**62, "1 or more")
    return integer(field, number, 1, MAX_SAMPLES, f"at most {MAX_SAMPLES:,} samples in one call")


def seed(field: str, value: Any) -> int:
    """Checks a random seed.

    Raises:
      VQError: another number or type.
    """
    return integer(field, value, 0, 2**31 - 1, "an integer from 0 to 2147483647")


def temperature(field: str, value: Any) -> float:
    """Checks a sampling temperature. It has bounds because a float32 is divided by it.

    Raises:
      VQError: another number or type.
    """
    return real(field, value, 1e-6, 1e6, "a number above 0, from 0.000001 to 1,000,000")


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
    """Checks a boolean.

    Raises:
      VQError: any other type, such as the integer 1.
    """
    check(isinstance(value, (bool, np.bool_)), field, value, "True or False")
    return bool(value)


def text(field: str, value: Any, want: str = "a string") -> str:
    """Checks a string.

    Raises:
      VQError: any other type.
    """
    check(isinstance(value, str), field, value, want)
    return str(value)


def one_of(field: str, value: Any, choices: Sequence[str]) -> str:
    """Checks a string that must be one of `choices`.

    Raises:
      VQError: any other value.
    """
    check(isinstance(value, str) and value in choices, field, value, "one of " + ", ".join(choices))
    return str(value)


def setting(config: Type[Any], field: str, argument: str, value: Any) -> Any:
    """A value that the setting `field` of a configuration may have; a NumPy value as a Python one.

    Args:
      config: the class of the configuration.
      field: the name of its field.
      argument: the name of the argument, for a message.
      value: what was passed.

    Raises:
      VQError: the setting cannot have this value.
    """
    (kind,) = [f.metadata["setting"].kind for f in dataclasses.fields(config) if f.name == field]
    value = kind.read(argument, value.tolist() if isinstance(value, (np.generic, np.ndarray)) else value)
    kind.check(argument, value)
    return value


def path(field: str, value: Any, want: str = "a path") -> str:
    """Checks a path, a string or a pathlib.Path, and returns it as a string.

    Raises:
      VQError: an empty path, one with a null character, or any other type.
    """
    found = os.fspath(value) if isinstance(value, (str, os.PathLike)) else None
    text = found if isinstance(found, str) else ""
    check(text != "" and "\0" not in text, field, value, want)
    return text


def listed(field: str, value: Any, want: str) -> List[Any]:
    """Returns the elements of a list, a tuple, a range or an array.

    Raises:
      VQError: any other type, such as a string or a number.
    """
    if isinstance(value, np.ndarray):
        check(value.ndim > 0, field, value, want)
    else:
        check(isinstance(value, (list, tuple, range)), field, value, want)
    return list(value)


def shape_of(value: Any) -> str:
    """Describes a value in a message: the dtype and shape of an array, or the type of anything else."""
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return f"{value.dtype} {list(value.shape)}"
    return "no array (" + type(value).__name__ + ")"


def array(field: str, value: Any, kind: str, shape: Shape, hint: str = "") -> "np.ndarray[Any, Any]":
    """Checks a NumPy array with at least one element; nested lists of numbers are converted.

    Args:
      field: its name in messages.
      value: the argument.
      kind: "uint8", or "integers" of any width.
      shape: for each dimension its size, or a letter if any size is allowed.
      hint: end of the message, which says what to do.

    Raises:
      VQError: another dtype, rank, shape or type.
    """
    want = "{} [{}]{}".format(kind, ", ".join(map(str, shape)), hint)
    try:
        found = np.asarray(value)
    except Exception:  # lists of unequal lengths and symbolic tensors raise different errors
        raise VQError(f"{field}: got {shape_of(value)}, expected {want}") from None
    good = found.dtype == np.uint8 if kind == "uint8" else np.issubdtype(found.dtype, np.integer)
    good = good and found.ndim == len(shape) and found.size > 0
    if not good or any(not isinstance(n, str) and n != have for n, have in zip(shape, found.shape)):
        got = shape_of(value if found.dtype == object else found)
        raise VQError(f"{field}: got {got}, expected {want}")
    return found


def codes(field: str, value: Any, shape: Shape, K: int) -> "np.ndarray[Any, Any]":
    """Checks codes of a shape, see `array`, and returns them as int32.

    Raises:
      VQError: another dtype or shape, or a code outside 0 to K - 1.
    """
    found = array(field, value, "integers", shape)
    if found.min() < 0 or found.max() >= K:
        raise VQError(f"{field}: got {found.min()} to {found.max()}, expected codes from 0 to {K - 1}")
    return found.astype(np.int32)
