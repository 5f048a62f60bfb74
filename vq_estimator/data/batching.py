"""The order of training data, batch sizes, and the part of a batch that each process reads.

The order of training is a function of the seed and the step alone: example `p` of the endless stream belongs to epoch
`p // n`, and each epoch is a permutation drawn from (seed, epoch). A run resumed at step s starts the stream at
`s * batch_size` and sees what an uninterrupted run would have seen.

Functions of datasets are marked `do_not_convert`: they have no Python control flow over tensors, and AutoGraph takes up
to a second of every command to find that out.
"""

from typing import Any, Dict, Iterator, NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from vq_estimator.errors import VQError

EVALUATION_BATCH, OF_DIMS = 500, 32 * 32 * 3


def evaluation_batch(dims: int) -> int:
    """Returns how many images of `dims` dimensions are evaluated at once; memory limits it for large images."""
    return max(1, min(EVALUATION_BATCH, EVALUATION_BATCH * OF_DIMS // dims))


def parts(array: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Yields an array in parts of `size`; the last one may be shorter."""
    return (array[start : start + size] for start in range(0, len(array), size))


def elements(session: tf.Session, tensors: Any) -> Iterator[Any]:
    """Yields the values of a dataset's next element, `tensors`, until its end."""
    step = session.make_callable(tensors)
    while True:
        try:
            values = step()
        except tf.errors.OutOfRangeError:
            return
        yield values


@tf.autograph.experimental.do_not_convert
def as_features(image, label):
    return {"image": image, "label": label}


def numbers_of_batches(n: int, batch_size: int, seed: int, start_step: int) -> tf.data.Dataset:
    """Returns the endless stream of example numbers in batches int32 [batch_size], from `start_step` on.

    All batches that begin in an epoch are made at once, because an element of tf.data per example costs more than the
    example's pixels.
    """
    B = batch_size

    def permutation(e):
        noise = tf.random.stateless_uniform([n], seed=tf.stack([tf.constant(seed, tf.int64), e]))
        return tf.argsort(noise, stable=True)

    @tf.autograph.experimental.do_not_convert
    def epoch(e):
        first, end = (e * n + B - 1) // B, ((e + 1) * n + B - 1) // B  # the batches that begin in the epoch
        stream = tf.concat(
            [permutation(e + i) for i in range(1 + -(-B // n))], 0
        )  # the last batch reaches into the next epoch
        begin = first * B - e * n
        return tf.data.Dataset.from_tensor_slices(tf.reshape(stream[begin : begin + (end - first) * B], [-1, B]))

    at = start_step * B // n
    return tf.data.Dataset.range(at, 2**62).flat_map(epoch).skip(start_step - -(-at * n // B))


class Part(NamedTuple):
    """The part of the training data that one process reads.

    Attributes:
      parts: number of equal parts of each batch, one per replica.
      first, taken: this process reads `taken` consecutive parts, from part `first` on.
      turns, turn: an asynchronous worker reads every `turns`-th batch, from batch `turn` on.
    """

    parts: int = 1
    first: int = 0
    taken: int = 1
    turns: int = 1
    turn: int = 0

    def divided(self, features: Dict[str, tf.Tensor]) -> Dict[str, tf.Tensor]:
        """Returns the features of this process's parts; with several parts, these are a new first axis."""
        if self.taken == 1:
            return features

        def apart(x):
            shape = x.shape.as_list()
            return tf.reshape(x, [self.taken, shape[0] // self.taken, *shape[1:]])

        return {name: apart(x) for name, x in features.items()}

    def single(self, dataset: tf.data.Dataset) -> tf.data.Dataset:
        """Returns a dataset of the single parts of the elements, which `divided` made."""
        return dataset.apply(tf.data.experimental.unbatch()) if self.taken > 1 else dataset


WHOLE = Part()


def check_part(part: Part, batch_size: int) -> slice:
    """Returns the rows of a batch that a process reads.

    Raises:
      VQError: the batch cannot be divided into that number of parts.
    """
    if batch_size % part.parts:
        raise VQError(
            f"batch_size: got {batch_size}, expected a multiple of the {part.parts} replicas that share a step"
        )
    size = batch_size // part.parts
    return slice(part.first * size, (part.first + part.taken) * size)


def numbered_batches(n: int, batch_size: int, seed: int, start_step: int, part: Part) -> tf.data.Dataset:
    """Returns this process's batches as (example numbers int32 [batch_size], step), from `start_step` on."""
    numbers = numbers_of_batches(n, batch_size, seed, start_step)
    return tf.data.Dataset.zip((numbers, tf.data.Dataset.range(start_step, 2**62))).shard(part.turns, part.turn)


def finish_batch(
    images: tf.Tensor, labels: tf.Tensor, step: tf.Tensor, batch_size: int, seed: int, flip: bool, part: Part
) -> Dict[str, tf.Tensor]:
    """Returns a process's part of a batch as features; `flip` mirrors each image with probability 1/2."""
    if flip:
        draw = tf.random.stateless_uniform([batch_size], seed=tf.stack([tf.constant(~seed, tf.int64), step]))
        images = tf.where(draw[check_part(part, batch_size)] < 0.5, images, tf.reverse(images, [2]))
    return part.divided(as_features(images, labels))


def prefetched(dataset: tf.data.Dataset, batches: int) -> tf.data.Dataset:
    """Computes this number of batches ahead, in the background.

    Automatic tuning is off. Nothing in the package's datasets is left to it, and its thread sleeps for up to a minute,
    for which the end of a session, and so of an interrupted training, would wait.
    """
    options = tf.data.Options()
    if hasattr(options, "autotune"):
        options.autotune.enabled = False
    else:  # TensorFlow 1.15
        options.experimental_optimization.autotune = False
    return dataset.prefetch(batches).with_options(options)
