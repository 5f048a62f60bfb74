"""Calibration: the scale of the pixels under the likelihood "mse", and the frequencies of the codes.

Both are fitted on the training split, once per checkpoint, and stored in the run directory. They are never fitted on
the split under evaluation.
"""

import math
import os
from typing import NamedTuple, Optional

import numpy as np
import tensorflow.compat.v1 as tf
from scipy import optimize, special

from vq_estimator.config import MSE
from vq_estimator.data.files import read_json, write_json
from vq_estimator.data.speech import AnySource
from vq_estimator.errors import VQError
from vq_estimator.inference import results
from vq_estimator.inference.examples import Examples
from vq_estimator.inference.session import OpenRun

BINS_PER_LEVEL = 8  # bins per level of the reconstruction, in the histogram to which the scale is fitted
MIN_SCALE = 0.05  # smallest scale in levels; below it a Gaussian has all its mass in one level anyway


class Calibration(NamedTuple):
    """A calibration.

    Attributes:
      scale: standard deviation, in levels of 0..255, of the discretised Gaussian around a reconstruction; None if the
        likelihood has learned its own.
      counts: int64 [L, K], the number of occurrences of each code in the training split.
    """

    scale: Optional[float]
    counts: np.ndarray

    def usage(self) -> np.ndarray:
        """[L, K], the fraction of each entry among the codes of its codebook."""
        return self.counts / np.maximum(self.counts.sum(-1, keepdims=True), 1)

    def code_probabilities(self) -> np.ndarray:
        """[L, K] float64, each row normalised. Half a count is added to each code, so that none has probability 0."""
        smooth = self.counts + 0.5
        return smooth / smooth.sum(-1, keepdims=True)


def histogram_bits(histogram: np.ndarray, scale: float) -> float:
    """Mean nats of the discretised Gaussian under a histogram [256, bins] of (level, reconstruction), in float64."""
    levels, bins = np.nonzero(histogram)
    weights, mean = histogram[levels, bins], bins / BINS_PER_LEVEL
    below = np.where(levels == 0, -np.inf, (levels - 0.5 - mean) / scale)
    above = np.where(levels == 255, np.inf, (levels + 0.5 - mean) / scale)
    flip = below + above > 0
    low, high = np.where(flip, -above, below), np.where(flip, -below, above)
    log_high = special.log_ndtr(high)
    with np.errstate(divide="ignore"):
        log_p = log_high + np.log(-np.expm1(np.minimum(special.log_ndtr(low) - log_high, -1e-300)))
    return float(-(weights * log_p).sum() / weights.sum())


def fit_scale(histogram: np.ndarray) -> float:
    """The maximum-likelihood scale for the pixels of the histogram."""
    low, high = math.log(MIN_SCALE), math.log(256.0)
    found = optimize.minimize_scalar(
        lambda s: histogram_bits(histogram, math.exp(s)), bounds=(low, high), method="bounded"
    )
    return float(math.exp(found.x))


def kept_path(run: OpenRun) -> str:
    """The path of a checkpoint's calibration in the run directory."""
    return os.path.join(run.model_dir, "calibration", run.fingerprint[:16] + ".json")


def kept(run: OpenRun, dataset_source: Optional[str] = None) -> Optional[Calibration]:
    """Loads the calibration from the run directory if it is of this checkpoint and of the run's own data.

    For a run without data of its own, such as an imported one, it must be of `dataset_source`, unless that is None.
    Returns None if it is missing or damaged, since it can be fitted again.
    """
    m, wanted = run.config.model, run.config.dataset_source or dataset_source
    try:
        found = read_json(kept_path(run))
        same = found["fingerprint"] == run.fingerprint
        if not same or wanted not in (None, found["dataset_source"]):
            return None
        scale, counts = found["scale"], np.array(found["code_counts"])
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return None
    shape = m.quantizer.L, m.quantizer.K
    if counts.shape != shape or counts.dtype != np.int64 or counts.min() < 0 or counts.max() >= 2**48:
        return None
    if isinstance(m.likelihood, MSE):
        fits = isinstance(scale, float) and MIN_SCALE / 2 <= scale <= 512.0
    else:
        fits = scale is None
    return Calibration(scale, counts) if fits else None


def calibrate(run: OpenRun, source: AnySource) -> Calibration:
    """The calibration of a checkpoint, loaded from `calibration/` in the run directory or fitted now on the split
    "train".
    """
    found = kept(run, source.name)
    return fit(run, run.examples(source, "train"), source.name) if found is None else found


def fit(run: OpenRun, examples: Examples, dataset_source: Optional[str]) -> Calibration:
    """Fits a calibration and stores it in the run directory if that is writable.

    Args:
      run: the run.
      examples: examples of the training split, never of the data under evaluation.
      dataset_source: the name of that data set.

    Raises:
      VQError: the model's reconstructions are not finite.
    """
    keep = run.keeps_results and results.can_write(run.model_dir, "calibration")
    fitted = _fit(run, examples)
    figures = {
        "fingerprint": run.fingerprint,
        "global_step": run.checkpoint.step,
        "dataset_source": dataset_source,
        "split": examples.name,
        "scale": fitted.scale,
        "code_counts": fitted.counts.tolist(),
    }
    if keep:
        with results.tolerated(run.model_dir):
            write_json(kept_path(run), figures)
    return fitted


def _fit(run: OpenRun, examples: Examples) -> Calibration:
    q, scaled, t = run.config.model.quantizer, isinstance(run.config.model.likelihood, MSE), run.connect()
    fetch = {"codes": t.codes}
    if scaled:
        bins = run.op("bins", lambda: tf.cast(tf.round(t.likelihood.mean() * 255.0 * BINS_PER_LEVEL), tf.int32))
        fetch["bins"] = bins
    width = 255 * BINS_PER_LEVEL + 1
    histogram, counts = np.zeros(256 * width, np.int64), np.zeros(q.L * q.K, np.int64)
    for batch, values in run.batches(examples, fetch, "calibrate on"):
        counts += np.bincount((values["codes"] + q.K * np.arange(q.L)).ravel(), minlength=len(counts))
        if scaled:
            bins = values["bins"]
            if bins.min() < 0 or bins.max() >= width:
                raise VQError(f"checkpoint: {run.checkpoint.path!r} gives reconstructions that are not finite (NaN)")
            cells = batch.images.astype(np.int64) * width + bins
            histogram += np.bincount(cells.ravel(), minlength=len(histogram))
    scale = fit_scale(histogram.reshape(256, width)) if scaled else None
    return Calibration(scale, counts.reshape(q.L, q.K))
