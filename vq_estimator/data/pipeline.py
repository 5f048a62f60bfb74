"""tf.data of uint8 images, read from files inside the graph; no data in the GraphDef.

The order of training is a function of the seed and the step alone: example `p` of the endless stream belongs to epoch
`p // n`, and each epoch is a permutation drawn from (seed, epoch). A run resumed at step s starts the stream at
`s * batch_size` and sees what an uninterrupted run would have seen.

Functions of datasets are marked `do_not_convert`: they have no Python control flow over tensors, and AutoGraph takes up
to a second of every command to find that out.
"""

import functools
from typing import Any, Dict, Iterator, NamedTuple, Optional, Tuple, cast

import numpy as np
import tensorflow.compat.v1 as tf

from vq_estimator.config import Config, ModelConfig
from vq_estimator.config.catalogue import DatasetSpec
from vq_estimator.data import records
from vq_estimator.errors import VQError

SPLITS = ("train", "validation", "test")
DECODE_BATCH = 500
EVALUATION_BATCH, OF_DIMS = 500, 32 * 32 * 3
Size = Tuple[int, int]  # height and width of an image
READ_BATCHES, READ_BYTES = 16, 2**22  # batches that are read from a file at once, and bytes of these


class Source(NamedTuple):
    """A data set whose files are known to be good.

    Attributes:
      spec: what the data set is; `spec.name` is the run's `dataset_source`.
      paths: its files, in the order of `spec.files`; in the layout "tfrecord" for train, validation and test a
        tuple of them each.
      in_memory: whether training holds the training split there; otherwise, in that layout, it reads each batch.
    """

    spec: DatasetSpec
    paths: Tuple[Any, ...]
    in_memory: bool = True

    # What the rest of the code asks of any source of data; SpeechSource has the same.

    @property
    def name(self) -> str:
        """The run's `dataset_source`."""
        return self.spec.name

    @property
    def class_names(self) -> Tuple[str, ...]:
        return self.spec.class_names

    @property
    def classes(self) -> int:
        return self.spec.classes

    @property
    def speakers(self) -> Tuple[str, ...]:
        """Images have none."""
        return ()

    def count(self, split: str) -> int:
        """The number of examples in a split."""
        return split_size(self, split)

    def training_dataset(self, config: Config, start_step: int, part: "Part") -> tf.data.Dataset:
        """`training_dataset` for a run."""
        m, train = cast(ModelConfig, config.model), config.train
        order = (train.batch_size, train.seed, start_step, m.binarize, train.flip)
        return training_dataset(self, m.size, *order, part)

    def evaluation_dataset(self, config: Config, split: str, batch_size: Optional[int] = None) -> tf.data.Dataset:
        """`evaluation_dataset` for a run; `batch_size` None: as many images as memory is had for."""
        m = cast(ModelConfig, config.model)
        size = evaluation_batch(m.dims) if batch_size is None else batch_size
        return evaluation_dataset(self, split, m.size, size, m.binarize)


def split_size(source: Source, split: str) -> int:
    """Examples in a split; validation is the last part of the published training half."""
    spec = source.spec
    return {"train": spec.train - spec.validation, "validation": spec.validation, "test": spec.test}[split]


