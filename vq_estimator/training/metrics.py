"""Streaming metrics over the examples of a split; none is a mean of batch means."""

from typing import Dict, Optional

import tensorflow.compat.v1 as tf

from vq_estimator.models.objectives import LossTerms
from vq_estimator.nn.quantizers.usage import code_counts, entries_used, perplexity


def streaming_code_counts(codes: tf.Tensor, K: int):
    """Returns (value, update) of a streaming metric: the counts [L, K] over all batches."""
    L = codes.shape.as_list()[-1]
    total = tf.get_variable(
        "code_counts",
        [L, K],
        tf.float32,
        tf.zeros_initializer(),
        trainable=False,
        collections=[tf.GraphKeys.LOCAL_VARIABLES, tf.GraphKeys.METRIC_VARIABLES],
        use_resource=True,
    )
    return total.read_value(), total.assign_add(code_counts(codes, K))


def vqvae(
    terms: LossTerms, shown: Dict[str, tf.Tensor], codes: tf.Tensor, K: int, weight: Optional[tf.Tensor] = None
) -> Dict[str, tuple]:
    """Makes the eval_metric_ops of a VQ-VAE.

    Args:
      terms: the result of `objectives.terms`.
      shown: the result of `objectives.reconstruction_metric`.
      codes: int32 [B, h, w, L].
      K: number of values of a code.
      weight: weight of each example, if examples have different lengths.
    """

    def mean(term):
        return tf.metrics.mean(term, weight)

    counts, update = streaming_code_counts(codes, K)
    return {
        **{name: mean(value) for name, value in shown.items()},
        "loss/total": mean(terms.total),
        "loss/reconstruction": mean(terms.reconstruction),
        "loss/codebook": mean(terms.codebook),
        "loss/commitment": mean(terms.commitment),
        "codebook/used": (entries_used(counts), update),
        "codebook/perplexity": (perplexity(counts), update),
    }
