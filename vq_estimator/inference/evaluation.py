"""Numbers over a whole split, from a checkpoint: errors, codebook use, bits per dimension and their parts."""

import math
import os
from typing import Dict, NamedTuple, Optional

import numpy as np
import tensorflow.compat.v1 as tf

from vq_estimator import drawing
from vq_estimator.config import Config, type_name
from vq_estimator.data import pipeline
from vq_estimator.data.codes import Codes
from vq_estimator.data.files import atomic_path, write_json
from vq_estimator.data.speech import AnySource
from vq_estimator.errors import VQError
from vq_estimator.inference import extraction, results
from vq_estimator.inference import trained_prior as prior_lib
from vq_estimator.inference.calibration import Calibration, calibrate
from vq_estimator.inference.session import TrainedPrior, batches, features_of, session_scope
from vq_estimator.nn.likelihoods import to_unit
from vq_estimator.training.run_folder import Checkpoint

OWN, ANOTHER = "own", "another"  # whose codes an image is decoded from
FITTED = "discretized_gaussian"  # the likelihood "mse" when it is evaluated


class PerExample(NamedTuple):
    """Of each example of a split, in its order: mse on 0..1 pixels, -ln p(x|z_q) in nats, tf-vqvae's formula, codes."""

    mse: np.ndarray  # [N], NaN of recordings: a draw is another wave of the same sound
    distortion: np.ndarray  # [N]
    original_nll: np.ndarray  # [N], NaN where there is no reconstruction in 0..1
    codes: np.ndarray  # [N, h, w, L] int32; of recordings [1, 1, M, L], one behind the other
    labels: np.ndarray  # [N] int32; of recordings [N, 2], class and speaker
    dims: np.ndarray  # [N], numbers in each
    positions: np.ndarray  # [N], where it has codes
    pixel_variance: float  # of all numbers of the split, on 0..1; exactly 0 where all are the same


def run_split(
    config: Config,
    checkpoint: Checkpoint,
    source: AnySource,
    split: str,
    scale: Optional[float],
    codes_of: str = OWN,
) -> PerExample:
    """One pass over a split.

    Raises:
      VQError: a likelihood that is no number.
    """
    m, K = config.model, config.model.quantizer.K
    if m.fixed_dims is None and codes_of == ANOTHER:
        raise VQError("codes: got another, expected own: recordings differ in length; train one with --K=1 to compare")

    of_another = _codes_of_another(config, checkpoint, source, split) if codes_of == ANOTHER else None

    def fetch(features, model):
        images, speakers = model.unpack_features(features)
        codes = model.encode(images) if of_another is None else _batches_of(of_another, config)
        p = model.likelihood(codes, images, speakers)
        if not m.has_mse:
            mse = original = tf.fill(tf.shape(images)[:1], float("nan"))
        elif m.is_stochastic_decoder:
            drawn = to_unit(model.decode(codes))
            mse = tf.reduce_mean(tf.squared_difference(drawn, to_unit(images)), [1, 2, 3])
            original = tf.fill(tf.shape(mse), float("nan"))
        else:
            mse, original = p.squared_error(to_unit(images)), p.original_nll(K)
        nats = -(p if scale is None else p.with_scale(scale)).log_prob(images)
        labels = features["label"] if speakers is None else tf.stack([features["label"], speakers], -1)
        return mse, nats, original, codes, labels

    parts, dims, positions, pixels, pixel_sum, pixel_squares = [], [], [], 0, 0, 0
    for images, values in batches(config, checkpoint.path, source, split, fetch, "evaluate " + split):
        if not np.isfinite(values[1]).all():
            raise VQError(f"checkpoint: {checkpoint.path!r} gives likelihoods that are no numbers (NaN)")
        levels = images.astype(np.int64)
        pixels += levels.size
        pixel_sum += int(levels.sum())
        pixel_squares += int(np.square(levels).sum())
        parts.append(values)
        dims += [images[0].size] * len(images)
        positions += [int(np.prod(values[3].shape[1:3]))] * len(images)
    mse, distortion, original, codes, labels = zip(*parts)
    codes = np.concatenate(codes, 2 if m.fixed_dims is None else 0)
    mse, distortion, original, labels = (np.concatenate(p) for p in (mse, distortion, original, labels))
    variance = (pixels * pixel_squares - pixel_sum**2) / (255.0 * pixels) ** 2
    mse, distortion, original = (v.astype(np.float64) for v in (mse, distortion, original))
    return PerExample(mse, distortion, original, codes, labels, np.array(dims), np.array(positions), variance)


