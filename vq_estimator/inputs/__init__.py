"""Input functions for the Estimators.

Each function here returns an `input_fn` for `train`, `evaluate`, `predict`, a `TrainSpec` or an `EvalSpec`. It takes
the seed and the first step from the Estimator that calls it, so that a resumed training goes on in the order of the
data in which it stopped. Any `tf.data.Dataset` of {"image": uint8 [B, H, W, C]}, or of that tensor alone, is as good
an input.

    >>> import numpy as np
    >>> import vq_estimator as vq
    >>> input_fn = vq.inputs.numpy_input_fn(np.zeros([100, 8, 8, 1], np.uint8))
"""

from vq_estimator.inputs.functions import codes_input_fn, dataset_input_fn, folder_input_fn, numpy_input_fn
from vq_estimator.inputs.reading import load_examples, load_recordings

__all__ = [
    "codes_input_fn",
    "dataset_input_fn",
    "folder_input_fn",
    "load_examples",
    "load_recordings",
    "numpy_input_fn",
]
