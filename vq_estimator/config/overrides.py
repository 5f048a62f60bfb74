"""Replaces settings of a configuration."""

import dataclasses
from typing import Any, Dict, Iterator, Tuple, TypeVar

from vq_estimator.config.checks import check
from vq_estimator.config.fields import Settings, declarations, settings_of
from vq_estimator.config.registry import Registry, type_name
from vq_estimator.config.renamed import NEW_NAMES
from vq_estimator.errors import VQError

S = TypeVar("S", bound=Settings)


def override(config: S, given: Dict[str, Any]) -> S:
    """A configuration with some settings replaced.

    Args:
      config: a Config or a PriorConfig.
      given: values by flag.

    Raises:
      VQError: a value is invalid, a setting is unknown, or this configuration does not have it.
    """
    left = dict(given)
    changed = _replace(config, left, tuple(getattr(getattr(config, "model", config), "without", ())))
    for name in left:
        _refuse(name, left[name], changed)
    for found in settings_of(changed):
        if found.flag in given and found.declared.applies is not None:
            check(found.declared.applies(changed), found.flag, given[found.flag], "no value: " + found.declared.why)
    return changed


def _replace(part: Any, given: Dict[str, Any], without: Tuple[str, ...]) -> Any:
    """A part of a configuration with its settings replaced. Removes these settings from `given`."""
    changes = {}
    for field in dataclasses.fields(part):
        value, declared, registry = getattr(part, field.name), *(field.metadata.get(k) for k in ("setting", "variant"))
        if registry is not None and registry.flag:
            value = registry.choose(given.pop(registry.flag, None), value)
        if declared is None and dataclasses.is_dataclass(value):
            changes[field.name] = _replace(value, given, without)
        elif declared is not None:
            flag = declared.flag or field.name
            if flag in given and flag not in without:
                changes[field.name] = declared.kind.read(flag, given.pop(flag))
    changed = dataclasses.replace(part, **changes)
    for name, why in getattr(part, "derived", {}).items():
        if name in given:
            value, want = given.pop(name), getattr(changed, name)
            check(value == want, name, value, f"{want}, {why}, or no value")
    return changed


def _refuse(name: str, value: Any, config: Settings) -> None:
    """Raises a VQError: the setting is unknown, or only another variant has it."""
    chains = [chain for flag, _, chain in declarations(type(config)) if flag == name]
    if not chains:
        if name in NEW_NAMES:
            raise VQError(f"{name}: got {value!r}, expected no value: this setting is called {NEW_NAMES[name]} now")
        raise VQError(f"unknown setting {name!r}; expected one of those in docs/settings.md")
    chosen = dict(_choices(config))
    missing = []  # the choice that puts each declaration out of reach: (depth, its registry, name)
    for chain in chains:
        wrong = [
            (depth, registry, kind) for depth, (registry, kind) in enumerate(chain) if chosen.get(registry) != kind
        ]
        missing += wrong[:1]
    deepest = max((depth for depth, _, _ in missing), default=0)
    flag = next((registry.flag for depth, registry, _ in missing if depth == deepest), "")
    if not flag:
        check(False, name, value, f"no value: {getattr(config, 'dataset', 'this')} has no such setting")
    names = list(dict.fromkeys(kind for depth, _, kind in missing if depth == deepest))
    have = "has" if len(names) == 1 else "have"
    check(False, name, value, f"no value: only --{flag}={' and '.join(names)} {have} this setting")


def _choices(config: Any) -> Iterator[Tuple[Registry, str]]:
    """The name of every variant in a configuration."""
    for field in dataclasses.fields(config):
        value, registry = getattr(config, field.name), field.metadata.get("variant")
        if registry is not None:
            yield registry, type_name(value)
        if dataclasses.is_dataclass(value):
            yield from _choices(value)
