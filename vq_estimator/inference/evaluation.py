"""Numbers over a whole split, from a checkpoint: errors, codebook use, bits per dimension and their parts."""

import math
import os
from typing import Any, Dict, Iterator, NamedTuple, Optional, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from vq_estimator.config import Config, type_name
from vq_estimator.data.files import atomic_path, write_json
from vq_estimator.data.speech import AnySource
from vq_estimator.errors import VQError
from vq_estimator.inference import code_cost, results
from vq_estimator.inference.calibration import Calibration, calibrate
from vq_estimator.inference.session import Batch, Examples, OpenRun
from vq_estimator.inference.trained_prior import TrainedPrior
from vq_estimator.nn.likelihoods import to_unit

OWN, ANOTHER = "own", "another"  # whose codes an image is decoded from
FITTED = "discretized_gaussian"  # the likelihood "mse" when it is evaluated


class Measured(NamedTuple):
    """What a batch costs: mse on 0..1 pixels, -ln p(x|z_q) in nats, tf-vqvae's formula, each [B], and the codes."""

    mse: Optional[np.ndarray]  # None of recordings: a draw is another wave of the same sound
    nats: np.ndarray
    original_nll: Optional[np.ndarray]  # None where there is no reconstruction in 0..1
    codes: np.ndarray


class PerExample(NamedTuple):
    """Of each example, in their order: mse on 0..1 pixels, -ln p(x|z_q) in nats, tf-vqvae's formula, codes."""

    mse: Optional[np.ndarray]  # [N], None of recordings
    distortion: np.ndarray  # [N]
    original_nll: Optional[np.ndarray]  # [N], None where there is no reconstruction in 0..1
    codes: np.ndarray  # [N, h, w, L] int32; of recordings [1, 1, M, L], one behind the other
    labels: Optional[np.ndarray]  # [N] int32, None where they are unknown
    speakers: Optional[np.ndarray]  # [N] int32, None where there are none
    dims: np.ndarray  # [N], numbers in each
    positions: np.ndarray  # [N], where it has codes
    pixel_variance: float  # of all numbers, on 0..1; exactly 0 where all are the same


def measure(run: OpenRun, examples: Examples, scale: Optional[float]) -> Iterator[Tuple[Batch, Measured]]:
    """One pass over examples: each batch, and what it costs.

    `scale`: see `Calibration`.
    """
    m, t = run.config.model, run.connect()

    def build():
        p, unit = t.likelihood, to_unit(t.images)
        mse = original = None
        if m.has_mse and m.is_stochastic_decoder:
            mse = tf.reduce_mean(tf.squared_difference(to_unit(run.vqvae.decode(t.codes)), unit), [1, 2, 3])
        elif m.has_mse:
            mse, original = p.squared_error(unit), p.original_nll(m.quantizer.K)
        return Measured(mse, -(p if scale is None else p.with_scale(scale)).log_prob(t.images), original, t.codes)

    tensors = run.op(("measure", scale), build)._asdict()
    fetch = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    for batch, values in run.batches(examples, fetch, "evaluate"):
        yield batch, Measured(**dict(dict.fromkeys(Measured._fields), **values))


def collect(run: OpenRun, measured: Iterator[Tuple[Batch, Measured]]) -> PerExample:
    """Puts the examples of all batches together.

    Raises:
      VQError: a likelihood that is no number.
    """
    found: Dict[str, list] = {name: [] for name in (*Measured._fields, "labels", "speakers", "dims", "positions")}
    pixels, pixel_sum, pixel_squares = 0, 0, 0
    for batch, values in measured:
        if not np.isfinite(values.nats).all():
            raise VQError(f"checkpoint: {run.checkpoint.path!r} gives likelihoods that are no numbers (NaN)")
        levels, n = batch.images.astype(np.int64), len(batch.images)
        pixels += levels.size
        pixel_sum += int(levels.sum())
        pixel_squares += int(np.square(levels).sum())
        sizes = dict(dims=np.full(n, levels[0].size), positions=np.full(n, np.prod(values.codes.shape[1:3])))
        for name, value in dict(values._asdict(), labels=batch.labels, speakers=batch.speakers, **sizes).items():
            found[name].append(value)
    axes = {"codes": 2 if run.config.model.fixed_dims is None else 0}
    whole: Dict[str, Any] = {
        name: None if any(part is None for part in parts) else np.concatenate(parts, axes.get(name, 0))
        for name, parts in found.items()
    }
    mse, nats, original = (whole[k] if whole[k] is None else whole[k].astype(np.float64) for k in Measured._fields[:3])
    variance = (pixels * pixel_squares - pixel_sum**2) / (255.0 * pixels) ** 2
    names = ("codes", "labels", "speakers", "dims", "positions")
    return PerExample(mse, nats, original, *(whole[name] for name in names), variance)