def _codes_of_another(config: Config, checkpoint: Checkpoint, source: AnySource, split: str) -> np.ndarray:
    """For each image the codes of the one before it, for the first those of the last; int32 [N, h, w, L]."""
    codes = extraction.encode(config, checkpoint, source, split).codes
    if len(codes) == 1:
        raise VQError(f"codes: got another for the one image of the {split} split, expected two images or more")
    return np.roll(codes, 1, 0)


def _batches_of(codes: np.ndarray, config: Config) -> tf.Tensor:
    """The next batch of codes at each run of the graph, as large as those of `session.batches`."""
    size = pipeline.evaluation_batch(config.model.dims)
    each = tf.data.Dataset.from_generator(lambda: pipeline.parts(codes, size), tf.int32, [None, *codes.shape[1:]])
    return tf.data.make_one_shot_iterator(each).get_next()


def codebook_usage(codes: np.ndarray, K: int) -> dict:
    """Entries used and perplexity, over all the codes int [..., L]; perplexity is the mean over the L codebooks."""
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
    examples: PerExample, config: Config, calibration: Calibration, cost: Optional[prior_lib.CodeCost] = None
) -> dict:
    """Distortion, and the rate under the uniform, the unigram and the trained prior, in bits per dimension.

    The totals bound -log2 p(x) / dims from above, since the encoder is deterministic (van den Oord et al. 2017,
    section 3.2). Without a trained prior its figures are None.
    """
    to_bits = 1.0 / (float(examples.dims.mean()) * math.log(2.0))
    bits = {
        "distortion": float(examples.distortion.mean()) * to_bits,
        "rate_uniform": float(uniform_cost(examples, config).mean()) * to_bits,
        "rate_unigram": float(unigram_cost(examples.codes, calibration).sum() / len(examples.dims)) * to_bits,
        "rate_prior": None if cost is None else float(cost.nats.mean()) * to_bits,
    }
    for prior in ("uniform", "unigram", "prior"):
        rate = bits["rate_" + prior]
        bits["total_" + prior] = None if rate is None else bits["distortion"] + rate
    return bits


def prior_figures(
    examples: PerExample, config: Config, prior: Optional[TrainedPrior], cost: Optional[prior_lib.CodeCost]
) -> Optional[dict]:
    """Bits of an image's codes under the prior, its mixture over classes where it has some, and given the class."""
    if prior is None:
        return None
    given = None if cost.given_class is None else float(cost.given_class.mean() / math.log(2.0))
    return {
        "bits_per_image": float(cost.nats.mean() / math.log(2.0)),
        "bits_per_image_given_class": given,
        "bits_per_image_uniform": float(uniform_cost(examples, config).mean() / math.log(2.0)),
        "global_step": prior.checkpoint.step,
    }


