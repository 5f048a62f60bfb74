"""Reads recordings from any source as a model's input: splits of data sets, folders and files."""

import collections
import os
from typing import List, Optional, Sequence

import numpy as np

from vq_estimator.config import SpeechConfig, arguments
from vq_estimator.data import audio
from vq_estimator.data import folder as folder_lib
from vq_estimator.data.bad_files import BadFiles, Limit
from vq_estimator.data.speech import SpeechSource
from vq_estimator.errors import VQError
from vq_estimator.inference import sampling
from vq_estimator.inference.examples import Batch, Examples
from vq_estimator.inference.sampling import Label
from vq_estimator.inference.session import OpenRun

KIND = folder_lib.SOUNDS


def speaker_number(model: SpeechConfig, name: Label) -> int:
    """The index of a speaker; see `SpeechModel.speaker`."""
    return arguments.class_number("speaker", name, len(model.speakers), model.speakers)


def check_guidance(m: SpeechConfig, guidance: float) -> float:
    """Returns a guidance as a float; VQError if it is invalid or the model was trained without guidance."""
    checked = sampling.check_guidance(guidance)
    if checked != 1.0 and not m.decoder.condition_dropout:
        want = "1: the run was trained without --wavenet_condition_dropout"
        raise VQError(f"guidance: got {guidance}, expected {want}")
    return checked


def voices_of(m: SpeechConfig, speakers: Sequence[str]) -> List[Optional[int]]:
    """The model's index of each speaker in a list of names, or None for one that it does not have."""
    return [m.speakers.index(name) if name in m.speakers else None for name in speakers]


def read(run: OpenRun, path: str) -> np.ndarray:
    """Reads a sound file as mu-law levels uint8 [T] at the run's sample rate.

    Raises:
      VQError: the file cannot be read.
    """
    try:
        return audio.mu_law(audio.read(path, run.config.model.sample_rate))
    except (OSError, ValueError) as e:
        raise VQError(f"input: {path!r} can't be read ({getattr(e, 'strerror', None) or e})") from None


def of_split(run: OpenRun, source: SpeechSource, split: str) -> Examples:
    """A split of a data set. Speakers are matched by name with the run's."""
    clips, voices = source.splits[split], voices_of(run.config.model, source.speakers)
    names = make_unique(clips.names)

    def batches():
        for i in range(clips.count):
            yield _as_batch(clips.clip(i), names[i], voices[clips.speakers[i]], int(clips.labels[i]))

    return Examples(split, clips.count, batches, f"{source.name}:{split}", source.name)


def make_unique(names: Sequence[str]) -> List[str]:
    """Names of clips. Several clips of one recording get a number each."""
    several, seen, found = {name for name, n in collections.Counter(names).items() if n > 1}, collections.Counter(), []
    taken = set(names)
    for name in names:
        stem, suffix = os.path.splitext(name)
        part = name
        while name in several and part in taken:  # a file may have the same name as a clip of another file
            part, stem = f"{stem}-part{seen[name]}{suffix}", stem + "-"
        taken.add(part)
        found.append(part)
        seen[name] += 1
    return found


def of_file(run: OpenRun, path: str) -> Examples:
    """One whole sound file, without trimming.

    Raises:
      VQError: the file cannot be read.
    """
    name = os.path.basename(path)
    batch = _as_batch(read(run, path), name)
    return Examples(os.path.splitext(name)[0], 1, lambda: iter([batch]), path)


def of_folder(run: OpenRun, folder: str, max_bad_files: Limit = 100) -> Examples:
    """The sound files below a folder, in the order of their paths; see `of_files`.

    Raises:
      VQError: there is no recording.
    """
    return of_files(run, folder, folder_lib.paths(folder, folder_lib.SOUNDS), max_bad_files)


def of_files(run: OpenRun, folder: str, names: Sequence[str], max_bad_files: Limit = 0) -> Examples:
    """Sound files as a whole, named by their paths below `folder`. Unreadable files are skipped with a warning.

    Raises:
      VQError: more than `max_bad_files` cannot be read.
    """

    def batches():
        bad = BadFiles.of(max_bad_files)
        for name in names:
            try:
                levels = audio.mu_law(audio.read(os.path.join(folder, *name.split("/")), run.config.model.sample_rate))
            except (OSError, ValueError) as e:
                bad.add(name, str(getattr(e, "strerror", None) or e))
                continue
            yield _as_batch(levels, name)

    return Examples(os.path.basename(os.path.abspath(folder)), len(names), batches, folder)


def from_arrays(run: OpenRun, levels: Sequence[np.ndarray], origin: str = "recordings") -> Examples:
    """Recordings uint8 [T] of mu-law levels, or an array [N, T] of them.

    Raises:
      VQError: a recording has another dtype or shape.
    """
    for recording in levels:
        arguments.array("levels", recording, "uint8", ("T",), ", mu-law levels")

    def batches():
        for recording in levels:
            yield _as_batch(recording)

    return Examples(origin, len(levels), batches, origin)


def of_path(run: OpenRun, path: str, max_bad_files: int = 100) -> Examples:
    """A folder of sound files, or one such file.

    Raises:
      VQError: the file cannot be read.
    """
    return of_folder(run, path, max_bad_files) if os.path.isdir(path) else of_file(run, path)


def speaker_of(m: SpeechConfig, folder: str, name: str) -> Optional[int]:
    """The index of the speaker whose name the nearest folder of a file has; `name` is its path below `folder`."""
    return folder_lib.named_by(os.path.basename(os.path.abspath(folder)) + "/" + name, m.speakers)


def with_speakers(run: OpenRun, examples: Examples, speaker: Optional[str] = None) -> Examples:
    """Adds speakers to recordings: `speaker` for all, or those whose names their folders have.

    Raises:
      VQError: there is no such speaker.
    """
    m = run.config.model
    everyone = None if speaker is None else speaker_number(m, speaker)
    folder = examples.origin if os.path.isdir(examples.origin) else os.path.dirname(examples.origin)

    def with_speaker(batch, _):
        number = everyone
        if number is None and examples.source is None:
            number = speaker_of(m, folder, str(batch.files[0]))
        return batch if number is None else batch._replace(speakers=np.array([number], np.int32))

    return examples.changed(with_speaker)


with_conditions = with_speakers  # the name that `vq_estimator.beam` calls for every kind of model


def _as_batch(
    levels: np.ndarray, name: Optional[str] = None, speaker: Optional[int] = None, label: Optional[int] = None
) -> Batch:
    """A recording uint8 [T] as a batch."""
    known = [None if number is None else np.array([number], np.int32) for number in (label, speaker)]
    return Batch(
        levels[np.newaxis, np.newaxis, :, np.newaxis], *known, files=None if name is None else np.array([name])
    )
