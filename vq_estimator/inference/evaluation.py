"""Numbers over a whole split, from a checkpoint: errors, codebook use, bits per dimension and their parts."""

import hashlib
import math
import os
import re
from typing import Any, Dict, Iterable, Iterator, NamedTuple, Optional, Tuple

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
from vq_estimator.nn.likelihoods import to_uint8, to_unit

OWN, ANOTHER = "own", "another"  # whose codes an image is decoded from
FITTED = "discretized_gaussian"  # the likelihood "mse" when it is evaluated


class Measured(NamedTuple):
    """What a batch costs: mse on 0..1 pixels, -ln p(x|z_q) in nats, tf-vqvae's formula, each [B], and the codes."""

    mse: Optional[np.ndarray]  # None of recordings: a draw is another wave of the same sound
    nats: np.ndarray
    original_nll: Optional[np.ndarray]  # None where there is no reconstruction in 0..1
    codes: np.ndarray
    voices: Optional[np.ndarray] = None  # [B] int32, by which recordings are priced, where these are not the speakers
    reconstructions: Optional[np.ndarray] = None  # uint8 [B, H, W, C], where they are asked for


class PerExample(NamedTuple):
    """Of each example, in their order: mse on 0..1 pixels, -ln p(x|z_q) in nats, tf-vqvae's formula, codes."""

    mse: Optional[np.ndarray]  # [N], None of recordings
    distortion: np.ndarray  # [N]
    original_nll: Optional[np.ndarray]  # [N], None where there is no reconstruction in 0..1
    codes: np.ndarray  # [N, h, w, L] int32; of recordings [1, 1, M, L], one behind the other
    labels: Optional[np.ndarray]  # [N] int32, None where they are unknown
    speakers: Optional[np.ndarray]  # [N] int32, None where there are none or some are unknown
    dims: np.ndarray  # [N], numbers in each
    positions: np.ndarray  # [N], where it has codes
    pixel_variance: float  # of all numbers, on 0..1; exactly 0 where all are the same
    sha256: str = ""  # of the examples as the model sees them, and of the labels and speakers that are known
    voices: Optional[np.ndarray] = None  # [N] int32, by which recordings are priced
    images: Optional[np.ndarray] = None  # uint8 [N, H, W, C], where the reconstructions are asked for
    reconstructions: Optional[np.ndarray] = None  # uint8 [N, H, W, C]


def measure(
    run: OpenRun, examples: Examples, scale: Optional[float], reconstruct: bool = False
) -> Iterator[Tuple[Batch, Measured]]:
    """One pass over examples: each batch, and what it costs.

    `scale`: see `Calibration`; `reconstruct`: give reconstructions, too.
    """
    m, t = run.config.model, run.connect()

    def build():
        p, unit = t.likelihood, to_unit(t.images)
        mse = original = image = None
        if m.has_mse and m.is_stochastic_decoder:
            image = run.vqvae.decode(t.codes)
            mse = tf.reduce_mean(tf.squared_difference(to_unit(image), unit), [1, 2, 3])
        elif m.has_mse:
            mse, original, image = p.squared_error(unit), p.original_nll(m.quantizer.K), to_uint8(p.mean())
        nats = -(p if scale is None else p.with_scale(scale)).log_prob(t.images)
        return Measured(mse, nats, original, t.codes, None, image)

    tensors = run.op(("measure", scale), build)._asdict()
    unused = () if reconstruct else ("reconstructions",)
    fetch = {name: tensor for name, tensor in tensors.items() if tensor is not None and name not in unused}
    for batch, values in run.batches(examples, fetch, "evaluate"):
        yield batch, Measured(**dict(dict.fromkeys(Measured._fields), **values))


