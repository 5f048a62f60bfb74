"""Settings: dataclass fields that declare their help text, their values and their group.

Flags, `--help`, the arguments of `make_config`, range checks and `docs/settings.md` are all derived from these fields.

    @dataclasses.dataclass(frozen=True)
    class MixtureConfig(Settings):
        components: int = setting(3, Integer(1, 64), "components of the mixture", DECODER)
"""

import dataclasses
import importlib
import numbers
import re
from typing import Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Optional, Tuple, Type, get_type_hints

from vq_estimator.config.checks import MAX_CHANNELS, MAX_INT, check, natural, number, positive_int
from vq_estimator.errors import VQError

# The headings of --help, in this order.
COMMON, MODEL, QUANTIZER, DECODER = "Common", "Network", "Quantizer", "Decoder and likelihood"
SPEECH, TRAINING, OUTPUT, FILES = "Speech", "Training", "Intervals", "Your own files (--dataset=images, npy and wav)"
GROUPS = (COMMON, MODEL, QUANTIZER, DECODER, SPEECH, TRAINING, OUTPUT, FILES)


class Kind:
    """The values that a setting may have.

    Attributes:
      flag: the type of its flag: "integer", "float", "bool", "enum" or "string".
    """

    flag = "string"

    def check(self, field: str, value: Any) -> None:
        """Raises a VQError if `value` is invalid."""

    def read(self, field: str, value: Any) -> Any:
        """Converts the text of a flag, or an argument of a caller, to a value."""
        del field
        return value

    def describe(self) -> str:
        """Returns the allowed values as text, for the table of settings."""
        raise NotImplementedError

    def text(self, value: Any) -> str:
        """Formats a value as its flag accepts it."""
        return "none" if value is None else str(value)

    def bad_values(self) -> List[Any]:
        """Returns examples of values that `check` or `read` refuses, for the tests."""
        raise NotImplementedError


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

    def describe(self) -> str:
        return self.want

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

    def describe(self) -> str:
        return self.want

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

    def describe(self) -> str:
        return self.want

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

    def describe(self) -> str:
        return self.want

    def bad_values(self) -> List[Any]:
        return [5]


class Setting(NamedTuple):
    """The declaration of a setting.

    Attributes:
      kind: the allowed values.
      help: what it sets, with its unit.
      group: one of GROUPS.
      flag: the setting's name in flags and `make_config`; "": the name of the field.
      applies: whether a configuration uses the setting; if not, a given value is refused.
      why: the reason in that error message.
    """

    kind: Kind
    help: str
    group: str
    flag: str = ""
    applies: Optional[Callable[[Any], bool]] = None
    why: str = ""


class Row(NamedTuple):
    """A variant: the class of its configuration and its implementations as "module:Class".

    Attributes:
      config: the class of its configuration.
      tensorflow: its implementation in TensorFlow.
      numpy: its implementation in NumPy, for the codec.
      opened: for a kind of model, the class that opens a trained run.
      parts: for a kind of model, other implementations by name, as "module:object" or "module".
    """

    config: Type[Any]
    tensorflow: str
    numpy: str = ""
    opened: str = ""
    parts: Mapping[str, str] = {}


_VARIANTS: Dict[Type[Any], Tuple[str, Row]] = {}  # variants of all registries by the class of their configuration


class Registry:
    """The variants of a part of a configuration, by their names.

    Attributes:
      flag: the flag that chooses a variant; "": the data set decides.
      help, group: see Setting.
      rows: the variants by their names.
      default: the variant for a JSON file that names no variant; "": a name is required.
    """

    def __init__(self, flag: str, help: str, group: str, rows: Dict[str, Row], default: str = ""):
        self.flag, self.help, self.group, self.rows, self.default = flag, help, group, rows, default
        _VARIANTS.update({row.config: (name, row) for name, row in rows.items()})

    def add(self, name: str, row: Row) -> None:
        """Adds a variant, from a program that uses the package (docs/extending.md).

        Raises:
          VQError: the name or the class of the configuration is in use.
        """
        check(name not in self.rows and row.config not in _VARIANTS, self.flag or "name", name, "a new variant")
        self.rows[name] = row
        _VARIANTS[row.config] = name, row

    def remove(self, name: str) -> None:
        """Removes a variant that `add` added."""
        del _VARIANTS[self.rows.pop(name).config]

    @property
    def kind(self) -> Choice:
        return Choice(tuple(self.rows))

    def choose(self, name: Optional[str], current: Any) -> Any:
        """Returns the variant `name` with the values that it shares with `current`.

        Returns `current` itself if `name` is None or the name of `current`.
        """
        if name is None or type_name(current) == name:
            return current
        self.kind.check(self.flag, name)
        cls = self.rows[name].config
        kept = getattr(cls, "kept_from_others", ())
        return cls(**{field: getattr(current, field) for field in kept if hasattr(current, field)})


