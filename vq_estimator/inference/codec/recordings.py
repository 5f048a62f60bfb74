"""Where the recordings of a file come from: data sets, levels, sound files. Each is an image of one row of levels.

The codec is lossless from the levels on: 256 mu-law levels at the run's sample rate, as the model sees them. What a
file's samples lose on the way to them (its rate, its channels, all but 8 bits) is lost before.
"""

from typing import Optional, Sequence, Union

import numpy as np

from vq_estimator.config import SpeechConfig, arguments
from vq_estimator.data import audio
from vq_estimator.data import folder as folder_lib
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
    """Mu-law levels uint8 [N, T], or a list of [T] of different lengths.

    Args:
      levels: of each recording.
      m: the run's model.
      speaker: whose voice all are; None: of each the one in which it is likeliest.

    Raises:
      VQError: one is no such array, or there is no such voice.
    """
    if isinstance(levels, np.ndarray) and levels.ndim != 2:
        raise VQError(f"input: got {levels.dtype} {list(levels.shape)}, expected uint8 [N, T], or a list of [T]")
    levels = arguments.listed("input", levels, "uint8 [N, T], or a list of [T]")
    for a in levels:
        if not isinstance(a, np.ndarray) or a.dtype != np.uint8 or a.ndim != 1 or not a.size:
            got = f"{a.dtype} {list(a.shape)}" if isinstance(a, np.ndarray) else type(a).__name__
            raise VQError(f"input: got {got}, expected levels uint8 [T] of each recording")
        _check_length(len(a))
    if not len(levels):
        raise VQError("input: got no recording, expected one or more")
    voice = None if speaker is None else speaker_number(m, speaker)

    def read(number):
        return levels[number][np.newaxis, :, np.newaxis]

    items = [Item("", 1, len(a), voice) for a in levels]
    return Images(len(items), None, items, map(read, range(len(items))), read)


from_arrays = of_levels  # by the name that `compress` calls it for any kind


def of_npy(path: str, m: SpeechConfig, speaker: Optional[str] = None) -> Images:
    """A `.npy` of levels uint8 [T] or [N, T]; see `of_levels`.

    Raises:
      VQError: it can't be read, or is no such array.
    """
    try:
        levels = load_npy(path)
    except (OSError, ValueError) as e:
        reason = getattr(e, "strerror", None) or e
        raise VQError(f"input: {path!r} can't be read as an array of levels ({reason})") from None
    return of_levels(levels[np.newaxis] if levels.ndim == 1 else levels, m, speaker)


def of_split(m: SpeechConfig, source: SpeechSource, split: str, speaker: Optional[str] = None) -> Images:
    """A split of a data set, as the model sees it: trimmed, a long recording in several clips, the speakers known."""
    clips = source.splits[split]
    names = make_unique(clips.names)
    known = voices_of(m, source.speakers)
    everyone = None if speaker is None else speaker_number(m, speaker)
    voices = [known[number] if everyone is None else everyone for number in clips.speakers]
    items = [Item(*item) for item in zip(names, [1] * clips.count, clips.lengths.tolist(), voices)]

    def read(number):
        return clips.clip(number)[np.newaxis, :, np.newaxis]

    return Images(clips.count, None, items, map(read, range(clips.count)), read)


def of_files(
    folder: str, names: Sequence[str], m: SpeechConfig, speaker: Optional[str] = None, max_bad_files: int = 0
) -> Images:
    """Sound files, whole, brought to the run's sample rate; `names` are their paths below `folder`.

    A recording is of the speaker whose name one of its folders has; where none has, of the one in whose voice it is
    likeliest. Each is read twice, or three times to find a voice.

    Args:
      speaker: whose voice all are, whatever their folders say.
      folder, names, m, max_bad_files: as of `images.of_files` and `of_levels`.

    Raises:
      VQError: more than `max_bad_files` can't be read, or all; or there is no such voice.
    """

    def read_file(name):
        try:
            sound = audio.read(images_lib.below(folder, name), m.sample_rate)
        except OSError as e:
            raise ValueError(e.strerror or str(e)) from None
        _check_length(len(sound))
        return audio.mu_law(sound)[np.newaxis, :, np.newaxis]

    found = images_lib.of_readable(names, read_file, folder, max_bad_files)
    everyone = None if speaker is None else speaker_number(m, speaker)
    for i, item in enumerate(found.items):
        found.items[i] = item._replace(speaker=speaker_of(m, folder, item.name) if everyone is None else everyone)
    return found


def of_folder(folder: str, m: SpeechConfig, speaker: Optional[str] = None, max_bad_files: int = 0) -> Images:
    """All sound files below a folder, in the order of their paths; see `of_files`."""
    return of_files(folder, folder_lib.paths(folder, folder_lib.SOUNDS), m, speaker, max_bad_files)


def _check_length(samples: int) -> None:
    if samples > MAX_PIXELS:
        raise VQError(f"input: got a recording of {samples:,} samples, expected at most {MAX_PIXELS:,}")
