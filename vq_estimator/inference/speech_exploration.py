"""Explores what the codes of a speech model mean: conversions, and the digits and speakers of each code, as arrays.

Recordings are uint8 [T], mu-law levels, and their codes int32 [n, L]. A conversion is a draw. All recordings of a call
are drawn with the same random numbers, so that their differences are due to the codes and the speaker.
"""

import math
from typing import List, NamedTuple, Sequence

import numpy as np

from vq_estimator.data import audio
from vq_estimator.data.speech import SpeechSource
from vq_estimator.inference.exploration import evenly
from vq_estimator.inference.session import OpenRun
from vq_estimator.inference.speech_model import SpeechModel

FRAME_SECONDS = 0.032  # length of a spectrogram's window
HOPS = 8  # hops per window
FLOOR_DB = -70.0  # dB below the loudest value at which a spectrogram ends
SHUFFLES = 10  # shuffles of the recordings, for the mutual information by chance


class Heard(NamedTuple):
    """A recording and its conversions.

    Attributes:
      name: name of its file.
      speaker, label: indices of its speaker and its class.
      levels: uint8 [T].
      codes: int32 [n, L].
      voices: int32 [V], indices of speakers; the first is its own.
      versions: V recordings uint8 [T], decoded for each of `voices`: first the reconstruction, then the conversions.
    """

    name: str
    speaker: int
    label: int
    levels: np.ndarray
    codes: np.ndarray
    voices: np.ndarray
    versions: List[np.ndarray]


