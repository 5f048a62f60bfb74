"""Comparison of a converted function with the checkpoint, before its file gets its final name."""

from typing import Callable, List, NamedTuple, Sequence

import numpy as np

from vq_estimator.errors import VQError
from vq_estimator.inference.export.functions import Arrays, FunctionSet

Compute = Callable[..., Arrays]  # named input arrays to output arrays by name
BATCH = 64


class Limits(NamedTuple):
    """The largest differences that pass.

    Attributes:
      codes: share of codes that differ.
      levels: mean difference of pixels, in levels of 255.
      real: largest difference of real outputs, relative to the largest value.
    """

    codes: float
    levels: float
    real: float


# Codes that differ are near-ties: two entries at almost the same distance. Sums in another order decide them otherwise.
FLOAT32 = Limits(codes=1e-3, levels=1e-2, real=1e-4)
FLOAT16 = Limits(codes=0.05, levels=1.0, real=1e-2)


class Difference(NamedTuple):
    """How far an output of a function is from the checkpoint's.

    Attributes:
      function, output: the names.
      examples: number of examples that were compared.
      share: share of values that differ.
      mean, largest: mean and largest difference: of pixels in levels of 255, of real outputs relative to the largest
        value; NaN for codes, whose differences mean nothing.
      passed: whether both are within the limits.
    """

    function: str
    output: str
    examples: int
    share: float
    mean: float
    largest: float
    passed: bool


def compare(
    functions: FunctionSet, name: str, compute: Compute, batches: Sequence[Arrays], limits: Limits
) -> List[Difference]:
    """Compares a converted function with the checkpoint.

    Args:
      functions: the run's functions.
      name: the function.
      compute: computes the converted function.
      batches: inputs by name, each batch with its own number of examples.
      limits: what passes.

    Returns:
      A row for each output.
    """
    wanted, found = [], []
    for batch in batches:
        wanted.append(functions.compute(name, **batch))
        found.append(compute(**batch))
    examples = sum(len(next(iter(batch.values()))) for batch in batches)
    return [
        _difference(name, key, examples, [w[key] for w in wanted], [f[key] for f in found], limits) for key in wanted[0]
    ]


def _difference(function, output, examples, wanted, found, limits: Limits) -> Difference:
    if any(w.shape != f.shape or w.dtype != f.dtype for w, f in zip(wanted, found)):
        return Difference(function, output, examples, 1.0, np.inf, np.inf, False)
    want, got = (np.concatenate([np.ravel(one) for one in part]).astype(np.float64) for part in (wanted, found))
    apart, kind = np.abs(got - want), wanted[0].dtype
    share, mean, largest = float((apart != 0).mean()), float(apart.mean()), float(apart.max())
    if kind.kind == "f":
        scale = max(float(np.abs(want).max()), 1e-30)
        mean, largest = mean / scale, largest / scale
        passed = largest <= limits.real
    elif kind == np.uint8:
        passed = mean <= limits.levels
    else:
        mean, largest, passed = np.nan, np.nan, share <= limits.codes
    return Difference(function, output, examples, share, mean, largest, bool(passed))


def check(differences: Sequence[Difference]) -> None:
    """Raises VQError if a difference is larger than its limit."""
    for d in differences:
        if not d.passed:
            got = f"{d.output} of which {d.share:.2%} differ, by {d.mean:.3g} on average"
            raise VQError(f"{d.function}: got {got}, expected those of the checkpoint; nothing was written")


def table(differences: Sequence[Difference]) -> str:
    """Returns the differences as a table. Codes have no mean and largest difference: a dash stands there."""
    rows = [("function", "output", "examples", "% of values that differ", "mean difference", "largest")]
    for d in differences:
        sizes = ["-" if np.isnan(size) else f"{size:.2g}" for size in (d.mean, d.largest)]
        rows.append((d.function, d.output, str(d.examples), f"{d.share * 100:.2g}", *sizes))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)
