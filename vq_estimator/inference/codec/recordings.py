"""Reads recordings from data sets, arrays and sound files for compression. Each is an image with one row of levels.

The codec compresses the 256 mu-law levels at the run's sample rate, which are the model's input, without loss. The
conversion of a sound file to these levels (resampling, mixing to one channel, 8 bits) is lossy.
"""

from typing import Optional, Sequence, Union

import numpy as np

from vq_estimator.config import SpeechConfig, arguments
from vq_estimator.data import audio
from vq_estimator.data import folder as folder_lib
from vq_estimator.data.bad_files import Limit
from vq_estimator.data.numpy_files import load_npy
from vq_estimator.data.speech import SpeechSource
from vq_estimator.errors import VQError
from vq_estimator.inference.codec import images as images_lib
from vq_estimator.inference.codec.container import MAX_PIXELS, Item
from vq_estimator.inference.codec.images import Images
from vq_estimator.inference.speech_inputs import make_unique, speaker_number, speaker_of, voices_of


def of_levels(
    levels: Union[np.ndarray, Sequence[np.ndarray]], m: SpeechConfig, speaker: Optional[str] = None
) -> Images:
    """Makes Images of mu-law levels.

    Args:
      levels: uint8 [N, T], or a list of arrays [T] of different lengths.
      m: the configuration of the run's model.
      speaker: the speaker of all recordings; None: the most likely speaker of each recording.

    Raises:
      VQError: the dtype or the shape of an array is invalid, there is no recording, or the model has no such speaker.
    """
    if isinstance(levels, np.ndarray) and levels.ndim != 2:
        raise VQError(f"input: got {levels.dtype} {list(levels.shape)}, expected uint8 [N, T], or a list of [T]")
    levels = arguments.listed("input", levels, "uint8 [N, T], or a list of [T]")
    for a in levels:
        if not isinstance(a, np.ndarray) or a.dtype != np.uint8 or a.ndim != 1 or not a.size:
            got = f"{a.dtype} {list(a.shape)}" if isinstance(a, np.ndarray) else type(a).__name__
            raise VQError(f"input: got {got}, expected levels uint8 [T] for each recording")
        _check_length(len(a))
    if not len(levels):
        raise VQError("input: got no recording, expected one or more")
    voice = None if speaker is None else speaker_number(m, speaker)

    def read(number):
        return levels[number][np.newaxis, :, np.newaxis]

    items = [Item("", 1, len(a), voice) for a in levels]
    return Images(len(items), None, items, map(read, range(len(items))), read)


from_arrays = of_levels  # the name that `compress` calls for every kind of model


def of_npy(path: str, m: SpeechConfig, speaker: Optional[str] = None) -> Images:
    """Reads a `.npy` of levels uint8 [T] or [N, T]; see `of_levels`.

    Raises:
      VQError: the file can't be read, or the dtype or the shape of its array is invalid.
    """
    try:
        levels = load_npy(path)
    except (OSError, ValueError) as e:
        reason = getattr(e, "strerror", None) or e
        raise VQError(f"input: {path!r} can't be read as an array of levels ({reason})") from None
    return of_levels(levels[np.newaxis] if levels.ndim == 1 else levels, m, speaker)


def of_split(m: SpeechConfig, source: SpeechSource, split: str, speaker: Optional[str] = None) -> Images:
    """Reads the clips of a data set's split, which are trimmed recordings or parts of long ones, with their speakers.

    Args:
      m: the configuration of the run's model.
      source: the data set.
      split: the name of the split.
      speaker: the speaker of all clips; None: the speakers of the data set.
    """
    clips = source.splits[split]
    names = make_unique(clips.names)
    known = voices_of(m, source.speakers)
    common = None if speaker is None else speaker_number(m, speaker)
    voices = [known[number] if common is None else common for number in clips.speakers]
    items = [Item(*item) for item in zip(names, [1] * clips.count, clips.lengths.tolist(), voices)]

    def read(number):
        return clips.clip(number)[np.newaxis, :, np.newaxis]

    return Images(clips.count, None, items, map(read, range(clips.count)), read)


def of_files(
    folder: str, names: Sequence[str], m: SpeechConfig, speaker: Optional[str] = None, max_bad_files: Limit = 0
) -> Images:
    """Reads complete sound files and resamples them to the run's sample rate.

    The speaker of a file is given by a folder in its path that is named like a speaker. Files without such a folder get
    their most likely speaker. Each file is read twice, or three times to determine its speaker.

    Args:
      folder: the folder of the files.
      names: their paths below `folder`, with "/" as separator.
      m: the configuration of the run's model.
      speaker: the speaker of all files, which replaces the speakers of their folders.
      max_bad_files: number of files that may be unreadable.

    Raises:
      VQError: more than `max_bad_files` files or all files can't be read, or the model has no such speaker.
    """

    def read_file(name):
        try:
            sound = audio.read(images_lib.below(folder, name), m.sample_rate)
        except OSError as e:
            raise ValueError(e.strerror or str(e)) from None
        _check_length(len(sound))
        return audio.mu_law(sound)[np.newaxis, :, np.newaxis]

    images = images_lib.of_readable(names, read_file, folder, max_bad_files)
    common = None if speaker is None else speaker_number(m, speaker)
    for i, item in enumerate(images.items):
        images.items[i] = item._replace(speaker=speaker_of(m, folder, item.name) if common is None else common)
    return images


def from_files(folder: str, names: Sequence[str], m: SpeechConfig, max_bad_files: Limit = 0) -> Images:
    """Reads sound files for a model; see `of_files`."""
    return of_files(folder, names, m, None, max_bad_files)


def of_folder(folder: str, m: SpeechConfig, speaker: Optional[str] = None, max_bad_files: Limit = 0) -> Images:
    """Reads all sound files below a folder, in the order of their paths; see `of_files`."""
    return of_files(folder, folder_lib.paths(folder, folder_lib.SOUNDS), m, speaker, max_bad_files)


def _check_length(samples: int) -> None:
    if samples > MAX_PIXELS:
        raise VQError(f"input: got a recording of {samples:,} samples, expected at most {MAX_PIXELS:,}")
