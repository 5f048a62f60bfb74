"""The bits of codes, in nats, under the uniform, the unigram and the trained prior."""

import math
from typing import NamedTuple, Optional, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from vq_estimator.config import Config
from vq_estimator.inference.calibration import Calibration
from vq_estimator.inference.session import OpenRun


class CodeCost(NamedTuple):
    """The nats of each example's codes under the trained prior.

    Attributes:
      nats: [N], -ln p(z). With a class-conditional prior, p(z) is the mean of p(z | class) over the classes.
      given_class: [N], -ln p(z | its own class), or None if the prior has no classes or the labels are unknown.
    """

    nats: np.ndarray
    given_class: Optional[np.ndarray]


def uniform_cost(config: Config, positions: np.ndarray) -> np.ndarray:
    """Nats [N] under the uniform prior, for examples with `positions` [N] positions each."""
    q = config.model.quantizer
    return positions * (q.L * math.log(q.K))


def unigram_cost(codes: np.ndarray, calibration: Calibration) -> np.ndarray:
    """Nats [N] of codes [N, h, w, L] under their frequencies in the training split."""
    log_p = np.log(calibration.code_probabilities())  # [L, K]
    return -log_p[np.arange(codes.shape[-1]), codes].sum((1, 2, 3))


def log_prob(run: OpenRun) -> Tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Placeholders of codes int32 [B, h, w, L] and classes int32 [B], and ln p(z | class) [B] by the trained prior."""

    def build():
        z, classes = tf.placeholder(tf.int32, (None, *run.config.model.codes_shape)), tf.placeholder(tf.int32, [None])
        each = run.code_prior.log_prob(z, classes if run.prior.config.codes.classes else None)
        return z, classes, tf.reduce_sum(each, [1, 2, 3])

    return run.op("log_prob", build)


def mix_classes(log_p: np.ndarray, classes: int, labels: Optional[np.ndarray]) -> CodeCost:
    """Computes the cost from ln p(z | class) [N, classes], or ln p(z) [N, 1]."""
    if not classes:
        return CodeCost(-log_p[:, 0], None)
    mixture = np.logaddexp.reduce(log_p, 1) - np.log(classes)
    return CodeCost(-mixture, None if labels is None else -log_p[np.arange(len(log_p)), labels])
