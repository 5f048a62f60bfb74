"""What the codes of a model mean: their usage, neighbouring entries, walks through code maps, and pictures of images.

Code maps are int32 [h, w, L] and images uint8 [N, H, W, C]. Every function returns arrays, which any program can draw.

    >>> import numpy as np
    >>> import vq_estimator as vq
    >>> with vq.load("mnist") as model:
    ...     codes = model.encode(np.zeros([1, 24, 24, 1], np.uint8))
    ...     walk = vq.explore.random_walk(codes[0], steps=20, K=20)
    ...     picture = vq.explore.grid(model.decode(walk), columns=10)
    >>> picture.shape
    (49, 249, 1)
"""

from vq_estimator.data.audio import from_mu_law
from vq_estimator.drawing import grid, side_by_side
from vq_estimator.inference.evaluation import codebook_usage
from vq_estimator.inference.exploration import (
    codebook_entries,
    distinct_maps,
    interpolate,
    neighbours,
    random_walk,
    single_code,
)
from vq_estimator.inference.speech_exploration import mutual_information, spectrogram

__all__ = [
    "codebook_entries",
    "codebook_usage",
    "distinct_maps",
    "from_mu_law",
    "grid",
    "interpolate",
    "mutual_information",
    "neighbours",
    "random_walk",
    "side_by_side",
    "single_code",
    "spectrogram",
]
