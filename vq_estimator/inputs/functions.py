"""The input functions, and the data that each one is of."""

import functools
from typing import Any, Callable, NamedTuple, Optional, Tuple

import numpy as np
import tensorflow.compat.v1 as tf
from tensorflow import estimator as tf_estimator

from vq_estimator.config import FSDD, SPEECH_DATASETS, SPLITS, Config, arguments, catalogue
from vq_estimator.data import batching, files, sources, speech_sources
from vq_estimator.data import codes as codes_lib
from vq_estimator.data import images as images_lib
from vq_estimator.data.array_source import ArraySource
from vq_estimator.data.codes import Codes
from vq_estimator.errors import VQError
from vq_estimator.training import checkpoints, distribution

FOREIGN = "input_fn"  # the `dataset_source` of a run whose data is unknown to the package


class _Call(NamedTuple):
    """The arguments of an input_fn that an Estimator calls."""

    config: Any
    training: bool
    start_step: int
    part: batching.Part


class InputFn:
    """An input_fn, with the names of its data.

    Attributes:
      source: the `dataset_source` of a run that is trained on it.
      class_names, speakers: the names of classes and speakers, or ().
    """

    source: str = FOREIGN
    class_names: Tuple[str, ...] = ()
    speakers: Tuple[str, ...] = ()

    def __init__(self, dataset: Callable[[_Call], tf.data.Dataset]):
        self._dataset = dataset

    def __call__(self, params: Any, config: Any, mode: Any, input_context: Any = None) -> tf.data.Dataset:
        own = params.get("config") if isinstance(params, dict) else None
        if own is None:
            raise VQError('params: got no "config", expected params={"config": vq.make_config(...)} of the Estimator')
        training = mode == tf_estimator.ModeKeys.TRAIN
        start, part = 0, batching.WHOLE
        if training:
            latest = checkpoints.latest_checkpoint(config.model_dir)
            start, part = latest.step if latest else 0, distribution.part_of(input_context, config)
        return self._dataset(_Call(own, training, start, part))


def numpy_input_fn(
    images: np.ndarray,
    labels: Optional[np.ndarray] = None,
    batch_size: Optional[int] = None,
    num_epochs: Optional[int] = None,
    shuffle: bool = True,
) -> InputFn:
    """Returns an input_fn of an array or a memory map of images, which stays outside of the graph.

        >>> import numpy as np
        >>> import vq_estimator as vq
        >>> images = np.random.randint(0, 256, [100, 8, 8, 1]).astype(np.uint8)
        >>> input_fn = vq.inputs.numpy_input_fn(images, batch_size=32)

    Args:
      images: uint8 [N, H, W, C], of the model's size and channels; `vq.load(run).prepare` converts other images.
      labels: integers [N], or None.
      batch_size: images per batch; None, and always in training, takes the configuration's.
      num_epochs: how often each image occurs; None is endless in training and once otherwise.
      shuffle: whether (seed, step) decide the order; otherwise it is the order of the array.

    Returns:
      An input_fn of {"image": uint8 [B, H, W, C], "label": int32 [B]}.

    Raises:
      VQError: an invalid value; when the Estimator calls the input_fn, a batch size or an image size other than the
        configuration's.
    """
    images = arguments.array("images", images, "uint8", ("N", "H", "W", "C"))
    n = len(images)
    labels = np.zeros(n, np.int32) if labels is None else arguments.array("labels", labels, "integers", (n,))
    labels = labels.astype(np.int32)
    batch_size = None if batch_size is None else arguments.integer("batch_size", batch_size, 1)
    num_epochs = None if num_epochs is None else arguments.integer("num_epochs", num_epochs, 1)
    shuffle = arguments.boolean("shuffle", shuffle)

    source = ArraySource(images, labels, num_epochs, shuffle)

    def dataset(call: _Call) -> tf.data.Dataset:
        own = call.config.train.batch_size
        if not call.training:
            return source.evaluation_dataset(call.config, "", batch_size)
        if batch_size not in (None, own):  # the order of training depends on it
            raise VQError(f"batch_size: got {batch_size}, expected {own}, which the configuration has, or no value")
        return source.training_dataset(call.config, call.start_step, call.part)

    return InputFn(dataset)


def dataset_input_fn(
    dataset: str, split: str = "train", data_dir: str = "datasets", cache_dir: Optional[str] = None, **located: Any
) -> InputFn:
    """Returns an input_fn of a split of a published data set, resized as the configuration says.

        >>> import vq_estimator as vq
        >>> input_fn = vq.inputs.dataset_input_fn("mnist", "train")

    Args:
      dataset: "mnist", "fashion_mnist", "cifar10" or another name in `config.catalogue.DATASETS`; or "fsdd".
      split: "train", "validation" or "test".
      data_dir: the folder of the data sets, to which missing files are downloaded.
      cache_dir: the folder for decoded files; None: the user's cache folder.
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

    return SourceInputFn(find, split)


def folder_input_fn(
    folder: str, split: str = "train", cache_dir: Optional[str] = None, max_bad_files: int = 100
) -> InputFn:
    """Returns an input_fn of a folder of images or recordings, which `vq-train --dataset=images` or `wav` would read.

        >>> import vq_estimator as vq
        >>> input_fn = vq.inputs.folder_input_fn("photos", "train")

    Args:
      folder: see docs/your_own_images.md and docs/speech_data.md.
      split: "train", "validation" or "test".
      cache_dir: the folder for decoded files; None: the user's cache folder.
      max_bad_files: number of unreadable files that are skipped; more are an error.

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

    return SourceInputFn(find, split)


class SourceInputFn(InputFn):
    """An input_fn of a source that is located when the configuration is known."""

    def __init__(self, find: Callable[[Config], Any], split: str):
        self._find = functools.lru_cache(maxsize=1)(find)
        self.split = arguments.one_of("split", split, SPLITS)
        super().__init__(self._dataset_of)

    def locate(self, config: Config) -> Any:
        """Returns the source for a configuration."""
        found = self._find(config)
        self.source, self.class_names, self.speakers = found.name, found.class_names, found.speakers
        return found

    def _dataset_of(self, call: _Call) -> tf.data.Dataset:
        source = self.locate(call.config)
        if call.training:
            return source.training_dataset(call.config, call.start_step, call.part)
        return source.evaluation_dataset(call.config, self.split)


def codes_input_fn(codes: np.ndarray, labels: Optional[np.ndarray] = None) -> InputFn:
    """Returns an input_fn of codes for a `PriorEstimator`: endless and shuffled in training, once in order otherwise.

        >>> import numpy as np
        >>> import vq_estimator as vq
        >>> with vq.load("mnist") as model:
        ...     codes = model.encode(np.zeros([32, 24, 24, 1], np.uint8))
        >>> input_fn = vq.inputs.codes_input_fn(codes)

    Args:
      codes: integers [N, h, w, L], from `encode`.
      labels: integers [N], the classes, for a class-conditional prior.

    Raises:
      VQError: an invalid array; when the Estimator calls the input_fn, codes of another grid or range.
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
