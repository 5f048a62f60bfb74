"""Recordings as 8-bit mu-law levels, and batches of them."""

from typing import Dict, NamedTuple, Optional, Tuple, Union, cast

import numpy as np
import tensorflow.compat.v1 as tf

from vq_estimator.config import Config, SpeechConfig
from vq_estimator.data import audio
from vq_estimator.data.batching import WHOLE, Part, check_part, numbered_batches, prefetched
from vq_estimator.data.pipeline import Source


class Clips(NamedTuple):
    """Recordings, concatenated.

    Attributes:
      levels: uint8 [total], mu-law; may be a memory-mapped file.
      ends: int64 [N]; clip i is levels[ends[i - 1] : ends[i]], which is never empty.
      speakers: int32 [N], index of the speaker.
      labels: int32 [N], index of the class; 0 without classes.
      names: names of the files, below the folder of the recordings. A long file has one entry for each of its clips.
    """

    levels: np.ndarray
    ends: np.ndarray
    speakers: np.ndarray
    labels: np.ndarray
    names: Tuple[str, ...]

    @property
    def count(self) -> int:  # type: ignore[override]  # hides tuple.count
        """N, the number of recordings."""
        return len(self.ends)

    @property
    def lengths(self) -> np.ndarray:
        """int64 [N], in samples."""
        return np.diff(self.ends, prepend=0)

    def clip(self, i: int) -> np.ndarray:
        """Levels uint8 [T_i] of clip `i`, 0 <= i < N."""
        return np.asarray(self.levels[self.ends[i - 1] if i else 0 : self.ends[i]])


class SpeechSource(NamedTuple):
    """A data set of recordings.

    Attributes:
      name: the run's `dataset_source`.
      sample_rate: samples per second.
      speakers: names of the speakers, by index.
      class_names: names of the classes, or ().
      splits: "train", "validation" and "test" to their clips.
    """

    name: str
    sample_rate: int
    speakers: Tuple[str, ...]
    class_names: Tuple[str, ...]
    splits: Dict[str, Clips]

    @property
    def classes(self) -> int:
        return len(self.class_names)

    def count(self, split: str) -> int:
        """The number of recordings in a split."""
        return self.splits[split].count

    def training_dataset(self, config: Config, start_step: int, part: Part) -> tf.data.Dataset:
        """`training_dataset` for a run."""
        train, window = config.train, cast(SpeechConfig, config.model).window
        return training_dataset(self, window, train.batch_size, train.seed, start_step, part)

    def evaluation_dataset(self, config: Config, split: str, batch_size: Optional[int] = None) -> tf.data.Dataset:
        """`evaluation_dataset`: whole recordings, one at a time whatever the batch size is."""
        del config, batch_size
        return prefetched(evaluation_dataset(self, split), 8)


AnySource = Union[Source, SpeechSource]


def pieces(clips: Clips, window: int) -> int:
    """The training examples of an epoch: from each clip as many windows as are needed to cover it."""
    return int(np.sum(-(-clips.lengths // window)))


def windows(clips: Clips, window: int, chosen: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Cuts windows uint8 [B, window] from clips.

    Args:
      clips: the clips.
      window: length in samples.
      chosen: [B], index of the clip.
      places: float [B] in [0, 1), the position of the window as a fraction of the possible positions. A clip that is
        shorter than the window is followed by SILENCE.
    """
    ends, lengths = clips.ends[chosen], clips.lengths[chosen]
    room = np.maximum(lengths - window, 0)
    begins = ends - lengths + np.minimum((places * (room + 1)).astype(np.int64), room)
    found = np.full([len(chosen), window], audio.SILENCE, np.uint8)
    for row, begin, end in zip(found, begins, np.minimum(ends, begins + window)):
        row[: end - begin] = clips.levels[begin:end]
    return found


def training_dataset(
    source: SpeechSource, window: int, batch_size: int, seed: int, start_step: int = 0, part: Part = WHOLE
) -> tf.data.Dataset:
    """Endless batches of {"audio": uint8 [B, window], "speaker": int32 [B], "label": int32 [B]} from `start_step` on.

    An epoch has ceil(T / window) windows of a clip of T samples, each at a uniform position, in an order that mixes the
    clips. Clips and positions depend on (seed, step) only. The levels are not stored in the graph. With a `part` the
    elements are parts of batches, as in `pipeline.training_dataset`.

    Raises:
      VQError: a batch cannot be divided into that number of parts.
    """
    own = check_part(part, batch_size)
    clips = source.splits["train"]
    clip_of = np.repeat(np.arange(clips.count, dtype=np.int32), -(-clips.lengths // window))  # [pieces]

    def cut(numbers, places):
        chosen = clip_of[numbers]
        return windows(clips, window, chosen, places), clips.speakers[chosen], clips.labels[chosen]

    @tf.autograph.experimental.do_not_convert
    def batch(numbers, step):
        # Float64, because float32 has 2^24 positions and a clip may have more.
        key = tf.stack([tf.constant(~seed, tf.int64), step])
        places = tf.random.stateless_uniform([batch_size], seed=key, dtype=tf.float64)
        given = [numbers[own], places[own]]
        levels, speaker, label = tf.numpy_function(cut, given, [tf.uint8, tf.int32, tf.int32])
        levels.set_shape([own.stop - own.start, window])
        for numbers_of in (speaker, label):
            numbers_of.set_shape([own.stop - own.start])
        return part.divided({"audio": levels, "speaker": speaker, "label": label})

    batches = numbered_batches(len(clip_of), batch_size, seed, start_step, part)
    return prefetched(part.single(batches.map(batch)), 4)


def evaluation_dataset(source: SpeechSource, split: str) -> tf.data.Dataset:
    """Whole clips in order, one at a time: {"audio": uint8 [1, T], "speaker": int32 [1], "label": int32 [1]}."""
    clips = source.splits[split]

    def each():
        for i in range(clips.count):
            yield {"audio": clips.clip(i)[None], "speaker": clips.speakers[i : i + 1], "label": clips.labels[i : i + 1]}

    shapes = {"audio": [1, None], "speaker": [1], "label": [1]}
    return tf.data.Dataset.from_generator(each, {"audio": tf.uint8, "speaker": tf.int32, "label": tf.int32}, shapes)
