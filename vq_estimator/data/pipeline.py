"""tf.data of uint8 images, read from files inside the graph; no data in the GraphDef."""

import functools
from typing import Any, NamedTuple, Optional, Tuple, cast

import tensorflow.compat.v1 as tf

from vq_estimator.config import SPLITS, Config, ModelConfig
from vq_estimator.config.catalogue import DatasetSpec
from vq_estimator.data import records
from vq_estimator.data.batching import (
    WHOLE,
    Part,
    as_features,
    check_part,
    evaluation_batch,
    finish_batch,
    numbered_batches,
    prefetched,
)

DECODE_BATCH = 500
Size = Tuple[int, int]  # height and width of an image
READ_BATCHES, READ_BYTES = 16, 2**22  # limits of what is read from a file at once


class Source(NamedTuple):
    """A data set whose files have been checked.

    Attributes:
      spec: the data set; `spec.name` is the run's `dataset_source`.
      paths: its files, in the order of `spec.files`; in the layout "tfrecord" a tuple of files for each split.
      in_memory: whether training keeps the training split in memory; otherwise, in that layout, it reads each batch.
    """

    spec: DatasetSpec
    paths: Tuple[Any, ...]
    in_memory: bool = True

    # The interface of every source of data; SpeechSource and ArraySource have it too.

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
        """Returns (), since images have no speakers."""
        return ()

    def count(self, split: str) -> int:
        """The number of examples in a split."""
        return split_size(self, split)

    def training_dataset(self, config: Config, start_step: int, part: Part) -> tf.data.Dataset:
        """Returns the `training_dataset` of a run."""
        m, train = cast(ModelConfig, config.model), config.train
        order = (train.batch_size, train.seed, start_step, m.binarize, train.flip)
        return training_dataset(self, m.size, *order, part)

    def evaluation_dataset(self, config: Config, split: str, batch_size: Optional[int] = None) -> tf.data.Dataset:
        """Returns the `evaluation_dataset` of a run; `batch_size` None takes as many images as fit in memory."""
        m = cast(ModelConfig, config.model)
        size = evaluation_batch(m.dims) if batch_size is None else batch_size
        return evaluation_dataset(self, split, m.size, size, m.binarize)


def split_size(source: Source, split: str) -> int:
    """Returns the number of examples in a split; validation is the end of the published training split."""
    spec = source.spec
    return {"train": spec.train - spec.validation, "validation": spec.validation, "test": spec.test}[split]


def _records(source: Source, split: str) -> tf.data.Dataset:
    """Returns batches (images uint8 [n, H, W, C], labels int32 [n]) in the order of the files."""
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
    """Returns the elements of an IDX file, gzipped or not, as strings of `size` bytes."""
    kind = "GZIP" if path.endswith(".gz") else ""
    return tf.data.FixedLengthRecordDataset(path, size, header_bytes=header, compression_type=kind)


def resize(images: tf.Tensor, size: Size) -> tf.Tensor:
    """Resizes [B, H, W, C] to float32, bilinearly as tf-vqvae does, with TF1's pixel centres at integers."""
    return tf.image.resize_bilinear(tf.cast(images, tf.float32), list(size), align_corners=False)


def fit(images: tf.Tensor, size: Size, binarize: bool = False) -> tf.Tensor:
    """Converts images uint8 [B, H, W, C] to what a model sees, uint8 [B, *size, C].

    Resized images are rounded to uint8, because the likelihoods are over 256 values. `binarize` sets levels from 128 on
    to 255 and the others to 0.
    """
    _, height, width, channels = images.shape.as_list()
    if (height, width) != tuple(size):
        images = tf.cast(tf.round(resize(images, size)), tf.uint8)
    if binarize:
        images = binary(images)
    images.set_shape([None, *size, channels])
    return images


def examples(source: Source, split: str, size: Size, binarize: bool = False) -> tf.data.Dataset:
    """Returns single examples (image uint8 [H, W, C], label int32 []), by `fit`, in the order of the files."""
    height, width, channels = source.spec.shape

    @tf.autograph.experimental.do_not_convert
    def fit_images(images, labels):
        images.set_shape([None, height, width, channels])
        return fit(images, size, binarize), labels

    batches = _records(source, split).map(fit_images, num_parallel_calls=2)
    return batches.apply(tf.data.experimental.unbatch())


def binary(images: tf.Tensor) -> tf.Tensor:
    """Sets levels from 128 on to 255, the others to 0."""
    return tf.cast(images >= 128, tf.uint8) * tf.constant(255, tf.uint8)


def evaluation_dataset(
    source: Source, split: str, size: Size, batch_size: int, binarize: bool = False
) -> tf.data.Dataset:
    """Returns one pass in order, in batches of {"image": uint8 [B, H, W, C], "label": int32 [B]}."""
    return prefetched(examples(source, split, size, binarize).batch(batch_size).map(as_features), 2)


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
    """Returns endless shuffled batches of {"image": uint8 [B, H, W, C], "label": int32 [B]}, from `start_step` on.

    If `source.in_memory`, the split is decoded once to a tensor and a batch is a gather of its rows; otherwise each
    batch is read from the file. The batches are the same. `flip` mirrors each image with probability 1/2, which (seed,
    step) decide. With a `part` the elements are parts of batches of B / parts examples.

    Raises:
      VQError: a batch cannot be divided into that number of parts.
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
    return prefetched(part.single(dataset), 4)