def with_codes_of_another(run: OpenRun, examples: Examples) -> Examples:
    """The same examples, each with the codes of the one before it, the first with those of the last.

    Raises:
      VQError: there is one example, or recordings, which differ in length.
    """
    if run.config.model.fixed_dims is None:
        raise VQError("codes: got another, expected own: recordings differ in length; train one with --K=1 to compare")
    codes = np.concatenate([codes for _, codes in run.batches(examples, run.connect().codes, "encode")])
    if len(codes) == 1:
        raise VQError(f"codes: got another for the one image of {examples.name}, expected two images or more")

    def batches():
        start = 0
        for batch in examples.batches():
            yield batch._replace(codes=np.roll(codes, 1, 0)[start : start + len(batch.images)])
            start += len(batch.images)

    return examples._replace(batches=batches)


def per_example(run: OpenRun, examples: Examples, scale: Optional[float], codes_of: str = OWN) -> PerExample:
    """One pass over examples; see `measure`, and `evaluate` for `codes_of`.

    Raises:
      VQError: a likelihood that is no number.
    """
    chosen = with_codes_of_another(run, examples) if codes_of == ANOTHER else examples
    return collect(run, measure(run, chosen, scale))


def codebook_usage(codes: np.ndarray, K: int) -> dict:
    """Entries used and perplexity, over all the codes int [..., L]; perplexity is the mean over the L codebooks.

    >>> import numpy as np
    >>> import vq_estimator as vq
    >>> usage = vq.explore.codebook_usage(np.arange(16).reshape(4, 2, 2, 1), K=20)
    >>> usage["used"], round(usage["perplexity"])
    (16, 16)
    """
    L = codes.shape[-1]
    flat = codes.reshape(-1, L)
    counts = np.stack([np.bincount(flat[:, i], minlength=K) for i in range(L)])
    p = counts / counts.sum(-1, keepdims=True)
    entropy = -(p * np.log(np.where(p > 0, p, 1.0))).sum(-1)
    used, perplexity = (counts > 0).sum(-1), np.exp(entropy)
    return {
        "size": L * K,
        "used": int(used.sum()),
        "perplexity": float(perplexity.mean()),
        "per_codebook": [{"used": int(u), "perplexity": float(x)} for u, x in zip(used, perplexity)],
    }


def bits_per_dim(
    examples: PerExample, config: Config, calibration: Calibration, cost: Optional[code_cost.CodeCost] = None
) -> dict:
    """Distortion, and the rate under the uniform, the unigram and the trained prior, in bits per dimension.

    The totals bound -log2 p(x) / dims from above, since the encoder is deterministic (van den Oord et al. 2017,
    section 3.2). Without a trained prior its figures are None.
    """
    to_bits = 1.0 / (float(examples.dims.mean()) * math.log(2.0))
    unigram = code_cost.unigram_cost(examples.codes, calibration).sum() / len(examples.dims)
    bits = {
        "distortion": float(examples.distortion.mean()) * to_bits,
        "rate_uniform": float(code_cost.uniform_cost(config, examples.positions).mean()) * to_bits,
        "rate_unigram": float(unigram) * to_bits,
        "rate_prior": None if cost is None else float(cost.nats.mean()) * to_bits,
    }
    for prior in ("uniform", "unigram", "prior"):
        rate = bits["rate_" + prior]
        bits["total_" + prior] = None if rate is None else bits["distortion"] + rate
    return bits


