"""Defines flags for the settings that `vq_estimator.config` declares."""

from typing import Any, Dict, List, Tuple, Type

from vq_estimator import config as config_lib
from vq_estimator.config.fields import GROUPS, Setting, Settings
from vq_estimator.config.values import Choice
from vq_estimator_launch.shell import FLAGS, Group

_NAMES: List[str] = []


def define(cls: Type[Any], only: Tuple[str, ...] = ()) -> None:
    """Defines a flag without a default for every setting that a configuration of class `cls` may have, in groups.

    Args:
      cls: the configuration class.
      only: the settings to define; all if empty.
    """
    declared: Dict[str, Setting] = {}
    for flag, setting, _ in config_lib.declarations(cls):
        declared.setdefault(flag, setting)
    for title in GROUPS:
        names = [flag for flag, setting in declared.items() if setting.group == title and flag in (only or declared)]
        group = Group(title, settings=True) if names else None
        for flag in names:
            kind = declared[flag].kind
            values = (kind.names,) if isinstance(kind, Choice) else ()
            getattr(group, kind.flag)(flag, None, *values, declared[flag].help)
            _NAMES.append(flag)


def given() -> Dict[str, Any]:
    """The settings that were passed on the command line, by flag."""
    return {name: FLAGS[name].value for name in _NAMES if FLAGS[name].value is not None}


def resolved(config: Settings) -> Dict[str, str]:
    """The values of a configuration's settings as --help shows them, by flag."""
    return {found.flag: found.declared.kind.text(found.value) for found in config_lib.settings_of(config)}
