"""Splits in memory, as arrays."""

from typing import Any, List, NamedTuple, Optional, Tuple

import numpy as np

from vq_estimator.config import Config, arguments, opener
from vq_estimator.data import arrays
from vq_estimator.data.arrays import Examples
from vq_estimator.errors import VQError
from vq_estimator.inputs.functions import InputFn, SourceInputFn


def load_examples(input_fn: InputFn, config: Config, num: Optional[int] = None) -> Examples:
    """Reads a split of images into memory, in the order of its files and as the model sees them.

        >>> import vq_estimator as vq
        >>> config = vq.make_config("mnist")
        >>> images, labels = vq.inputs.load_examples(vq.inputs.dataset_input_fn("mnist", "test"), config, num=100)
        >>> images.shape, images.dtype.name, labels.shape
        ((100, 24, 24, 1), 'uint8', (100,))

    Args:
      input_fn: from `dataset_input_fn` or `folder_input_fn`.
      config: from `vq.make_config`, or the attribute `config` of a model that `vq.load` opened.
      num: how many examples; None reads all of them.

    Returns:
      `images` uint8 [N, H, W, C] and `labels` int32 [N], as a named tuple.

    Raises:
      VQError: the input_fn has no split of images, or the files cannot be read.
    """
    source = _source_of(input_fn, config, "images")
    return arrays.load(source, input_fn.split, config.model.image_size, num, config.model.binarize)


class Recordings(NamedTuple):
    """The recordings of a split.

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
      input_fn: from `dataset_input_fn` or `folder_input_fn`.
      config: from `vq.make_config`, or the attribute `config` of a model that `vq.load` opened.
      num: how many recordings; None reads all of them.

    Raises:
      VQError: the input_fn has no split of recordings, or the files cannot be read.
    """
    clips = _source_of(input_fn, config, "speech").splits[input_fn.split]
    n = clips.count if num is None else min(arguments.integer("num", num, 1), clips.count)
    levels = [clips.clip(i) for i in range(n)]
    return Recordings(levels, clips.speakers[:n], clips.labels[:n], clips.names[:n])


def _source_of(input_fn: Any, config: Any, kind: str) -> Any:
    """Returns the source of an input_fn, for a configuration of `kind` (images or speech)."""
    if not isinstance(input_fn, SourceInputFn):
        raise VQError("input_fn: got another function, expected one of dataset_input_fn or folder_input_fn")
    if not isinstance(config, Config):
        raise VQError(f"config: got {type(config).__name__}, expected what vq.make_config gives")
    if opener(config.model).kind != kind:
        raise VQError(f"config: got one of {opener(config.model).kind}, expected one of {kind}")
    return input_fn.locate(config)
