"""Codes of images: those of a split for a prior, and their cost under it."""

from typing import Optional, Sequence

import numpy as np

from vq_estimator.data.codes import Codes
from vq_estimator.data.speech import AnySource
from vq_estimator.inference import code_cost
from vq_estimator.inference.code_cost import CodeCost
from vq_estimator.inference.measurement import PerExample
from vq_estimator.inference.session import OpenRun
from vq_estimator.progress import ProgressBar
from vq_estimator.training import prior_trainer

BATCH = 100


def count(run: OpenRun, source: AnySource, split: str) -> int:
    """Returns the number of code maps in a split."""
    del run
    return source.count(split)


def encode(run: OpenRun, source: AnySource, split: str) -> Codes:
    """Encodes a split."""
    encoded = run.batches(run.examples(source, split), run.connect().codes, "encode")
    each = zip(*((codes, batch.labels) for batch, codes in encoded))
    return Codes(*(np.concatenate(part).astype(np.int32) for part in each))


def of_rows(run: OpenRun, codes: Sequence[np.ndarray], labels: Sequence[int]) -> Codes:
    """Joins the codes [h, w, L] of images and their labels."""
    del run
    return Codes(np.stack(codes).astype(np.int32), np.array(labels, np.int32))


def cost_of_examples(run: OpenRun, examples: PerExample) -> CodeCost:
    """Computes what the codes of examples cost under the run's trained prior."""
    return cost(run, examples.codes, examples.labels)


def cost(run: OpenRun, codes: np.ndarray, labels: Optional[np.ndarray] = None) -> CodeCost:
    """Computes the cost of codes int32 [N, h, w, L] under the trained prior, which the run must have.

    `labels`: int32 [N], or None if they are unknown.
    """
    of, (z, classes, log_p), parts, n = run.prior.config.codes, code_cost.log_prob(run), [], len(codes)
    size = prior_trainer.evaluation_batch(of, BATCH)
    hidden = {"disable": True} if n <= BATCH else {}  # False would override the variable TQDM_DISABLE
    with ProgressBar(total=n, unit="image", desc="prior", **hidden) as bar:
        for i in range(0, n, size):
            batch = codes[i : i + size]
            feeds = [{z: batch, classes: np.full(len(batch), k)} for k in range(max(of.classes, 1))]
            parts.append(np.stack([run.session.run(log_p, feed) for feed in feeds], 1).astype(np.float64))
            bar.update(len(batch))
    return code_cost.mix_classes(np.concatenate(parts), of.classes, labels)
