"""Loads a split into memory as arrays, for programs that need images but no graph."""

from typing import NamedTuple, Optional

import numpy as np
import tensorflow.compat.v1 as tf

from vq_estimator.config import SPLITS, arguments
from vq_estimator.config.model import SIZE, ImageSize
from vq_estimator.data import batching, pipeline
from vq_estimator.data.sources import Source
from vq_estimator.errors import VQError


class Examples(NamedTuple):
    """Images uint8 [N, H, W, C] and labels int32 [N]."""

    images: np.ndarray
    labels: np.ndarray


def load(
    source: Source, split: str, image_size: ImageSize, num: Optional[int] = None, binarize: bool = False
) -> Examples:
    """Loads the first `num` examples of a split (all if None), at the image size of a model, in the files' order.

    Args:
      image_size: a side in pixels, or (height, width).

    Raises:
      VQError: an argument is invalid.
    """
    if not isinstance(source, Source):
        raise VQError(f"source: got {type(source).__name__}, expected what sources.locate or images.locate gives")
    split = arguments.one_of("split", split, SPLITS)
    sides = SIZE.read("image_size", image_size)
    SIZE.check("image_size", sides)
    size = sides if isinstance(sides, tuple) else (sides, sides)
    num = None if num is None else arguments.integer("num", num, 1)
    binarize = arguments.boolean("binarize", binarize)
    n = pipeline.split_size(source, split)
    n = n if num is None else min(n, num)
    parts, left = [], n
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(0)  # nothing is drawn, but deterministic mode requires a seed
        batch = max(1, min(n, batching.evaluation_batch(size[0] * size[1] * source.spec.shape[-1])))
        dataset = pipeline.evaluation_dataset(source, split, size, batch, binarize)
        features = tf.data.make_one_shot_iterator(dataset).get_next()
        while left > 0:
            found = session.run(features)
            parts.append((found["image"][:left], found["label"][:left]))
            left -= len(found["label"])
    return Examples(*(np.concatenate(part) for part in zip(*parts)))


def batches(examples: Examples, batch_size: int) -> tf.data.Dataset:
    """One pass in order, in the batches of `pipeline.evaluation_dataset`. The arrays are not stored in the graph."""

    def each():
        for images, labels in zip(*(batching.parts(array, batch_size) for array in examples)):
            yield {"image": images, "label": labels}

    shapes = {"image": (None,) + examples.images.shape[1:], "label": [None]}
    return batching.prefetched(tf.data.Dataset.from_generator(each, {"image": tf.uint8, "label": tf.int32}, shapes), 2)
