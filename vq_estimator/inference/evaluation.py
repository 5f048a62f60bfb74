"""Metrics of a checkpoint over a split or any examples: errors, codebook usage, and bits/dim with their parts."""

import os
import re
from typing import Dict, Iterable, Optional, Sequence, Tuple

import numpy as np

from vq_estimator.config import part
from vq_estimator.data.files import atomic_path, write_json
from vq_estimator.data.speech import AnySource
from vq_estimator.errors import VQError
from vq_estimator.inference import code_cost, results, summary
from vq_estimator.inference.calibration import Calibration, calibrate
from vq_estimator.inference.examples import Batch, Examples
from vq_estimator.inference.measurement import OWN, Measured, collect, per_example
from vq_estimator.inference.session import OpenRun


def codebook_usage(codes: np.ndarray, K: int) -> dict:
    """Counts the entries that codes int [..., L] use, and computes their perplexity, a mean over the L codebooks.

    >>> import numpy as np
    >>> import vq_estimator as vq
    >>> usage = vq.explore.codebook_usage(np.arange(16).reshape(4, 2, 2, 1), K=20)
    >>> usage["used"], round(usage["perplexity"])
    (16, 16)
    """
    return summary.usage(summary.count_codes(codes, K))


def evaluate(
    run: OpenRun, source: AnySource, split: str, codes_of: str = OWN, save_reconstructions: bool = False
) -> dict:
    """Evaluates a split and writes the results to the run directory; returns the content of `eval/<split>.json`.

    Args:
      run: the run.
      source, split: the run's own data, and one of SPLITS.
      codes_of, save_reconstructions: see `evaluate_examples`.
    """
    if run.keeps_results:
        results.can_write(run.model_dir, "eval")  # warns before the evaluation
    calibration = calibrate(run, source)
    return evaluate_examples(run, run.examples(source, split), calibration, codes_of, save_reconstructions, True)


def evaluate_examples(
    run: OpenRun,
    examples: Examples,
    calibration: Calibration,
    codes_of: str = OWN,
    save_reconstructions: bool = False,
    own_split: bool = False,
    measured: Optional[Iterable[Tuple[Batch, Measured]]] = None,
    any_size: bool = False,
) -> dict:
    """Evaluates examples and writes the results to the run directory; returns the content of `eval/<stem>.json`.

    `eval/<stem>.npz` has arrays with one row per example, in their order: `distortion` and `rate_uniform` in nats,
    `codes`, `mse` for images, and `rate_prior` with a prior of this checkpoint's codes. `file_stem` is the stem.
    A directory that cannot be written to causes a warning before the evaluation.

    Args:
      run: the run.
      examples: the examples.
      calibration: the calibration on the run's own training data.
      codes_of: OWN, or ANOTHER to decode each image from the codes of the previous one, which shows how much the
        decoder uses the codes; the results are then in `eval/<stem>-another.json` and `.npz`.
      save_reconstructions: write `images` and `reconstructions`, uint8 [N, H, W, C], to the `.npz`, too.
      own_split: whether the examples are a split of the run's own data; see `file_stem`.
      measured: the batches and what they cost; None computes them by `measure`.
      any_size: whether the images of `measured` differ in size, and their codes are [1, 1, M, L].

    Raises:
      VQError: there is no example, or an option does not apply to these examples.
    """
    keep, m = run.keeps_results and results.can_write(run.model_dir, "eval"), run.config.model
    if save_reconstructions and not m.has_mse:
        raise VQError("save_reconstructions: got it for recordings, expected images: a draw is another wave")
    if measured is None:
        found = per_example(run, examples, calibration.scale, codes_of, save_reconstructions)
    else:
        found = collect(run, measured, 2 if any_size else None)
    prior = run.prior if codes_of == OWN and not any_size else None
    cost = None if prior is None else part(m, "codes").cost_of_examples(run, found)
    about = {
        "split": examples.name if examples.source else None,
        "input": None if own_split else examples.origin,
        "dataset_source": examples.source or input_name(examples, found.sha256),
        "codes": codes_of,
    }
    result = summary.figures(run, summary.summarize(found, run.config, calibration, cost), calibration, about)
    if keep:
        uniform = code_cost.uniform_cost(run.config, found.positions)
        arrays = {"distortion": found.distortion, "rate_uniform": uniform, "codes": found.codes, "mse": found.mse}
        arrays["rate_prior"] = None if cost is None else cost.nats
        arrays.update(images=found.images, reconstructions=found.reconstructions, speakers=found.voices)
        if any_size or m.fixed_dims is None:
            arrays.update(dims=found.dims, positions=found.positions)
        name = os.path.join(run.model_dir, "eval", file_stem(examples, result))
        with results.tolerated(run.model_dir):
            _write(name, result, {key: array for key, array in arrays.items() if array is not None})
    return result


def input_name(examples: Examples, sha256: str) -> str:
    """Returns a unique file name for an input, of its own name and its hash."""
    name = f"{examples.source}-{examples.name}" if examples.source else examples.name
    safe = re.sub(r"[^\w.-]+", "_", name, flags=re.ASCII).strip("._")[:64]
    return f"{safe or 'input'}-{sha256[:16]}"


def file_stem(examples: Examples, result: dict) -> str:
    """Returns the name in `eval/` of a result's files: <split>, or the `input_name` of an input."""
    stem = examples.name if result["input"] is None else input_name(examples, result["sha256"])
    return stem + ("" if result["codes"] == OWN else "-" + result["codes"])


def _write(name: str, result: dict, arrays: Dict[str, np.ndarray]) -> None:
    write_json(name + ".json", result)
    with atomic_path(name + ".npz") as temporary, open(temporary, "wb") as f:
        np.savez_compressed(f, **arrays)


def table(splits: Sequence[dict], unit: str) -> str:
    """Formats the results of several splits as a table; a row without values is left out.

    Args:
      splits: the results, one per column.
      unit: the name of a dimension, such as `ModelConfig.unit`.
    """
    unit = f"bits/{unit}"
    rows = [
        ("mse of a draw" if splits[0]["reconstruction"] == "draw" else "mse", "{:.5f}", lambda r: r["mse"]),
        ("psnr (dB)", "{:.2f}", lambda r: r["psnr_db"]),
        ("normalized mse", "{:.4f}", lambda r: r["normalized_mse"]),
        ("codes used", "{}", lambda r: "{used} of {size}".format(**r["codebook"])),
        ("perplexity", "{:.1f}", lambda r: r["codebook"]["perplexity"]),
        (unit + ", distortion", "{:.4f}", lambda r: r["bits_per_dim"]["distortion"]),
        *(
            (f"{unit}, {part} ({name} prior)", "{:.4f}", lambda r, key=f"{part}_{key}": r["bits_per_dim"][key])
            for part in ("rate", "total")
            for name, key in (("uniform", "uniform"), ("unigram", "unigram"), ("trained", "prior"))
        ),
        ("tf-vqvae's nll (no likelihood)", "{:.3f}", lambda r: r["original_nll"]),
    ]
    head = "step {global_step}, {dataset_source}".format(**splits[0])
    lines = [f"{head:<34}" + "".join("{:>14}".format(r["split"] or "input") for r in splits)]
    for name, form, value in rows:
        values = [value(r) for r in splits]
        if set(values) == {None}:
            continue
        lines.append(f"{name:<34}" + "".join("{:>14}".format("-" if v is None else form.format(v)) for v in values))
    return "\n".join(lines)