def collect(run: OpenRun, measured: Iterable[Tuple[Batch, Measured]]) -> PerExample:
    """Puts the examples of all batches together, wherever the batches come from.

    Raises:
      VQError: there is no example, or a likelihood is no number.
    """
    names = (*Measured._fields, "labels", "speakers", "dims", "positions", "images")
    found: Dict[str, list] = {name: [] for name in names}
    pixels, pixel_sum, pixel_squares, content = 0, 0, 0, hashlib.sha256()
    for batch, values in measured:
        if not np.isfinite(values.nats).all():
            raise VQError(f"checkpoint: {run.checkpoint.path!r} gives likelihoods that are no numbers (NaN)")
        levels, n = batch.images.astype(np.int64), len(batch.images)
        pixels += levels.size
        pixel_sum += int(levels.sum())
        pixel_squares += int(np.square(levels).sum())
        content.update(np.ascontiguousarray(batch.images))
        more = dict(labels=batch.labels, speakers=batch.speakers)
        more.update(dims=np.full(n, levels[0].size), positions=np.full(n, np.prod(values.codes.shape[1:3])))
        more["images"] = None if values.reconstructions is None else batch.images
        for name, value in dict(values._asdict(), **more).items():
            found[name].append(value)
    if not pixels:
        raise VQError("input: got no readable example, expected one or more")
    axes = {"codes": 2 if run.config.model.fixed_dims is None else 0}
    whole: Dict[str, Any] = {
        name: None if any(part is None for part in parts) else np.concatenate(parts, axes.get(name, 0))
        for name, parts in found.items()
    }
    for name in ("mse", "nats", "original_nll"):
        whole[name] = None if whole[name] is None else whole[name].astype(np.float64)
    for name in ("dims", "labels", "speakers"):
        content.update(name.encode() + (b"" if whole[name] is None else whole[name].astype("<i8").tobytes()))
    whole["pixel_variance"] = (pixels * pixel_squares - pixel_sum**2) / (255.0 * pixels) ** 2
    if whole["voices"] is None:
        whole["voices"] = whole["speakers"]
    return PerExample(distortion=whole.pop("nats"), sha256=content.hexdigest(), **whole)


def with_codes_of_another(run: OpenRun, examples: Examples) -> Examples:
    """The same examples, each with the codes of the one before it, the first with those of the last.

    Raises:
      VQError: there is one example, or recordings, which differ in length.
    """
    if run.config.model.fixed_dims is None:
        raise VQError("codes: got another, expected own: recordings differ in length; train one with --K=1 to compare")
    parts = [codes for _, codes in run.batches(examples, run.connect().codes, "encode")]
    codes = np.roll(np.concatenate(parts), 1, 0) if parts else []
    if len(codes) == 1:
        raise VQError(f"codes: got another for the one image of {examples.name}, expected two images or more")

    def batches():
        start = 0
        for batch in examples.batches():
            of_another = codes[start : start + len(batch.images)]
            if len(of_another) < len(batch.images):
                raise VQError(f"input: {examples.origin!r} has changed while it was evaluated")
            yield batch._replace(codes=of_another)
            start += len(batch.images)

    return examples._replace(batches=batches)


def per_example(
    run: OpenRun, examples: Examples, scale: Optional[float], codes_of: str = OWN, reconstruct: bool = False
) -> PerExample:
    """One pass over examples; see `measure`, and `evaluate` for `codes_of`.

    Raises:
      VQError: a likelihood that is no number.
    """
    chosen = with_codes_of_another(run, examples) if codes_of == ANOTHER else examples
    return collect(run, measure(run, chosen, scale, reconstruct))


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