def prior_cost(run: OpenRun, examples: PerExample) -> code_cost.CodeCost:
    """What the codes of examples cost under the run's trained prior."""
    of, m, labels, speakers = run.prior.config.codes, run.config.model, examples.labels, examples.speakers
    if m.fixed_dims is not None:
        return code_cost.cost(run, examples.codes, labels)
    each = max(of.classes // max(len(m.speakers), 1), 1)  # classes of the data, where of both
    both = None if labels is None or speakers is None else speakers * each + labels
    given = {"class": labels, "speaker": speakers, "both": both}[of.condition]
    return code_cost.cost_of_clips(run, examples.codes, examples.positions, given)


def prior_figures(
    examples: PerExample, config: Config, prior: Optional[TrainedPrior], cost: Optional[code_cost.CodeCost]
) -> Optional[dict]:
    """Bits of an image's codes under the prior, its mixture over classes where it has some, and given the class."""
    if prior is None:
        return None
    given = None if cost.given_class is None else float(cost.given_class.mean() / math.log(2.0))
    uniform = code_cost.uniform_cost(config, examples.positions)
    return {
        "bits_per_image": float(cost.nats.mean() / math.log(2.0)),
        "bits_per_image_given_class": given,
        "bits_per_image_uniform": float(uniform.mean() / math.log(2.0)),
        "global_step": prior.checkpoint.step,
    }


def evaluate(run: OpenRun, source: AnySource, split: str, codes_of: str = OWN) -> dict:
    """Evaluates a split and writes its results to the run directory; returns what `eval/<split>.json` holds.

    Where the directory can't be written to, a warning says so before the work.

    `eval/<split>.npz` holds, of each example in the split's order, `distortion` and `rate_uniform` in nats and `codes`;
    with a trained prior of this checkpoint's codes `rate_prior` too.

    Args:
      run: the run.
      source, split: the data, and which of SPLITS.
      codes_of: OWN, or ANOTHER: each image is given the codes of the one before it, to see what
        the codes are worth; the results are then in `eval/<split>-another.json` and `.npz`.
    """
    keep = results.can_write(run.model_dir, "eval")
    calibration, m = calibrate(run, source), run.config.model
    examples = per_example(run, run.examples(source, split), calibration.scale, codes_of)
    prior = run.prior if codes_of == OWN else None
    cost = None if prior is None else prior_cost(run, examples)
    mse = None if examples.mse is None else float(examples.mse.mean())
    result = {
        "split": split,
        "examples": len(examples.distortion),
        "dims_per_example": m.fixed_dims or float(examples.dims.mean()),
        "dataset_source": source.name,
        "global_step": run.checkpoint.step,
        "likelihood": FITTED if calibration.scale is not None else type_name(m.likelihood),
        "likelihood_scale": calibration.scale,
        "codes": codes_of,
        "reconstruction": "draw" if m.is_stochastic_decoder else "mean",
        "mse": mse,
        "psnr_db": None if mse is None else -10.0 * math.log10(max(mse, 1e-12)),
        "normalized_mse": None if mse is None or not examples.pixel_variance else mse / examples.pixel_variance,
        "codebook": codebook_usage(examples.codes, m.quantizer.K),
        "original_nll": None if examples.original_nll is None else float(examples.original_nll.mean()),
        "bits_per_dim": bits_per_dim(examples, run.config, calibration, cost),
        "prior": prior_figures(examples, run.config, prior, cost),
    }
    if keep:
        arrays = {
            "distortion": examples.distortion,
            "rate_uniform": code_cost.uniform_cost(run.config, examples.positions),
            "codes": examples.codes,
            **({} if m.fixed_dims else {"dims": examples.dims, "positions": examples.positions}),
            **({} if cost is None else {"rate_prior": cost.nats}),
        }
        name = os.path.join(run.model_dir, "eval", split + ("" if codes_of == OWN else "-" + codes_of))
        with results.tolerated(run.model_dir):
            _write(name, result, arrays)
    return result


def _write(name: str, result: dict, arrays: Dict[str, np.ndarray]) -> None:
    write_json(name + ".json", result)
    with atomic_path(name + ".npz") as temporary, open(temporary, "wb") as f:
        np.savez_compressed(f, **arrays)


def table(splits) -> str:
    """The results of some splits as the table that the commands print; a row that has no value is left out."""
    unit = "bits/sample" if splits[0]["mse"] is None else "bits/dim"  # of speech, whose draws have no error
    rows = [
        ("mse of a draw" if splits[0]["reconstruction"] == "draw" else "mse", "{:.5f}", lambda r: r["mse"]),
        ("psnr (dB)", "{:.2f}", lambda r: r["psnr_db"]),
        ("normalized mse", "{:.4f}", lambda r: r["normalized_mse"]),
        ("codes used", "{}", lambda r: "{used} of {size}".format(**r["codebook"])),
        ("perplexity", "{:.1f}", lambda r: r["codebook"]["perplexity"]),
        (unit + ", distortion", "{:.4f}", lambda r: r["bits_per_dim"]["distortion"]),
        (unit + ", rate (uniform prior)", "{:.4f}", lambda r: r["bits_per_dim"]["rate_uniform"]),
        (unit + ", rate (unigram prior)", "{:.4f}", lambda r: r["bits_per_dim"]["rate_unigram"]),
        (unit + ", rate (trained prior)", "{:.4f}", lambda r: r["bits_per_dim"]["rate_prior"]),
        (unit + ", total (uniform prior)", "{:.4f}", lambda r: r["bits_per_dim"]["total_uniform"]),
        (unit + ", total (unigram prior)", "{:.4f}", lambda r: r["bits_per_dim"]["total_unigram"]),
        (unit + ", total (trained prior)", "{:.4f}", lambda r: r["bits_per_dim"]["total_prior"]),
        ("tf-vqvae's nll (no likelihood)", "{:.3f}", lambda r: r["original_nll"]),
    ]
    head = "step {global_step}, {dataset_source}".format(**splits[0])
    lines = [f"{head:<34}" + "".join("{:>14}".format(r["split"]) for r in splits)]
    for name, form, value in rows:
        values = [value(r) for r in splits]
        if set(values) == {None}:
            continue
        lines.append(f"{name:<34}" + "".join("{:>14}".format("-" if v is None else form.format(v)) for v in values))
    return "\n".join(lines)
