"""The strict JSON round trip of configurations, and the differences between two of them."""

import dataclasses
import json
from typing import Any, Dict, List, Tuple, Union, get_type_hints

from vq_estimator.config.checks import check
from vq_estimator.config.decoder import AutoregressiveDecoder
from vq_estimator.config.fields import Settings
from vq_estimator.config.model import NetworkConfig
from vq_estimator.config.prior import PriorNetworkConfig
from vq_estimator.config.quantizer import EMACodebook, GradientCodebook
from vq_estimator.config.registry import Registry, type_name
from vq_estimator.config.renamed import NEW_PRESETS
from vq_estimator.config.run import RESUMABLE, Config
from vq_estimator.config.speech import WaveNetConfig
from vq_estimator.errors import VQError

MAX_BYTES = 1 << 20  # largest size of a file
# Current names of the keys of version 0.1.0.
_CODEBOOK = {"kmeans_steps": "kmeans_init_steps", "restart_below": "dead_entry_threshold"}
OLD_KEYS = {
    NetworkConfig: {
        "widths": "hidden_channels",
        "residual_width": "residual_channels",
        "output_width": "output_channels",
    },
    GradientCodebook: _CODEBOOK,
    EMACodebook: _CODEBOOK,
    AutoregressiveDecoder: {"maps": "channels", "features": "condition_channels"},
    WaveNetConfig: {
        "cycles": "stacks",
        "maps": "channels",
        "skip": "skip_channels",
        "features": "condition_channels",
        "drop_condition": "condition_dropout",
    },
    PriorNetworkConfig: {"maps": "channels", "cycles": "stacks"},
}
# Current names of values of version 0.1.0, by key.
OLD_VALUES: Dict[Any, Dict[str, Dict[str, str]]] = {Config: {"preset": NEW_PRESETS}}


def to_dict(value: Any) -> Any:
    """Converts to plain JSON types; a variant has its name under "type"."""
    if dataclasses.is_dataclass(value):
        out = {f.name: to_dict(getattr(value, f.name)) for f in dataclasses.fields(value)}
        name = type_name(value)
        return dict(type=name, **out) if name else out
    return list(value) if isinstance(value, tuple) else value


def to_json(config: Settings) -> str:
    return json.dumps(to_dict(config), indent=2, allow_nan=False) + "\n"


def from_json(text: str, where: str = "config.json", kind: Any = Config) -> Any:
    """Parses a configuration that `to_json` wrote, also by version 0.1.0.

    Only entries with a default may be missing: the default is what runs did before the entry existed.

    Args:
      text: the JSON text.
      where: the file's name in messages.
      kind: Config or PriorConfig.

    Raises:
      VQError: an unknown, missing or invalid entry, with its path.
    """
    try:
        return _parse_object(kind, json.loads(text), where)
    except VQError:
        raise
    except (ValueError, RecursionError) as e:
        raise VQError(f"{where}: not JSON: {e}") from None


def read_config(path: str, kind: Any = Config) -> Any:
    """Reads a configuration, a `kind`, from a JSON file.

    Raises:
      VQError: the file cannot be read, or is not a configuration.
    """
    try:
        with open(path, encoding="utf-8") as f:
            text = f.read(MAX_BYTES + 1)
    except (OSError, ValueError) as e:
        raise VQError(f"config: {path!r} can't be read ({getattr(e, 'strerror', None) or e})") from None
    check(len(text) <= MAX_BYTES, "config", path, f"a file of at most {MAX_BYTES:,} bytes")
    return from_json(text, path, kind)


def _parse_object(kind: Any, data: Any, where: str) -> Any:
    check(isinstance(data, dict), where, data, "an object")
    old = OLD_KEYS.get(kind, {})
    data = {old.get(name, name) if old.get(name) not in data else name: value for name, value in data.items()}
    for name, renamed in OLD_VALUES.get(kind, {}).items():
        if isinstance(data.get(name), str):
            data[name] = renamed.get(data[name], data[name])
    hints, fields = get_type_hints(kind), {f.name: f for f in dataclasses.fields(kind)}
    needed = [name for name, f in fields.items() if f.default is dataclasses.MISSING]
    for name in data:
        check(name in fields, where, name, "only " + ", ".join(fields))
    for name in needed:
        check(name in data, where, "no " + name, "all of " + ", ".join(needed))
    parsed = {}
    for name, field in fields.items():
        if name in data:
            registry, at = field.metadata.get("variant"), where + "." + name
            read = _parse_value if registry is None else _parse_variant
            parsed[name] = read(hints[name] if registry is None else registry, data[name], at)
    try:
        return kind(**parsed)
    except VQError as e:
        raise VQError(f"{where}: {e}") from None


def _parse_variant(registry: Registry, data: Any, where: str) -> Any:
    name: Any = data.get("type", registry.default or None) if isinstance(data, dict) else None
    check(name in tuple(registry.rows), where + ".type", name, "one of " + ", ".join(registry.rows))
    return _parse_object(registry.rows[name].config, {k: v for k, v in data.items() if k != "type"}, where)


_LISTS: Dict[Any, Tuple[type, str]] = {
    Tuple[int, ...]: (int, "a list of integers"),
    Tuple[str, ...]: (str, "a list of strings"),
}


def _parse_value(kind: Any, data: Any, where: str) -> Any:
    if dataclasses.is_dataclass(kind):
        return _parse_object(kind, data, where)
    if getattr(kind, "__origin__", None) is Union:  # also Optional
        if data is None and type(None) in kind.__args__:
            return None
        options = [k for k in kind.__args__ if k is not type(None)]
        fitting = [k for k in options if (k in _LISTS) == isinstance(data, list)]
        return _parse_value((fitting or options)[0], data, where)
    if kind in _LISTS:
        each, want = _LISTS[kind]
        check(isinstance(data, list) and all(type(n) is each for n in data), where, data, want)
        return tuple(data)
    if kind is float:
        check(type(data) is float or (type(data) is int and abs(data) < 2**63), where, data, "a number")
        return float(data)
    check(type(data) is kind, where, data, "a value of type " + kind.__name__)
    return data


def differences(old: Settings, new: Settings) -> List[str]:
    """Returns one line per different field, such as `model.quantizer.K: 20 in the run, 5 asked for`.

    Fields in RESUMABLE are ignored.
    """
    lines: List[str] = []

    def walk(path: List[str], a: Any, b: Any) -> None:
        if isinstance(a, dict) and isinstance(b, dict):
            for key in list(a) + [k for k in b if k not in a]:
                walk(path + [key], a.get(key), b.get(key))
        elif a != b and ".".join(path) not in RESUMABLE:
            lines.append("{}: {!r} in the run, {!r} asked for".format(".".join(path), a, b))

    walk([], to_dict(old), to_dict(new))
    return lines
