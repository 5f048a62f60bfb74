"""Input functions for the Estimators.

Each function here returns an `input_fn` for `train`, `evaluate`, `predict`, a `TrainSpec` or an `EvalSpec`. It takes
the seed and the first step from the Estimator that calls it, so that a resumed training goes on in the order of the
data in which it stopped. Any `tf.data.Dataset` of {"image": uint8 [B, H, W, C]}, or of that tensor alone, is as good
an input.

    >>> import numpy as np
    >>> import vq_estimator as vq
    >>> input_fn = vq.inputs.numpy_input_fn(np.zeros([100, 8, 8, 1], np.uint8))
"""

import functools
from typing import Any, Callable, List, NamedTuple, Optional, Tuple

import numpy as np
import tensorflow.compat.v1 as tf
from tensorflow import estimator as tf_estimator

from vq_estimator.config import FSDD, SPEECH_DATASETS, Config, arguments, catalogue, opener
from vq_estimator.data import arrays, files, pipeline, sources, speech_sources
from vq_estimator.data import codes as codes_lib
from vq_estimator.data import images as images_lib
from vq_estimator.data.arrays import Examples
from vq_estimator.data.codes import Codes
from vq_estimator.errors import VQError
from vq_estimator.training import distribution, run_folder

__all__ = [
    "codes_input_fn",
    "dataset_input_fn",
    "folder_input_fn",
    "load_examples",
    "load_recordings",
    "numpy_input_fn",
]

FOREIGN = "input_fn"  # the `dataset_source` of a run whose data the package does not know


class _Call(NamedTuple):
    """What an Estimator tells an input_fn."""

    config: Any
    training: bool
    start_step: int
    part: pipeline.Part


class InputFn:
    """An input_fn, and the data that it is of.

    Attributes:
      source: the `dataset_source` of a run that is trained on it.
      class_names, speakers: of the data, () where it has none.
    """

    def __init__(self, dataset: Callable[[_Call], tf.data.Dataset], source: Any = None):
        self._dataset = dataset
        self.source = FOREIGN if source is None else source.name
        self.class_names = () if source is None else source.class_names
        self.speakers = () if source is None else source.speakers

    def __call__(self, params: Any, config: Any, mode: Any, input_context: Any = None) -> tf.data.Dataset:
        own = params.get("config") if isinstance(params, dict) else None
        if own is None:
            raise VQError('params: got no "config", expected params={"config": vq.make_config(...)} of the Estimator')
        training = mode == tf_estimator.ModeKeys.TRAIN
        start, part = 0, pipeline.WHOLE
        if training:
            latest = run_folder.latest_checkpoint(config.model_dir)
            start, part = latest.step if latest else 0, distribution.part_of(input_context, config)
        return self._dataset(_Call(own, training, start, part))