def evaluate(
    run: OpenRun, source: AnySource, split: str, codes_of: str = OWN, save_reconstructions: bool = False
) -> dict:
    """Evaluates a split and writes its results to the run directory; returns what `eval/<split>.json` holds.

    Args:
      run: the run.
      source, split: the run's own data, and which of SPLITS.
      codes_of, save_reconstructions: see `evaluate_examples`.
    """
    if run.keeps_results:
        results.can_write(run.model_dir, "eval")  # warns before the work
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
) -> dict:
    """Evaluates any examples and writes the results to the run directory; returns what `eval/<stem>.json` holds.

    `eval/<stem>.npz` holds arrays with a row for each example, in their order: `distortion` and `rate_uniform` in nats,
    `codes`, of images `mse`, and with a trained prior of this checkpoint's codes `rate_prior`. `file_stem` is the stem.
    Where the directory can't be written to, a warning says so before the work.

    Args:
      run: the run.
      examples: what is evaluated.
      calibration: of the run's own training data.
      codes_of: OWN, or ANOTHER: each image is given the codes of the one before it, to see what
        the codes are worth; the results are then in `eval/<stem>-another.json` and `.npz`.
      save_reconstructions: write `images` and `reconstructions`, uint8 [N, H, W, C], to the `.npz`, too.
      own_split: the examples are a split of the run's own data; see `file_stem`.
      measured: the batches and what they cost, where another function than `measure` computes that.

    Raises:
      VQError: there is no example, or an option that these examples don't allow.
    """
    keep, m = run.keeps_results and results.can_write(run.model_dir, "eval"), run.config.model
    if save_reconstructions and not m.has_mse:
        raise VQError("save_reconstructions: got it for recordings, expected images: a draw is another wave")
    if measured is None:
        found = per_example(run, examples, calibration.scale, codes_of, save_reconstructions)
    else:
        found = collect(run, measured)
    prior = run.prior if codes_of == OWN else None
    cost = None if prior is None else prior_cost(run, found)
    mse = None if found.mse is None else float(found.mse.mean())
    unknown = found.voices is not None and found.speakers is None
    result = {
        "split": examples.name if examples.source else None,
        "input": None if own_split else examples.origin,
        "sha256": found.sha256,
        "examples": len(found.distortion),
        "dims_per_example": m.fixed_dims or float(found.dims.mean()),
        "dataset_source": examples.source or input_name(examples, found.sha256),
        "global_step": run.checkpoint.step,
        "likelihood": FITTED if calibration.scale is not None else type_name(m.likelihood),
        "likelihood_scale": calibration.scale,
        "codes": codes_of,
        "reconstruction": "draw" if m.is_stochastic_decoder else "mean",
        "speakers": "likeliest" if unknown else None if found.voices is None else "known",
        "mse": mse,
        "psnr_db": None if mse is None else -10.0 * math.log10(max(mse, 1e-12)),
        "normalized_mse": None if mse is None or not found.pixel_variance else mse / found.pixel_variance,
        "codebook": codebook_usage(found.codes, m.quantizer.K),
        "original_nll": None if found.original_nll is None else float(found.original_nll.mean()),
        "bits_per_dim": bits_per_dim(found, run.config, calibration, cost),
        "prior": prior_figures(found, run.config, prior, cost),
    }
    if keep:
        uniform = code_cost.uniform_cost(run.config, found.positions)
        arrays = {"distortion": found.distortion, "rate_uniform": uniform, "codes": found.codes, "mse": found.mse}
        arrays["rate_prior"] = None if cost is None else cost.nats
        arrays.update(images=found.images, reconstructions=found.reconstructions, speakers=found.voices)
        if m.fixed_dims is None:
            arrays.update(dims=found.dims, positions=found.positions)
        name = os.path.join(run.model_dir, "eval", file_stem(examples, result))
        with results.tolerated(run.model_dir):
            _write(name, result, {key: array for key, array in arrays.items() if array is not None})
    return result


def input_name(examples: Examples, sha256: str) -> str:
    """A name for an input that no other one has: its own, fit for a file, and its hash."""
    name = f"{examples.source}-{examples.name}" if examples.source else examples.name
    safe = re.sub(r"[^\w.-]+", "_", name, flags=re.ASCII).strip("._")[:64]
    return f"{safe or 'input'}-{sha256[:16]}"


def file_stem(examples: Examples, result: dict) -> str:
    """The name in `eval/` of the files with a result: <split>, or of an input its `input_name`."""
    stem = examples.name if result["input"] is None else input_name(examples, result["sha256"])
    return stem + ("" if result["codes"] == OWN else "-" + result["codes"])


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
    lines = [f"{head:<34}" + "".join("{:>14}".format(r["split"] or "input") for r in splits)]
    for name, form, value in rows:
        values = [value(r) for r in splits]
        if set(values) == {None}:
            continue
        lines.append(f"{name:<34}" + "".join("{:>14}".format("-" if v is None else form.format(v)) for v in values))
    return "\n".join(lines)