def implementation(config: Any) -> Any:
    """Returns the TensorFlow implementation of a variant."""
    return load_object(_VARIANTS[type(config)][1].tensorflow)


def numpy_implementation(config: Any) -> Any:
    """Returns the NumPy implementation of a variant."""
    return load_object(_VARIANTS[type(config)][1].numpy)


def opener(config: Any) -> Any:
    """Returns the class that opens trained runs of a model."""
    return load_object(_VARIANTS[type(config)][1].opened)


def part(config: Any, name: str) -> Any:
    """Returns the entry `name` of `Row.parts`, such as `coding`, for a kind of model: an object or a module."""
    return load_object(_VARIANTS[type(config)][1].parts[name])


def load_object(name: str) -> Any:
    """Returns the object that "module:name" names, or the module if there is no name."""
    module, _, attribute = name.partition(":")
    found = importlib.import_module(module)
    return getattr(found, attribute) if attribute else found


def type_name(value: Any) -> str:
    """Returns the name of a variant, its "type" in JSON, or "" if `value` is not a variant."""
    return _VARIANTS[type(value)][0] if type(value) in _VARIANTS else ""


def setting(
    default: Any,
    kind: Kind,
    help: str,
    group: str,
    flag: str = "",
    applies: Optional[Callable[[Any], bool]] = None,
    why: str = "",
) -> Any:
    """Declares a dataclass field that is a setting; `dataclasses.MISSING` as `default` makes it required."""
    return dataclasses.field(default=default, metadata={"setting": Setting(kind, help, group, flag, applies, why)})


def variant(default: Any, registry: Registry) -> Any:
    """Declares a dataclass field whose value is a variant of `registry`."""
    return dataclasses.field(default=default, metadata={"variant": registry})


@dataclasses.dataclass(frozen=True)
class Settings:
    """Base class of dataclasses whose fields are settings. The constructor checks each value, then calls `check`."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            declared = field.metadata.get("setting")
            if declared is not None:
                declared.kind.check(declared.flag or field.name, getattr(self, field.name))
        self.check()

    def check(self) -> None:
        """Raises a VQError if values do not fit together."""


class Found(NamedTuple):
    """A setting of a configuration: the name of its flag, its declaration and its value."""

    flag: str
    declared: Setting
    value: Any


def settings_of(config: Any, without: Tuple[str, ...] = ()) -> Iterator[Found]:
    """Yields the settings of a configuration in the order of its fields; choosing a variant is a setting too."""
    without = without + tuple(getattr(getattr(config, "model", None), "without", ()))
    for field in dataclasses.fields(config):
        value, declared, registry = (
            getattr(config, field.name),
            *(field.metadata.get(k) for k in ("setting", "variant")),
        )
        if registry is not None and registry.flag:
            yield Found(registry.flag, Setting(registry.kind, registry.help, registry.group), type_name(value))
        if declared is not None and (declared.flag or field.name) not in without:
            yield Found(declared.flag or field.name, declared, value)
        elif declared is None and dataclasses.is_dataclass(value):
            yield from settings_of(value, without)
    for flag, declared in getattr(config, "shorthands", {}).items():
        yield Found(flag, declared, getattr(config, flag))


Chain = Tuple[Tuple[Registry, str], ...]


def declarations(
    cls: Type[Any], chain: Chain = (), without: Tuple[str, ...] = ()
) -> Iterator[Tuple[str, Setting, Chain]]:
    """Yields every setting that a configuration of class `cls` may have.

    Yields:
      Its flag, its declaration, and the variants, each a (registry, name), under which it exists.
    """
    hints = get_type_hints(cls)
    without = without + tuple(getattr(cls, "without", ()))
    for field in dataclasses.fields(cls):
        declared, registry = (field.metadata.get(k) for k in ("setting", "variant"))
        if registry is not None:
            if registry.flag:
                yield registry.flag, Setting(registry.kind, registry.help, registry.group), chain
            for name, row in registry.rows.items():
                yield from declarations(row.config, (*chain, (registry, name)), without)
        elif declared is not None:
            if (declared.flag or field.name) not in without:
                yield declared.flag or field.name, declared, chain
        elif dataclasses.is_dataclass(hints[field.name]):
            yield from declarations(hints[field.name], chain, without)
    for flag, declared in getattr(cls, "shorthands", {}).items():
        yield flag, declared, chain
