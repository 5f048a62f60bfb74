"""Settings: dataclass fields that declare their help text, their values and their group.

Flags, `--help`, the arguments of `make_config`, range checks and `docs/settings.md` are all derived from these fields.

    @dataclasses.dataclass(frozen=True)
    class MixtureConfig(Settings):
        components: int = setting(3, Integer(1, 64), "components of the mixture", DECODER)
"""

import dataclasses
from typing import Any, Callable, Iterator, NamedTuple, Optional, Tuple, Type, get_type_hints

from vq_estimator.config.registry import Registry, type_name
from vq_estimator.config.values import Kind

# The headings of --help, in this order.
COMMON, MODEL, QUANTIZER, DECODER = "Common", "Network", "Quantizer", "Decoder and likelihood"
SPEECH, TRAINING, OUTPUT, FILES = "Speech", "Training", "Intervals", "Your own files (--dataset=images, npy and wav)"
GROUPS = (COMMON, MODEL, QUANTIZER, DECODER, SPEECH, TRAINING, OUTPUT, FILES)


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
    for owner in (config, getattr(config, "model", None)):
        without += tuple(getattr(owner, "without", ()))
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
