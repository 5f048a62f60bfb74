"""New speech: codes drawn from the prior, and how the samples are numbered, seeded and named."""

import math
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

import numpy as np
import tensorflow.compat.v1 as tf

from vq_estimator.config import arguments
from vq_estimator.data import audio
from vq_estimator.errors import VQError
from vq_estimator.inference import sampling
from vq_estimator.inference.sampling import Label
from vq_estimator.inference.session import OpenRun
from vq_estimator.nn.code_sampling import Sampling

BATCH = 16  # recordings that are drawn at once
MAX_SAMPLES = 10000  # of one call
MAX_SECONDS = 600


class SpeechSamples(NamedTuple):
    """New speech.

    Attributes:
      levels: uint8 [N, T], mu-law.
      codes: int32 [N, n, L].
      speakers: int32 [N].
      labels: int32 [N], the conditions of the prior, or None if it has none.
    """

    levels: np.ndarray
    codes: np.ndarray
    speakers: np.ndarray
    labels: Optional[np.ndarray]


class Conditions(NamedTuple):
    """What each sample is conditioned on: its speaker, and the prior's condition, both int32 [N]."""

    speakers: np.ndarray
    labels: np.ndarray


def conditions(
    run: OpenRun, num: int, label: Optional[Label], speaker: Optional[int], class_names: Sequence[str]
) -> Conditions:
    """Returns the conditions of `num` samples; classes, and then speakers, take turns unless they are given.

    Raises:
      VQError: there is no such class.
    """
    of, voices = run.prior.config.codes, len(run.config.model.speakers)
    classes = {"class": of.classes, "speaker": 0, "both": of.classes // max(voices, 1)}[of.condition]
    if label is not None:
        if not classes:
            raise VQError(f"label: got {label!r}, expected none: the prior has no classes")
        label = arguments.class_number("label", label, classes, class_names)
    numbers = np.arange(num, dtype=np.int32)
    labels = np.full(num, label, np.int32) if label is not None else numbers % max(classes, 1)
    speakers = np.full(num, speaker, np.int32) if speaker is not None else numbers // max(classes, 1) % voices
    both = speakers * max(classes, 1) + labels
    return Conditions(speakers, {"class": labels, "speaker": speakers, "both": both}[of.condition])


def check_length(seconds: Any) -> float:
    """Returns a duration as a float; VQError if it is invalid."""
    want = f"a number above 0, up to {MAX_SECONDS}"
    return arguments.real("seconds", seconds, 0, MAX_SECONDS, want, above=True)


def draw_codes(run: OpenRun, labels: np.ndarray, seconds: float, temperature: float, seed: int) -> np.ndarray:
    """Draws codes int32 [N, n, L] from the run's prior, enough for `seconds`; `labels` are the prior's conditions."""
    n = math.ceil(seconds * run.config.model.sample_rate / run.config.model.network.stride)

    def build():
        condition = tf.placeholder(tf.int32, [BATCH])
        width, heat, draw = (tf.placeholder(t, []) for t in (tf.int32, tf.float32, tf.int64))
        known = condition if run.prior.config.codes.classes else None
        codes = run.code_prior.sample(tf.constant(BATCH), known, Sampling(draw, heat), width)
        return condition, width, heat, draw, codes

    condition, width, heat, draw, codes = run.op("sample", build)
    parts = []
    for start in range(0, len(labels), BATCH):
        batch = np.zeros(BATCH, np.int32)
        batch[: len(labels[start : start + BATCH])] = labels[start : start + BATCH]
        feed = {condition: batch, width: n, heat: temperature, draw: sampling.part_seed(seed, start // BATCH)}
        parts.append(run.session.run(codes, feed)[:, 0])
    return np.concatenate(parts)[: len(labels)]


def seeds(seed: int, num: int, first: int = 0) -> List[int]:
    """Returns the seeds of `num` recordings, from number `first` on; recording 0 has `seed` itself."""
    return [sampling.part_seed(seed, i) for i in range(first, first + num)]


def draw_seed(seed: int, number: int) -> int:
    """Returns the seed of draw `number` of one recording; draw 0 has `seed` itself, no other is one of `seeds`."""
    return seed + (number << 52)


def sample_names(samples: SpeechSamples, run: OpenRun, class_names: Sequence[str]) -> List[str]:
    """Returns a name for each sample: its number, its class if the prior has classes, and its speaker."""
    of, voices, names = run.prior.config.codes, run.config.model.speakers, []
    classes = of.classes // (len(voices) if of.condition == "both" else 1)
    for i, speaker in enumerate(samples.speakers):
        label = None
        if of.classes and of.condition != "speaker":
            number = int(samples.labels[i]) % classes
            label = class_names[number] if number < len(class_names) else str(number)
        names.append("-".join(part for part in (f"{i:03d}", label, voices[speaker]) if part))
    return names


def write_summary(folder: str, step: int, sounds: Dict[str, np.ndarray], sample_rate: int) -> None:
    """Adds recordings uint8 [T], by their names, to TensorBoard's events in `folder`."""
    with tf.Graph().as_default(), tf.Session() as session:
        for name, levels in sounds.items():
            waves = audio.from_mu_law(levels)[np.newaxis, :, np.newaxis]
            tf.summary.audio(name, tf.constant(waves), sample_rate)
        summary = session.run(tf.summary.merge_all())
    writer = tf.summary.FileWriterCache.get(folder)
    writer.add_summary(summary, step)
    writer.flush()