def numpy_input_fn(
    images: np.ndarray,
    labels: Optional[np.ndarray] = None,
    batch_size: Optional[int] = None,
    num_epochs: Optional[int] = None,
    shuffle: bool = True,
) -> InputFn:
    """Batches of an array of images, which stays outside of the graph; a memory map is as good.

        >>> import numpy as np
        >>> import vq_estimator as vq
        >>> images = np.random.randint(0, 256, [100, 8, 8, 1]).astype(np.uint8)
        >>> input_fn = vq.inputs.numpy_input_fn(images, batch_size=32)

    Args:
      images: uint8 [N, H, W, C], of the size and channels of the model; `vq.load(run).prepare` makes other images so.
      labels: integers [N], or None.
      batch_size: images of a batch; in training the configuration's, which None stands for too.
      num_epochs: how often each image occurs; None: without end, which only training takes.
      shuffle: in an order that (seed, step) decide; False: in the order of the array.

    Returns:
      An input_fn of {"image": uint8 [B, H, W, C], "label": int32 [B]}.

    Raises:
      VQError: a value that can't be; in the call of the Estimator a batch size or an image size other than the
        configuration's.
    """
    images = arguments.array("images", images, "uint8", ("N", "H", "W", "C"))
    n = len(images)
    labels = np.zeros(n, np.int32) if labels is None else arguments.array("labels", labels, "integers", (n,))
    labels = labels.astype(np.int32)
    batch_size = None if batch_size is None else arguments.integer("batch_size", batch_size, 1)
    num_epochs = None if num_epochs is None else arguments.integer("num_epochs", num_epochs, 1)
    shuffle = arguments.boolean("shuffle", shuffle)

    def dataset(call: _Call) -> tf.data.Dataset:
        model, train = call.config.model, call.config.train
        if images.shape[1:] != tuple(model.shape):
            want = "[N, {}, {}, {}], as the configuration says".format(*model.shape)
            raise VQError(f"images: got {list(images.shape)}, expected {want}")
        size = _batch_size(batch_size, call)
        epochs = 1 if num_epochs is None and not call.training else num_epochs
        own = pipeline.check_part(call.part, size)

        def rows(numbers):
            return images[numbers], labels[numbers]

        @tf.autograph.experimental.do_not_convert
        def read(numbers, step=0):
            found = tf.numpy_function(rows, [numbers], [tf.uint8, tf.int32])
            found[0].set_shape([numbers.shape[0], *images.shape[1:]])
            found[1].set_shape([numbers.shape[0]])
            pixels = pipeline.binary(found[0]) if model.binarize else found[0]
            flip = train.flip and call.training
            return pipeline.finish_batch(pixels, found[1], step, size, train.seed, flip, call.part)

        @tf.autograph.experimental.do_not_convert
        def read_own(numbers, step):
            return read(numbers[own], step)

        if call.training and shuffle:
            numbered = pipeline.numbered_batches(n, size, train.seed, call.start_step, call.part)
            if epochs is not None:
                numbered = numbered.take(max(epochs * n // size - call.start_step, 0))
            batches = numbered.map(read_own)
        else:
            order = np.random.RandomState(train.seed).permutation(n) if shuffle else np.arange(n)

            def each():
                for start in range(0, n, size):
                    yield order[start : start + size].astype(np.int32)

            numbers = tf.data.Dataset.from_generator(each, tf.int32, [None])
            if call.training:  # whole batches alone, for a part and a mirrored image have a place in one
                numbers = numbers.unbatch().repeat(epochs).batch(size, drop_remainder=True).skip(call.start_step)
                steps = tf.data.Dataset.range(call.start_step, 2**62)
                numbered = tf.data.Dataset.zip((numbers, steps)).shard(call.part.turns, call.part.turn)
                batches = numbered.map(read_own)
            else:
                batches = numbers.repeat(epochs).map(read)
        return call.part.single(batches).prefetch(2)

    return InputFn(dataset)


def _batch_size(given: Optional[int], call: _Call) -> int:
    """The size of a batch; in training the configuration's, since a run's steps depend on it."""
    own = call.config.train.batch_size
    if not call.training:
        return given or pipeline.evaluation_batch(call.config.model.dims)
    if given not in (None, own):
        raise VQError(f"batch_size: got {given}, expected {own}, which the configuration has, or no value")
    return own


def dataset_input_fn(
    dataset: str, split: str = "train", data_dir: str = "datasets", cache_dir: Optional[str] = None, **located: Any
) -> InputFn:
    """A split of a published data set, resized as the configuration says.

        >>> import vq_estimator as vq
        >>> input_fn = vq.inputs.dataset_input_fn("mnist", "train")

    Args:
      dataset: one of config.DATASETS but images and wav, for which there is `folder_input_fn`.
      split: "train", "validation" or "test".
      data_dir: the folder of the data sets; what is missing is downloaded to it.
      cache_dir: for decoded files; None: the user's cache folder.
      **located: see `sources.locate`.

    Raises:
      VQError: there is no such data set or split, or the files are not available.
    """
    dataset = arguments.one_of("dataset", dataset, [*catalogue.DATASETS, FSDD])

    def find(config: Config) -> Any:
        if dataset in SPEECH_DATASETS:
            return speech_sources.locate(
                dataset, data_dir, files.user_cache(cache_dir), config.model.sample_rate, **located
            )
        return sources.locate(dataset, data_dir, files.user_cache(cache_dir), **located)

    return _SourceInputFn(find, split)


def folder_input_fn(
    folder: str, split: str = "train", cache_dir: Optional[str] = None, max_bad_files: int = 100
) -> InputFn:
    """A split of a folder of images or recordings, as `vq-train --dataset=images` and `wav` read it.

        >>> import vq_estimator as vq
        >>> input_fn = vq.inputs.folder_input_fn("photos", "train")

    Args:
      folder: see docs/your_own_images.md and docs/speech_data.md.
      split: "train", "validation" or "test".
      cache_dir: for decoded files; None: the user's cache folder.
      max_bad_files: how many files may be unreadable.

    Raises:
      VQError: the folder has no such files, or its splits are not clear.
    """
    folder = arguments.path("folder", folder)

    def find(config: Config) -> Any:
        if config.dataset in SPEECH_DATASETS:
            return speech_sources.locate(
                "wav", folder, files.user_cache(cache_dir), config.model.sample_rate, max_bad_files, data=config.data
            )
        want = images_lib.Wanted(config.model.shape, max_bad_files, config.data)
        return images_lib.locate(folder, files.user_cache(cache_dir), want)

    return _SourceInputFn(find, split)


class _SourceInputFn(InputFn):
    """An input_fn of a source that is looked for when the configuration is known."""

    def __init__(self, find: Callable[[Config], Any], split: str):
        self._find = functools.lru_cache(maxsize=1)(find)
        self.split = arguments.one_of("split", split, pipeline.SPLITS)
        super().__init__(self._dataset_of)

    def locate(self, config: Config) -> Any:
        """The source, for a configuration."""
        found = self._find(config)
        self.source, self.class_names, self.speakers = found.name, found.class_names, found.speakers
        return found

    def _dataset_of(self, call: _Call) -> tf.data.Dataset:
        source = self.locate(call.config)
        if call.training:
            return source.training_dataset(call.config, call.start_step, call.part)
        return source.evaluation_dataset(call.config, self.split)


def load_examples(input_fn: InputFn, config: Config, num: Optional[int] = None) -> Examples:
    """Reads a split of images into memory, in the order of its files and as the model sees them.

        >>> import vq_estimator as vq
        >>> config = vq.make_config("mnist")
        >>> images, labels = vq.inputs.load_examples(vq.inputs.dataset_input_fn("mnist", "test"), config, num=100)
        >>> images.shape, images.dtype.name, labels.shape
        ((100, 24, 24, 1), 'uint8', (100,))

    Args:
      input_fn: of `dataset_input_fn` or `folder_input_fn`.
      config: of `vq.make_config`, or the attribute `config` of a model that `vq.load` opened.
      num: how many examples; None reads all of them.

    Returns:
      `images` uint8 [N, H, W, C] and `labels` int32 [N], as a named tuple.

    Raises:
      VQError: the input_fn has no split of images, or the files can't be read.
    """
    source = _source_of(input_fn, config, "images")
    return arrays.load(source, input_fn.split, config.model.image_size, num, config.model.binarize)


class Recordings(NamedTuple):
    """Recordings of a split.

    Attributes:
      levels: N arrays uint8 [T] of mu-law levels.
      speakers, labels: int32 [N], the numbers of the speaker and of the class.
      names: of the files.
    """

    levels: List[np.ndarray]
    speakers: np.ndarray
    labels: np.ndarray
    names: Tuple[str, ...]


def load_recordings(input_fn: InputFn, config: Config, num: Optional[int] = None) -> Recordings:
    """Reads a split of recordings into memory, in the order of its files and as the model sees them.

        >>> import os
        >>> import numpy as np
        >>> import soundfile
        >>> import vq_estimator as vq
        >>> for split in ("train", "val", "test"):
        ...     os.makedirs(f"sounds/{split}/theo")
        ...     soundfile.write(f"sounds/{split}/theo/0.wav", np.sin(np.arange(8000) / 10.0), 8000)
        >>> config = vq.make_config("wav", sample_rate=8000)
        >>> recordings = vq.inputs.load_recordings(vq.inputs.folder_input_fn("sounds", "test"), config)
        >>> len(recordings.levels), recordings.levels[0].dtype.name
        (1, 'uint8')

    Args:
      input_fn: of `dataset_input_fn` or `folder_input_fn`.
      config: of `vq.make_config`, or the attribute `config` of a model that `vq.load` opened.
      num: how many recordings; None reads all of them.

    Raises:
      VQError: the input_fn has no split of recordings, or the files can't be read.
    """
    clips = _source_of(input_fn, config, "speech").splits[input_fn.split]
    n = clips.count if num is None else min(arguments.integer("num", num, 1), clips.count)
    levels = [clips.clip(i) for i in range(n)]
    return Recordings(levels, clips.speakers[:n], clips.labels[:n], clips.names[:n])


def _source_of(input_fn: Any, config: Any, kind: str) -> Any:
    """The source of an input_fn for image and speech models."""
    if not isinstance(input_fn, _SourceInputFn):
        raise VQError("input_fn: got another function, expected one of dataset_input_fn or folder_input_fn")
    if not isinstance(config, Config):
        raise VQError(f"config: got {type(config).__name__}, expected what vq.make_config gives")
    if opener(config.model).kind != kind:
        raise VQError(f"config: got one of {opener(config.model).kind}, expected one of {kind}")
    return input_fn.locate(config)


def codes_input_fn(codes: np.ndarray, labels: Optional[np.ndarray] = None) -> InputFn:
    """Codes for a `PriorEstimator`: shuffled without end in training, once in order otherwise.

        >>> import numpy as np
        >>> import vq_estimator as vq
        >>> with vq.load("mnist") as model:
        ...     codes = model.encode(np.zeros([32, 24, 24, 1], np.uint8))
        >>> input_fn = vq.inputs.codes_input_fn(codes)

    Args:
      codes: integers [N, h, w, L], as `encode` gives them.
      labels: integers [N], the classes, where the prior has some.

    Raises:
      VQError: no such codes; in the call of the Estimator codes of another grid, or too large.
    """
    codes = arguments.array("codes", codes, "integers", ("N", "h", "w", "L"))
    labels = np.zeros(len(codes), np.int32) if labels is None else labels
    labels = arguments.array("labels", labels, "integers", (len(codes),)).astype(np.int32)

    def dataset(call: _Call) -> tf.data.Dataset:
        of, train = call.config.codes, call.config.train
        checked = Codes(arguments.codes("codes", codes, ("N", *of.grid), of.K), labels)
        if of.classes and (labels.min() < 0 or labels.max() >= of.classes):
            raise VQError(f"labels: got {labels.min()} to {labels.max()}, expected classes 0 to {of.classes - 1}")
        if call.training:
            return codes_lib.training_dataset(checked, train.batch_size, train.seed, call.start_step)
        return codes_lib.evaluation_dataset(checked, train.batch_size)

    return InputFn(dataset)
