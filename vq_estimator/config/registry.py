"""Registries of the variants of a part of a configuration: likelihoods, quantizers, decoders, kinds of data.

A row names a variant's implementations as text, which is imported on use, so that flags and checks need no TensorFlow.
"""

import importlib
from typing import Any, Dict, Mapping, NamedTuple, Optional, Tuple, Type

from vq_estimator.config.checks import check
from vq_estimator.config.values import Choice


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
      base: the base class of the variants' configurations.
    """

    def __init__(
        self, flag: str, help: str, group: str, rows: Dict[str, Row], default: str = "", base: Type[Any] = object
    ):
        self.flag, self.help, self.group, self.rows, self.default = flag, help, group, rows, default
        self.base = base
        _VARIANTS.update({row.config: (name, row) for name, row in rows.items()})

    def add(self, name: str, row: Row) -> None:
        """Adds a variant, from a program that uses the package (docs/extending.md).

        Raises:
          VQError: the name or the class of the configuration is in use, or the class is not derived from `base`.
        """
        name_of_class, want = row.config.__name__, f"a subclass of {self.base.__name__}"
        check(issubclass(row.config, self.base), self.flag or "name", name_of_class, want)
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
