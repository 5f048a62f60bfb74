"""Compares runs by the evaluations in their directories."""

import glob
import os
from typing import List, NamedTuple, Sequence

from vq_estimator.config import Config
from vq_estimator.data.files import read_json
from vq_estimator.errors import VQError
from vq_estimator.training import run_folder


class Row(NamedTuple):
    """A run: the last part of its path, its configuration, and `eval/<split>.json`."""

    name: str
    config: Config
    result: dict


def load(patterns: Sequence[str], split: str = "test") -> List[Row]:
    """The runs in the directories that match the patterns, ordered by total bits, lowest first.

    Raises:
      VQError: a pattern matches nothing, a directory is not a run, or a run was not evaluated on the split.
    """
    rows = []
    for pattern in patterns:
        found = [pattern] if os.path.isdir(pattern) else sorted(glob.glob(pattern))
        folders = [f for f in found if os.path.isdir(f)]
        if not folders:
            raise VQError(f"model_dirs: got {pattern!r}, which is no folder; expected run directories")
        rows += [_row(folder.rstrip("/"), split) for folder in folders]
    return sorted(rows, key=lambda row: total(row.result))


def _row(folder: str, split: str) -> Row:
    config = run_folder.load_config(folder)
    path = os.path.join(folder, "eval", split + ".json")
    try:
        result = read_json(path)
        bits, book = result["bits_per_dim"], result["codebook"]
        rates = [bits.get(name) for name in ("rate_unigram", "rate_prior")]
        numbers = [bits["distortion"], bits["rate_uniform"], *(rate for rate in rates if rate is not None)]
        counts = [result["global_step"], book["used"], book["size"] - 1]
        good = all(type(n) in (int, float) and abs(n) < 1e9 for n in numbers)
        good = good and all(type(n) is int and 0 <= n < 2**63 for n in counts)
        if not good or not result["dataset_source"].isprintable():
            raise ValueError
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as e:
        reason = getattr(e, "strerror", None) or "damaged"
        raise VQError(f"model_dirs: {folder!r} has no {path} ({reason}); run vq-evaluate --split={split}") from None
    return Row(os.path.basename(folder), config, result)


def total(result: dict) -> float:
    """Bits per dimension under the uniform prior, which every run has."""
    return result["bits_per_dim"]["distortion"] + result["bits_per_dim"]["rate_uniform"]


def source(rows: Sequence[Row]) -> str:
    """The data on which all runs were evaluated.

    Raises:
      VQError: the runs differ in their data, or in the size, levels or sample rate that they bring it to.
    """
    for values, want in (
        ({row.result["dataset_source"] for row in rows}, "runs of one data set"),
        ({_examples(row.config) for row in rows}, "runs whose examples are the same (others have other bits)"),
    ):
        if len(values) > 1:
            raise VQError(f"model_dirs: got runs of {' and of '.join(sorted(values))}, expected {want}")
    return rows[0].result["dataset_source"]


def _examples(config: Config) -> str:
    """What a likelihood depends on besides the files: the size, the levels or the sample rate of the examples."""
    levels = config.data.value_range
    return config.model.describe_input() + (f", samples {levels[0]} to {levels[1]}" if levels else "")


def table(rows: Sequence[Row]) -> str:
    """One line per run: distortion, rate under each prior, total under the uniform prior, fraction of used codes."""
    unit = f"bits/{rows[0].config.model.unit}"
    titles = ("run", "model", "steps", "distortion", "uniform", "unigram", "prior", "total", "used")
    texts = [titles[:2], *((row.name, row.config.model.describe()) for row in rows)]
    name_width, model_width = (max(width, max(map(len, column)) + 2) for width, column in zip((24, 44), zip(*texts)))
    head = f"{{:<{name_width}}}{{:<{model_width}}}" + "{:>10}{:>12}{:>9}{:>9}{:>9}{:>9}{:>8}"
    lines = [head.format(*titles)]
    for name, config, result in rows:
        bits, book = result["bits_per_dim"], result["codebook"]
        rates = [bits.get("rate_" + prior) for prior in ("uniform", "unigram", "prior")]
        shown = ["-" if rate is None else f"{rate:.3f}" for rate in rates]
        used = "{:.0%}".format(book["used"] / book["size"])
        steps = "{:,}".format(result["global_step"])
        values = (name, config.model.describe(), steps, "{:.3f}".format(bits["distortion"]), *shown)
        lines.append(head.format(*values, f"{total(result):.3f}", used))
    lines.append(f"distortion, rates of the codes (uniform, unigram, prior) and total (uniform) in {unit}")
    return "\n".join(lines)