def evaluate(
    config: Config, checkpoint: Checkpoint, source: AnySource, model_dir: str, split: str, codes_of: str = OWN
) -> dict:
    """Evaluates a split and writes its results to the run folder; returns what `eval/<split>.json` holds.

    Where the folder can't be written to, a warning says so before the work.

    `eval/<split>.npz` holds, of each example in the split's order, `distortion` and `rate_uniform` in nats and `codes`;
    with a trained prior of this checkpoint's codes `rate_prior` too.

    Args:
      config, checkpoint, source, model_dir: the run.
      split: one of SPLITS.
      codes_of: OWN, or ANOTHER: each image is given the codes of the one before it, to see what
        the codes are worth; the results are then in `eval/<split>-another.json` and `.npz`.
    """
    keep = results.can_write(model_dir, "eval")
    calibration = calibrate(config, checkpoint, source, model_dir)
    examples = run_split(config, checkpoint, source, split, calibration.scale, codes_of)
    prior = prior_lib.find_or_warn(model_dir, checkpoint) if codes_of == OWN else None
    m, cost = config.model, None
    if prior is not None and m.fixed_dims is None:
        of = prior.config.codes
        label, speaker = examples.labels.T
        each = max(of.classes // len(config.model.speakers), 1)  # classes of the data, where of both
        given = {"class": label, "speaker": speaker, "both": speaker * each + label}[of.condition]
        cost = prior_lib.cost_of_clips(config, checkpoint, prior, examples.codes, examples.positions, given)
    elif prior is not None:
        cost = prior_lib.cost(config, checkpoint, prior, Codes(examples.codes, examples.labels))
    mse = float(examples.mse.mean()) if m.has_mse else None
    result = {
        "split": split,
        "examples": len(examples.mse),
        "dims_per_example": m.fixed_dims or float(examples.dims.mean()),
        "dataset_source": source.name,
        "global_step": checkpoint.step,
        "likelihood": FITTED if calibration.scale is not None else type_name(config.model.likelihood),
        "likelihood_scale": calibration.scale,
        "codes": codes_of,
        "reconstruction": "draw" if config.model.is_stochastic_decoder else "mean",
        "mse": mse,
        "psnr_db": None if mse is None else -10.0 * math.log10(max(mse, 1e-12)),
        "normalized_mse": None if mse is None or not examples.pixel_variance else mse / examples.pixel_variance,
        "codebook": codebook_usage(examples.codes, config.model.quantizer.K),
        "original_nll": None if config.model.is_stochastic_decoder else float(examples.original_nll.mean()),
        "bits_per_dim": bits_per_dim(examples, config, calibration, cost),
        "prior": prior_figures(examples, config, prior, cost),
    }
    if keep:
        arrays = {
            "distortion": examples.distortion,
            "rate_uniform": uniform_cost(examples, config),
            "codes": examples.codes,
            **({} if m.fixed_dims else {"dims": examples.dims, "positions": examples.positions}),
            **({} if cost is None else {"rate_prior": cost.nats}),
        }
        name = os.path.join(model_dir, "eval", split + ("" if codes_of == OWN else "-" + codes_of))
        with results.tolerated(model_dir):
            _write(name, result, arrays)
    return result


def _write(name: str, result: dict, arrays: Dict[str, np.ndarray]) -> None:
    write_json(name + ".json", result)
    with atomic_path(name + ".npz") as temporary, open(temporary, "wb") as f:
        np.savez_compressed(f, **arrays)


def uniform_rate(config: Config) -> float:
    """Nats of an image's codes under the uniform prior: h * w * L * ln K."""
    h, w, L = config.model.grid
    return h * w * L * math.log(config.model.quantizer.K)


def uniform_cost(examples: PerExample, config: Config) -> np.ndarray:
    """Nats [N] of the examples' codes under the uniform prior."""
    q = config.model.quantizer
    return examples.positions * (q.L * math.log(q.K))


def unigram_cost(codes: np.ndarray, calibration: Calibration) -> np.ndarray:
    """Nats [N] of codes [N, h, w, L] under the frequencies that they have in the training split."""
    log_p = np.log(calibration.code_probabilities())  # [L, K]
    return -log_p[np.arange(codes.shape[-1]), codes].sum((1, 2, 3))


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


def reconstructions(
    config: Config, checkpoint: Checkpoint, source: AnySource, split: str = "test", rows: int = 10
) -> np.ndarray:
    """The first rows * rows images of a split and their reconstructions, as two grids side by side: uint8 [H, W, C]."""

    def build(model):
        images = features_of(config, source, split, rows * rows)["image"]
        given = tf.placeholder(tf.uint8, (None, *config.model.shape))
        return images, given, model.decode(model.encode(given))

    size = pipeline.evaluation_batch(config.model.dims)
    with session_scope(config, checkpoint.path, build) as (session, (images, given, decoded)):
        images = session.run(images)
        decoded = np.concatenate([session.run(decoded, {given: part}) for part in pipeline.parts(images, size)])
    return drawing.side_by_side(drawing.grid(images, rows), drawing.grid(decoded, rows))