def evaluation_batch(dims: int) -> int:
    """Images of `dims` numbers that are evaluated at once; of large ones fewer, or memory would not do."""
    return max(1, min(EVALUATION_BATCH, EVALUATION_BATCH * OF_DIMS // dims))


def parts(array: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """An array in parts of `size`, of which the last may be shorter."""
    return (array[start : start + size] for start in range(0, len(array), size))


def _records(source: Source, split: str) -> tf.data.Dataset:
    """Dataset of batches (image uint8 [n, H, W, C], label int32 [n]), in the order of the files."""
    spec = source.spec
    if spec.layout == "tfrecord":
        return records.in_order(source.paths[SPLITS.index(split)], spec.shape)
    height, width, channels = spec.shape
    pixels = height * width * channels
    test = split == "test"

    @tf.autograph.experimental.do_not_convert
    def image_and_label(record):
        return tf.strings.substr(record, 1, pixels), tf.strings.substr(record, 0, 1)

    if spec.layout == "idx":
        images, labels = source.paths[2:] if test else source.paths[:2]
        dataset = tf.data.Dataset.zip((_idx(images, pixels, 16), _idx(labels, 1, 8)))
    else:
        files = list(source.paths[-1:] if test else source.paths[:-1])
        dataset = tf.data.FixedLengthRecordDataset(files, 1 + pixels).map(image_and_label)
    if not test:
        train = spec.train - spec.validation
        dataset = dataset.take(train) if split == "train" else dataset.skip(train)

    @tf.autograph.experimental.do_not_convert
    def decode(image, label):
        image = tf.decode_raw(image, tf.uint8)  # [n, pixels]
        if spec.layout == "cifar":  # planes to pixels
            image = tf.transpose(tf.reshape(image, [-1, channels, height, width]), [0, 2, 3, 1])
        image = tf.reshape(image, [-1, height, width, channels])
        return image, tf.cast(tf.reshape(tf.decode_raw(label, tf.uint8), [-1]), tf.int32)

    return dataset.batch(DECODE_BATCH).map(decode, num_parallel_calls=2)


def _idx(path: str, size: int, header: int) -> tf.data.Dataset:
    """The elements of an IDX file, gzipped or not, as strings of `size` bytes."""
    kind = "GZIP" if path.endswith(".gz") else ""
    return tf.data.FixedLengthRecordDataset(path, size, header_bytes=header, compression_type=kind)


def resize(images: tf.Tensor, size: Size) -> tf.Tensor:
    """Bilinear as tf-vqvae, in TF1's convention (pixel centres at integers); [B, H, W, C] to float32."""
    return tf.image.resize_bilinear(tf.cast(images, tf.float32), list(size), align_corners=False)


def fit(images: tf.Tensor, size: Size, binarize: bool = False) -> tf.Tensor:
    """Images uint8 [B, H, W, C] as a model sees them, uint8 [B, *size, C].

    Resized ones are rounded to uint8, so that a likelihood over 256 values means something. `binarize` makes levels
    from 128 on 255 and the others 0.
    """
    _, height, width, channels = images.shape.as_list()
    if (height, width) != tuple(size):
        images = tf.cast(tf.round(resize(images, size)), tf.uint8)
    if binarize:
        images = binary(images)
    images.set_shape([None, *size, channels])
    return images


def examples(source: Source, split: str, size: Size, binarize: bool = False) -> tf.data.Dataset:
    """Dataset of single (image uint8 [H, W, C], label int32 []), made to `fit`, in the order of the files."""
    height, width, channels = source.spec.shape

    @tf.autograph.experimental.do_not_convert
    def fit_images(images, labels):
        images.set_shape([None, height, width, channels])
        return fit(images, size, binarize), labels

    batches = _records(source, split).map(fit_images, num_parallel_calls=2)
    return batches.apply(tf.data.experimental.unbatch())


def binary(images: tf.Tensor) -> tf.Tensor:
    """Levels from 128 on as 255, the others as 0."""
    return tf.cast(images >= 128, tf.uint8) * tf.constant(255, tf.uint8)


@tf.autograph.experimental.do_not_convert
def _features(image, label):
    return {"image": image, "label": label}


def evaluation_dataset(
    source: Source, split: str, size: Size, batch_size: int, binarize: bool = False
) -> tf.data.Dataset:
    """One pass in order, in batches of {"image": uint8 [B, H, W, C], "label": int32 [B]}; the last may be smaller."""
    return examples(source, split, size, binarize).batch(batch_size).map(_features).prefetch(2)


def numbers_of_batches(n: int, batch_size: int, seed: int, start_step: int) -> tf.data.Dataset:
    """The endless stream of example numbers in batches int32 [batch_size], from that of `start_step` on.

    An epoch's batches are made at once, those that begin in it: one element of tf.data for each example costs more
    than its pixels.
    """
    B = batch_size

    def permutation(e):
        noise = tf.random.stateless_uniform([n], seed=tf.stack([tf.constant(seed, tf.int64), e]))
        return tf.argsort(noise, stable=True)

    @tf.autograph.experimental.do_not_convert
    def epoch(e):
        first, end = (e * n + B - 1) // B, ((e + 1) * n + B - 1) // B  # the batches that begin in the epoch
        stream = tf.concat([permutation(e + i) for i in range(1 + -(-B // n))], 0)  # of which the last reaches further
        begin = first * B - e * n
        return tf.data.Dataset.from_tensor_slices(tf.reshape(stream[begin : begin + (end - first) * B], [-1, B]))

    at = start_step * B // n
    return tf.data.Dataset.range(at, 2**62).flat_map(epoch).skip(start_step - -(-at * n // B))


class Part(NamedTuple):
    """What of the training data one process reads.

    Attributes:
      parts: equal parts of each batch, one for a replica.
      first, taken: the parts that this process reads, one after the other: from `first` on, `taken` of them.
      turns, turn: of asynchronous workers: each reads every `turns`-th batch, from batch `turn` on.
    """

    parts: int = 1
    first: int = 0
    taken: int = 1
    turns: int = 1
    turn: int = 0

    def divided(self, features: Dict[str, tf.Tensor]) -> Dict[str, tf.Tensor]:
        """The features of this process's parts, each with the parts as its first axis where there are several."""
        if self.taken == 1:
            return features

        def apart(x):
            shape = x.shape.as_list()
            return tf.reshape(x, [self.taken, shape[0] // self.taken, *shape[1:]])

        return {name: apart(x) for name, x in features.items()}

    def single(self, dataset: tf.data.Dataset) -> tf.data.Dataset:
        """A dataset of what `divided` gave, one part after the other."""
        return dataset.apply(tf.data.experimental.unbatch()) if self.taken > 1 else dataset


WHOLE = Part()


def check_part(part: Part, batch_size: int) -> slice:
    """What of a batch a process reads.

    Raises:
      VQError: the batch can't be divided into so many parts.
    """
    if batch_size % part.parts:
        raise VQError(
            f"batch_size: got {batch_size}, expected a multiple of the {part.parts} replicas that share a step"
        )
    size = batch_size // part.parts
    return slice(part.first * size, (part.first + part.taken) * size)


def numbered_batches(n: int, batch_size: int, seed: int, start_step: int, part: Part) -> tf.data.Dataset:
    """(numbers of a batch's examples int32 [batch_size], step), from `start_step` on; of turns this process's alone."""
    numbers = numbers_of_batches(n, batch_size, seed, start_step)
    return tf.data.Dataset.zip((numbers, tf.data.Dataset.range(start_step, 2**62))).shard(part.turns, part.turn)


def finish_batch(
    images: tf.Tensor, labels: tf.Tensor, step: tf.Tensor, batch_size: int, seed: int, flip: bool, part: Part
) -> Dict[str, tf.Tensor]:
    """A process's part of a batch as features, with each image mirrored with probability 1/2 under `flip`."""
    if flip:
        draw = tf.random.stateless_uniform([batch_size], seed=tf.stack([tf.constant(~seed, tf.int64), step]))
        images = tf.where(draw[check_part(part, batch_size)] < 0.5, images, tf.reverse(images, [2]))
    return part.divided(_features(images, labels))


def training_dataset(
    source: Source,
    size: Size,
    batch_size: int,
    seed: int,
    start_step: int = 0,
    binarize: bool = False,
    flip: bool = False,
    part: Part = WHOLE,
) -> tf.data.Dataset:
    """Endless shuffled batches of {"image": uint8 [B, H, W, C], "label": int32 [B]} from `start_step` on.

    The split is decoded once and kept in memory as one tensor, of which a batch is some rows; or the batch is read from
    the file (`source.in_memory`): its examples are the same. `flip` mirrors each image left to right with probability
    1/2, as (seed, step) decide. With a `part` the elements are parts of batches, B / parts examples each; together they
    are the batches of an undivided dataset.

    Raises:
      VQError: a batch can't be divided into so many parts.
    """
    n, own = split_size(source, "train"), check_part(part, batch_size)
    batches = numbered_batches(n, batch_size, seed, start_step, part)
    finish = tf.autograph.experimental.do_not_convert(
        functools.partial(finish_batch, batch_size=batch_size, seed=seed, flip=flip, part=part)
    )

    @tf.autograph.experimental.do_not_convert
    def gather(batch, whole: Tuple[tf.Tensor, tf.Tensor]):
        numbers, step = batch
        images, labels = (tf.gather(table, numbers[own]) for table in whole)
        return finish(images, labels, step)

    @tf.autograph.experimental.do_not_convert
    def read(numbers, steps):
        images, labels = file.tensors(numbers[:, own])
        return binary(images) if binarize else images, labels, steps

    if source.in_memory:
        whole = examples(source, "train", size, binarize).batch(n).cache().repeat()
        dataset = tf.data.Dataset.zip((batches, whole)).map(gather)
    else:
        file = records.RandomAccess(source.paths[SPLITS.index("train")], source.spec.shape)
        at_once = max(1, min(READ_BATCHES, READ_BYTES // (batch_size * records.record_bytes(source.spec.shape))))
        several = batches.batch(at_once, drop_remainder=True).map(read)
        dataset = several.apply(tf.data.experimental.unbatch()).map(finish)
    return part.single(dataset).prefetch(4)