def some_numbers(first: int, count: int, most: int) -> List[int]:
    """`first` and at most `most - 1` other indices below `count`, evenly spread, wrapping around the end."""
    num = min(most, count)
    return [(first + i * count // num) % count for i in range(num)]


def listen(
    model: SpeechModel,
    source: SpeechSource,
    split: str,
    numbers: Sequence[int],
    most_voices: int = 8,
    most_seconds: float = 10.0,
    seed: int = 0,
    guidance: float = 1.0,
) -> List[Heard]:
    """Reconstructs and converts recordings of a split.

    Args:
      model: a speech model.
      source: its recordings.
      split: one of SPLITS.
      numbers: indices of the recordings.
      most_voices: largest number of speakers; of more, evenly spread ones, always including its own.
      most_seconds: a longer recording is cut.
      seed, guidance: see `SpeechModel.decode`.
    """
    clips, speakers = source.splits[split], len(model.config.model.speakers)
    most = max(round(most_seconds * model.sample_rate), 1)
    of, codes, voices = [], [], []
    for i in numbers:
        levels = clips.clip(i)[:most]
        own = int(clips.speakers[i])
        others = np.delete(np.arange(speakers), own)
        chosen = others[evenly(len(others), most_voices - 1)] if len(others) and most_voices > 1 else others[:0]
        of.append((clips.names[i], own, int(clips.labels[i]), levels))
        codes.append(model.encode(levels))
        voices.append(np.append(own, chosen).astype(np.int32))
    each = [(c, int(speaker)) for c, v in zip(codes, voices) for speaker in v]
    decoded = iter(model.decode_all(*zip(*each), seed, guidance=guidance))
    found = []
    for (name, own, label, levels), c, v in zip(of, codes, voices):
        found.append(Heard(name, own, label, levels, c, v, [next(decoded)[: len(levels)] for _ in v]))
    return found


def spectrogram(levels: np.ndarray, sample_rate: int) -> np.ndarray:
    """Decibels against the loudest, float32 [frame / 2 + 1, ceil(T / hop)] from FLOOR_DB to 0, low frequencies first.

        >>> import numpy as np
        >>> import vq_estimator as vq
        >>> vq.explore.spectrogram(np.full(8000, 128, np.uint8), sample_rate=8000).shape
        (129, 250)

    A frame is the power of two of samples next to FRAME_SECONDS, a hop a HOPS-th of it; column j is of the samples
    around j * hop.
    """
    frame = max(2 ** round(math.log2(FRAME_SECONDS * sample_rate)), HOPS)
    wave, hop = audio.from_mu_law(levels), frame // HOPS
    count = -(-len(wave) // hop)
    whole = np.pad(wave, [(frame // 2, frame + hop)])
    frames = np.lib.stride_tricks.as_strided(  # [count, frame], no copy
        whole, (count, frame), (hop * whole.strides[0], whole.strides[0]), writeable=False
    )
    power = np.abs(np.fft.rfft(frames * np.hanning(frame + 2)[1:-1], axis=1)).T
    decibels = 20.0 * np.log10(np.maximum(power, 1e-9) / max(power.max(), 1e-6))
    return np.clip(decibels, FLOOR_DB, 0.0).astype(np.float32)


class EncodedClips(NamedTuple):
    """The codes of a whole split.

    Attributes:
      codes: int32 [M, L], the codes of all recordings, concatenated.
      lengths: int64 [N], number of codes of each recording.
      speakers, labels: int32 [N].
    """

    codes: np.ndarray
    lengths: np.ndarray
    speakers: np.ndarray
    labels: np.ndarray

    def each(self, numbers: np.ndarray) -> np.ndarray:
        """Repeats values of N recordings for each of their codes, [M]."""
        return np.repeat(numbers, self.lengths)


def encode_clips(run: OpenRun, source: SpeechSource, split: str) -> EncodedClips:
    """Encodes all recordings of a split, each as a whole."""
    parts = [codes[0, 0] for _, codes in run.batches(run.examples(source, split), run.connect().codes, "encode")]
    clips = source.splits[split]
    lengths = np.array([len(part) for part in parts], np.int64)
    return EncodedClips(np.concatenate(parts).astype(np.int32), lengths, clips.speakers, clips.labels)


class Meaning(NamedTuple):
    """How the codes of a split relate to one property of recordings (class or speaker).

    Attributes:
      counts: int64 [L, K, C], occurrences of each code in recordings with each value of the property.
      bits: [L], mutual information of a code and the property, in bits.
      chance: [L], its mean after shuffling the recordings, because few recordings have some by chance.
      entropy: entropy of the property over the codes, in bits; an upper bound of `bits`.
    """

    counts: np.ndarray
    bits: np.ndarray
    chance: np.ndarray
    entropy: float


def meaning(encoded: EncodedClips, K: int, kinds: np.ndarray, number: int, seed: int = 0) -> Meaning:
    """Relates the codes to a property of recordings.

    Args:
      encoded: the codes of a split.
      K: number of values of a code.
      kinds: int [N], the property of each recording, such as `encoded.labels`.
      number: C, number of values of the property.
      seed: seed of the shuffles.
    """
    counts = joint_counts(encoded, K, kinds, number)
    rng = np.random.RandomState(seed)
    shuffled = [joint_counts(encoded, K, rng.permutation(kinds), number) for _ in range(SHUFFLES)]
    chance = np.mean([mutual_information(c) for c in shuffled], 0)
    return Meaning(counts, mutual_information(counts), chance, float(_entropy(counts[0].sum(0))))


def joint_counts(encoded: EncodedClips, K: int, kinds: np.ndarray, number: int) -> np.ndarray:
    """Occurrences of each code in recordings of each kind, int64 [L, K, C]."""
    of = encoded.each(kinds)
    counts = [np.bincount(level.astype(np.int64) * number + of, minlength=K * number) for level in encoded.codes.T]
    return np.stack(counts).reshape(-1, K, number)


def mutual_information(counts: np.ndarray) -> np.ndarray:
    """Mutual information of the two axes of counts [..., K, C] in bits: H(code) + H(kind) - H(code, kind).

    >>> import numpy as np
    >>> import vq_estimator as vq
    >>> float(vq.explore.mutual_information(np.array([[8, 0], [0, 8]])))
    1.0
    """
    both = _entropy(counts.reshape(counts.shape[:-2] + (-1,)))
    return np.maximum(_entropy(counts.sum(-1)) + _entropy(counts.sum(-2)) - both, 0.0)


def _entropy(counts: np.ndarray) -> np.ndarray:
    """Entropy in bits of the frequencies along the last axis."""
    p = counts / np.maximum(counts.sum(-1, keepdims=True), 1)
    return (p * -np.log2(np.where(p > 0, p, 1.0))).sum(-1) + 0.0  # not -0.0


def shares(counts: np.ndarray) -> np.ndarray:
    """Normalises counts [K, C] to the fraction of each kind among a code's occurrences, float64; zeros for unused
    codes.
    """
    return counts / np.maximum(counts.sum(-1, keepdims=True), 1)


def order(counts: np.ndarray) -> np.ndarray:
    """Orders the codes that occur, [at most K]: by their main kind, and within it by how strongly they belong to it.

    The main kind is relative to how often a kind occurs at all, so that long words do not get all codes.

    Args:
      counts: [K, C].
    """
    share, usual = shares(counts), counts.sum(0) / max(counts.sum(), 1)
    lift = share / np.where(usual > 0, usual, 1.0)
    used = np.flatnonzero(counts.sum(-1))
    return used[np.lexsort((-lift.max(-1)[used], lift.argmax(-1)[used]))]
