"""Means over all examples of an evaluation, and the figures that they become."""

import math
from typing import Any, Dict, NamedTuple, Optional

import numpy as np

from vq_estimator.config import Config, type_name
from vq_estimator.inference import code_cost
from vq_estimator.inference.calibration import Calibration
from vq_estimator.inference.measurement import PerExample
from vq_estimator.inference.session import OpenRun

FITTED = "discretized_gaussian"  # the name in results of the likelihood "mse" with its fitted scale


class Summary(NamedTuple):
    """Means and counts over examples.

    Attributes:
      examples: their number.
      dims: mean number of dimensions.
      distortion, rate_uniform, rate_unigram: mean nats.
      rate_prior: mean nats under the trained prior; None without one.
      rate_given_class: mean nats under the trained prior given the class; None if the classes are unknown.
      mse, original_nll: means, see `Measured`; None if they do not apply.
      pixel_variance: of all pixels, on 0..1.
      counts: int64 [L, K], how often each code occurs.
      speakers: "known", "likeliest", or None for images.
      sha256: of the examples; None if it is not known.
    """

    examples: int
    dims: float
    distortion: float
    rate_uniform: float
    rate_unigram: float
    rate_prior: Optional[float]
    rate_given_class: Optional[float]
    mse: Optional[float]
    original_nll: Optional[float]
    pixel_variance: float
    counts: np.ndarray
    speakers: Optional[str]
    sha256: Optional[str] = None


def count_codes(codes: np.ndarray, K: int) -> np.ndarray:
    """Counts the entries that codes int [..., L] use, int64 [L, K]."""
    flat = codes.reshape(-1, codes.shape[-1])
    return np.stack([np.bincount(flat[:, i], minlength=K) for i in range(flat.shape[1])])


def usage(counts: np.ndarray) -> dict:
    """The entries that occur in counts [L, K], and their perplexity, a mean over the L codebooks."""
    p = counts / counts.sum(-1, keepdims=True)
    entropy = -(p * np.log(np.where(p > 0, p, 1.0))).sum(-1)
    used, perplexity = (counts > 0).sum(-1), np.exp(entropy)
    return {
        "size": counts.size,
        "used": int(used.sum()),
        "perplexity": float(perplexity.mean()),
        "per_codebook": [{"used": int(u), "perplexity": float(x)} for u, x in zip(used, perplexity)],
    }


def summarize(
    found: PerExample, config: Config, calibration: Calibration, cost: Optional[code_cost.CodeCost] = None
) -> Summary:
    """The summary of examples, and of the cost of their codes under the trained prior if there is one."""

    def mean(values: Optional[np.ndarray]) -> Optional[float]:
        return None if values is None else float(values.mean())

    unknown = found.voices is not None and found.speakers is None
    return Summary(
        examples=len(found.distortion),
        dims=float(found.dims.mean()),
        distortion=float(found.distortion.mean()),
        rate_uniform=float(code_cost.uniform_cost(config, found.positions).mean()),
        rate_unigram=float(code_cost.unigram_cost(found.codes, calibration).sum() / len(found.dims)),
        rate_prior=None if cost is None else mean(cost.nats),
        rate_given_class=None if cost is None else mean(cost.given_class),
        mse=mean(found.mse),
        original_nll=mean(found.original_nll),
        pixel_variance=found.pixels.variance,
        counts=count_codes(found.codes, config.model.quantizer.K),
        speakers="likeliest" if unknown else None if found.voices is None else "known",
        sha256=found.sha256,
    )


def bits_per_dim(s: Summary) -> Dict[str, Optional[float]]:
    """The distortion, and the rate under the uniform, unigram and trained prior, in bits per dimension.

    The totals are upper bounds of -log2 p(x) / dims, because the encoder is deterministic (van den Oord et al. 2017,
    section 3.2). The values of the trained prior are None without one.
    """
    to_bits = 1.0 / (s.dims * math.log(2.0))
    bits: Dict[str, Optional[float]] = {
        "distortion": s.distortion * to_bits,
        "rate_uniform": s.rate_uniform * to_bits,
        "rate_unigram": s.rate_unigram * to_bits,
        "rate_prior": None if s.rate_prior is None else s.rate_prior * to_bits,
    }
    for prior in ("uniform", "unigram", "prior"):
        rate = bits["rate_" + prior]
        bits["total_" + prior] = None if rate is None else s.distortion * to_bits + rate
    return bits


def figures(run: OpenRun, s: Summary, calibration: Calibration, about: Dict[str, Any]) -> Dict[str, Any]:
    """The content of `eval/*.json`; `about` has its keys that identify the examples."""
    m = run.config.model
    mse = s.mse
    return {
        "split": about["split"],
        "input": about["input"],
        "sha256": s.sha256,
        "examples": s.examples,
        "dims_per_example": m.fixed_dims if s.dims == m.fixed_dims else s.dims,
        "dataset_source": about["dataset_source"],
        "global_step": run.checkpoint.step,
        "likelihood": FITTED if calibration.scale is not None else type_name(m.likelihood),
        "likelihood_scale": calibration.scale,
        "codes": about["codes"],
        "reconstruction": "draw" if m.is_stochastic_decoder else "mean",
        "speakers": s.speakers,
        "mse": mse,
        "psnr_db": None if mse is None else -10.0 * math.log10(max(mse, 1e-12)),
        "normalized_mse": None if mse is None or not s.pixel_variance else mse / s.pixel_variance,
        "codebook": usage(s.counts),
        "original_nll": s.original_nll,
        "bits_per_dim": bits_per_dim(s),
        "prior": _prior_figures(run, s),
    }


def _prior_figures(run: OpenRun, s: Summary) -> Optional[dict]:
    """The bits of an example's codes under the trained prior, mixed over classes, and given the class."""
    if s.rate_prior is None:
        return None
    given = None if s.rate_given_class is None else s.rate_given_class / math.log(2.0)
    return {
        "bits_per_image": s.rate_prior / math.log(2.0),
        "bits_per_image_given_class": given,
        "bits_per_image_uniform": s.rate_uniform / math.log(2.0),
        "global_step": run.prior.checkpoint.step,
    }
