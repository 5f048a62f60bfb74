"""Conditions, tables and targets."""

import json
import os
import platform
from typing import Optional, Sequence

from vq_estimator.data.files import write_json

RESULTS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "results")


def conditions() -> dict:
    """The machine and the versions, of which figures depend."""
    from importlib import metadata  # Python 3.8 on, as the whole benchmark

    def version(name):
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            return None

    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "load_at_start": os.getloadavg()[0],
        "python": platform.python_version(),
        "tensorflow": version("tensorflow"),
        "torch": version("torch"),
    }


def _processor(field: str = "model name") -> str:
    with open("/proc/cpuinfo") as f:
        return next((line.split(":")[1].strip() for line in f if line.startswith(field)), "unknown")


def has_bfloat16() -> bool:
    """Whether the processor computes in bfloat16; elsewhere training refuses it."""
    return any(flag in _processor("flags").split() for flag in ("avx512_bf16", "amx_bf16"))


def write(folder: str, name: str, result: dict) -> None:
    """Writes one section's results."""
    os.makedirs(folder, exist_ok=True)
    write_json(os.path.join(folder, f"speed_{name}.json"), result)


def read(folder: str, name: str) -> dict:
    """The results of one section that were written before; none where there are not any."""
    try:
        with open(os.path.join(folder, f"speed_{name}.json"), encoding="utf-8") as f:
            return json.load(f)["results"]
    except FileNotFoundError:
        return {}


def table(rows: Sequence[Sequence[str]]) -> None:
    """Prints rows, the first of which names the columns; the first column is aligned left."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = [row[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        print("  ".join(cells).rstrip())
    print(flush=True)


def verdict(value: float, target: Optional[float], least: bool = True) -> str:
    """Whether a figure that shall be at least, or at most, the target is."""
    if target is None:
        return ""
    reached = value >= target if least else value <= target
    return ("reached" if reached else "NOT reached") + f" (target {'>=' if least else '<='} {target:g})"
