"""The strict JSON round trip, and what differs between two runs."""

import dataclasses
import json
from typing import Any, List, Optional, Tuple, get_type_hints

from vq_estimator.config.checks import check
from vq_estimator.config.model import DECODERS, LIKELIHOODS, DecoderConfig, LikelihoodConfig
from vq_estimator.config.quantizer import CODEBOOKS, QUANTIZERS, CodebookConfig, QuantizerConfig
from vq_estimator.config.run import MODELS, RESUMABLE, AnyModel, Config
from vq_estimator.errors import VQError

# The parts that have variants: JSON names the variant under "type".
VARIANTS = {
    CodebookConfig: CODEBOOKS,
    QuantizerConfig: QUANTIZERS,
    LikelihoodConfig: LIKELIHOODS,
    DecoderConfig: DECODERS,
    AnyModel: MODELS,
}
OLDER = {AnyModel: "image"}  # what is meant where an older file has no "type"


def type_name(value: Any) -> str:
    """The "type" of a variant in JSON, or ""."""
    return "".join(name for variants in VARIANTS.values() for name, cls in variants.items() if type(value) is cls)


def to_dict(value: Any) -> Any:
    """Plain JSON types; a part that has variants says which it is under "type"."""
    if dataclasses.is_dataclass(value):
        out = {f.name: to_dict(getattr(value, f.name)) for f in dataclasses.fields(value)}
        name = type_name(value)
        return dict(type=name, **out) if name else out
    return list(value) if isinstance(value, tuple) else value


def to_json(config: Any) -> str:
    return json.dumps(to_dict(config), indent=2, allow_nan=False) + "\n"


def from_json(text: str, where: str = "config.json", kind: Any = Config) -> Any:
    """Reads what `to_json` wrote of a `kind`, Config or PriorConfig.

    Unknown, missing or impossible entries raise VQError with their path. Only an entry that has a default may be
    missing: what the run did before there was that entry is its default.
    """
    try:
        return _parse(kind, json.loads(text), where)
    except VQError:
        raise
    except (ValueError, RecursionError) as e:
        raise VQError(f"{where}: not JSON: {e}") from None


def _parse(kind: Any, data: Any, where: str) -> Any:
    if kind in VARIANTS:
        variants = VARIANTS[kind]
        name = data.get("type", OLDER.get(kind)) if isinstance(data, dict) else None
        check(name in tuple(variants), where + ".type", name, "one of " + ", ".join(variants))
        return _parse(variants[name], {k: v for k, v in data.items() if k != "type"}, where)
    if dataclasses.is_dataclass(kind):
        check(isinstance(data, dict), where, data, "an object")
        hints = get_type_hints(kind)
        fields = [f.name for f in dataclasses.fields(kind)]
        needed = [f.name for f in dataclasses.fields(kind) if f.default is dataclasses.MISSING]
        for name in data:
            check(name in fields, where, name, "only " + ", ".join(fields))
        for name in needed:
            check(name in data, where, "no " + name, "all of " + ", ".join(needed))
        parsed = {name: _parse(hints[name], data[name], where + "." + name) for name in fields if name in data}
        try:
            return kind(**parsed)
        except VQError as e:
            raise VQError(f"{where}: {e}") from None
    if kind == Optional[Tuple[int, ...]]:
        return None if data is None else _parse(Tuple[int, ...], data, where)
    if kind == Tuple[int, ...]:
        check(isinstance(data, list) and all(type(n) is int for n in data), where, data, "a list of integers")
        return tuple(data)
    if kind == Tuple[str, ...]:
        check(isinstance(data, list) and all(type(n) is str for n in data), where, data, "a list of strings")
        return tuple(data)
    if kind == Optional[str]:
        check(data is None or isinstance(data, str), where, data, "a string or null")
        return data
    if kind is float:
        check(type(data) is float or (type(data) is int and abs(data) < 2**63), where, data, "a number")
        return float(data)
    check(type(data) is kind, where, data, "a value of type " + kind.__name__)
    return data


def differences(old: Any, new: Any) -> List[str]:
    """One line for each field that matters and differs: `model.quantizer.K: 20 in the run, 5 asked for`."""
    lines = []

    def walk(path, a, b):
        if isinstance(a, dict) and isinstance(b, dict):
            for key in list(a) + [k for k in b if k not in a]:
                walk(path + [key], a.get(key), b.get(key))
        elif a != b and ".".join(path) not in RESUMABLE:
            lines.append("{}: {!r} in the run, {!r} asked for".format(".".join(path), a, b))

    walk([], to_dict(old), to_dict(new))
    return lines
