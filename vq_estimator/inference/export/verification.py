"""Comparison of a converted function with the checkpoint, before its file gets its final name."""

from typing import Callable, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from vq_estimator.errors import VQError
from vq_estimator.inference.export.functions import Arrays, FunctionSet

Compute = Callable[..., Arrays]  # named input arrays to output arrays by name
BATCH = 64


class Limits(NamedTuple):
    """The largest differences that pass.

    Attributes:
      codes: share of codes that differ.
      levels: share of pixels that differ, and the largest difference in levels of 255.
      real: largest difference of real outputs, relative to the largest value.
    """

    codes: float
    levels: Tuple[float, float]
    real: float


# Codes that differ are near-ties: two entries at almost the same distance. Sums in another order decide them otherwise.
FLOAT32 = Limits(codes=1e-3, levels=(1e-3, 1.0), real=1e-4)
FLOAT16 = Limits(codes=0.05, levels=(0.2, 8.0), real=1e-2)


class Difference(NamedTuple):
    """How far an output of a function is from the checkpoint's.

    Attributes:
      function, output: the names.
      examples: number of examples that were compared.
      share: share of values that differ.
      largest: largest difference; for real outputs relative to the largest value.
      passed: whether both are within the limits.
    """

    function: str
    output: str
    examples: int
    share: float
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
        return Difference(function, output, examples, 1.0, np.inf, False)
    want = np.concatenate([np.ravel(w) for w in wanted]).astype(np.float64)
    got = np.concatenate([np.ravel(f) for f in found]).astype(np.float64)
    largest = float(np.abs(got - want).max()) if want.size else 0.0
    share = float((got != want).mean()) if want.size else 0.0
    kind = wanted[0].dtype
    if kind.kind == "f":
        largest /= max(float(np.abs(want).max()), 1e-30)
        passed = largest <= limits.real
    elif kind == np.uint8:
        passed = share <= limits.levels[0] and largest <= limits.levels[1]
    else:
        passed = share <= limits.codes
    return Difference(function, output, examples, share, largest, bool(passed))


def in_batches(inputs: Arrays, sizes: Optional[Sequence[int]] = None) -> List[Arrays]:
    """Splits inputs into batches: one of a single example, so that the batch size is seen to be free, then of BATCH."""
    n, starts = len(next(iter(inputs.values()))), [0, 1]
    while starts[-1] < n:
        starts.append(min(starts[-1] + BATCH, n))
    return [{k: v[a:b] for k, v in inputs.items()} for a, b in zip(starts, starts[1:])]


def check(differences: Sequence[Difference]) -> None:
    """Raises VQError if a difference is larger than its limit."""
    for d in differences:
        if not d.passed:
            got = f"{d.output} that differ in {d.share:.2%} of the values, by up to {d.largest:.3g}"
            raise VQError(f"{d.function}: got {got}, expected those of the checkpoint; nothing was written")


def table(differences: Sequence[Difference]) -> str:
    """Returns the differences as a table for people."""
    rows = [("function", "output", "examples", "values that differ", "largest difference")]
    for d in differences:
        rows.append((d.function, d.output, str(d.examples), f"{d.share:.2g}", f"{d.largest:.2g}"))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)
