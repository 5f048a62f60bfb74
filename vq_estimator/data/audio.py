"""Reads and writes sound files, and converts samples to mu-law levels. Uses NumPy only.

Levels are those of WaveNet (van den Oord et al. 2016, section 2.2): f(x) = sign(x) ln(1 + mu |x|) / ln(1 + mu) with mu
= 255, rounded to 256 values. Their distance is 1.7e-4 near silence and 0.022 near full scale.

#### References

A. van den Oord et al. WaveNet: a generative model for raw audio. arXiv:1609.03499, 2016.
"""

import os
from typing import BinaryIO, Callable, Dict, Iterator, NamedTuple, Optional, Tuple

import numpy as np

from vq_estimator.config.data import RULES
from vq_estimator.data import aiff_header, formats, mp3_frames, ogg_pages, wav_header
from vq_estimator.data.files import atomic_path, open_regular
from vq_estimator.data.spliced_file import SplicedFile

MU = 255
SILENCE = 128  # the level of 0.0
RATES = (1000, 768000)  # samples per second: the lowest and highest supported rate
MAX_SECONDS = 3600  # maximum length of a file, which is held in memory
MAX_CHANNELS = 64
MAX_PEAK = 4.0  # maximum of stored float samples; full scale is 1, and larger values are clipped
BLOCK = 1 << 18  # numbers per read

_SAMPLES = ("PCM_U8", "PCM_S8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW")


class _Coding(NamedTuple):
    """How a format stores samples.

    Attributes:
      words: description for messages.
      subtypes: libsndfile's names of the supported encodings.
      opened_as: libsndfile's names of the format after opening. FLAC files may begin with the tag of an MP3.
      max_peak: maximum sample value; a lossy decoder may overshoot by any factor.
    """

    words: str
    subtypes: Tuple[str, ...]
    opened_as: Tuple[str, ...]
    max_peak: float = MAX_PEAK


_PCM = "PCM, floats, mu-law or A-law"
_CODINGS = {
    "WAV": _Coding(_PCM, _SAMPLES, ("WAV", "WAVEX", "RF64")),
    "FLAC": _Coding(_PCM, _SAMPLES, ("FLAC",)),
    "AIFF": _Coding(_PCM, _SAMPLES, ("AIFF",)),
    "OGG": _Coding("Vorbis or Opus", ("VORBIS", "OPUS"), ("OGG",), np.inf),
    "MP3": _Coding("MPEG layer III", ("MPEG_LAYER_III", *_SAMPLES), ("MP3", "FLAC"), np.inf),
}

TRIM_DB = 40  # dB below the loudest stretch at which a stretch counts as silence
TRIM_SECONDS = 0.01  # length of a stretch
TRIM_KEPT = 2  # stretches kept next to the sound, because words begin with weak sounds (f, th)


def _levels(x: np.ndarray) -> np.ndarray:
    x = np.clip(np.asarray(x, np.float64), -1, 1)
    squashed = np.sign(x) * np.log1p(MU * np.abs(x)) / np.log1p(MU)
    return np.floor((squashed + 1) / 2 * MU + 0.5).astype(np.uint8)


def mu_law(x: np.ndarray) -> np.ndarray:
    """Converts samples in [-1, 1] of any shape to mu-law levels uint8, with clipping; 0.0 becomes SILENCE."""
    x = np.asarray(x)
    flat, levels = x.reshape(-1), np.empty(x.size, np.uint8)
    for i in range(0, x.size, BLOCK):  # float64 of a long recording would need eight times its memory
        levels[i : i + BLOCK] = _levels(flat[i : i + BLOCK])
    return levels.reshape(x.shape)


def _samples() -> np.ndarray:
    squashed = 2 * np.arange(MU + 1) / MU - 1
    return (np.sign(squashed) * np.expm1(np.abs(squashed) * np.log1p(MU)) / MU).astype(np.float32)


SAMPLES = _samples()  # float32 [256]: the sample of each level
SAMPLES.setflags(write=False)


def from_mu_law(levels: np.ndarray) -> np.ndarray:
    """Converts mu-law levels uint8 of any shape to samples float32 in [-1, 1]. `mu_law` is its inverse.

    >>> import numpy as np
    >>> import vq_estimator as vq
    >>> vq.explore.from_mu_law(np.array([0, 255], np.uint8)).tolist()
    [-1.0, 1.0]
    """
    return SAMPLES[np.asarray(levels, np.uint8)]


def read(path: str, sample_rate: int, rules: int = RULES) -> np.ndarray:
    """Reads a sound file as float32 [T] in [-1, 1], T >= 1: the mean of its channels at `sample_rate`.

    Supports the formats of `formats.SOUNDS`. A WAV may be RIFF, RIFX, RF64 or BW64, with integers of any width, floats,
    mu-law or A-law. soxr resamples block by block between any two rates. (scipy's resample_poly needs a filter of about
    20 times the larger rate if the rates have no common divisor, and its default passes more of what is above half the
    rate.) libmpg123 may print notes about a damaged MP3 to stderr.

    Args:
      path: the file.
      sample_rate: samples per second.
      rules: `DataConfig.rules`, which decide the supported formats.

    Raises:
      OSError: the file cannot be opened, or is a pipe or a device.
      ValueError: the reason in one line: another format, damaged, truncated, empty, not finite, or longer than
        MAX_SECONDS.
    """
    _check_rate(sample_rate)
    with open_regular(path) as f:
        return _decode(f, sample_rate, rules)


def _check_rate(rate: int) -> None:
    if not RATES[0] <= rate <= RATES[1]:
        raise ValueError(f"its sample rate is {rate}, expected {RATES[0]} to {RATES[1]}")


def _decode(f: BinaryIO, sample_rate: int, rules: int) -> np.ndarray:
    import soundfile  # loads libsndfile only when sound is read

    library = _identify(f, rules)
    coding, check = _CODINGS[library], _CHECKS.get(library)
    f.seek(0)
    presented = check(f) if check else None
    os.lseek(f.fileno(), 0, os.SEEK_SET)  # where libsndfile starts to read
    try:
        sound = soundfile.SoundFile(presented or f.fileno(), closefd=False)
    except (soundfile.SoundFileError, RuntimeError, ValueError, TypeError) as e:
        raise ValueError(_reason(e)) from None
    with sound:
        if sound.format not in coding.opened_as or sound.subtype not in coding.subtypes:
            raise ValueError(f"its samples are {sound.subtype}, expected {coding.words}")
        if not 1 <= sound.channels <= MAX_CHANNELS:
            raise ValueError(f"it has {sound.channels} channels, expected 1 to {MAX_CHANNELS}")
        _check_rate(sound.samplerate)
        try:
            parts = list(_resampled(_blocks(sound, coding.max_peak), sound.samplerate, sample_rate))
        except (soundfile.SoundFileError, RuntimeError) as e:
            raise ValueError(_reason(e)) from None
    x = np.concatenate(parts) if parts else np.empty(0, np.float32)
    return np.clip(x, -1, 1, out=x)


# Check a file before libsndfile reads it, and return what libsndfile is to read instead.
_CHECKS: Dict[str, Callable[[BinaryIO], Optional[SplicedFile]]] = {
    "WAV": wav_header.check,
    "AIFF": aiff_header.check,
    "OGG": ogg_pages.check,
    "MP3": lambda f: mp3_frames.check(f, MAX_SECONDS),
}


def _identify(f: BinaryIO, rules: int) -> str:
    """libsndfile's name of a file's format.

    Raises:
      ValueError: the rules do not know the format (libsndfile would read dozens), or this libsndfile does not support
        it.
    """
    import soundfile

    begin = f.read(formats.BEGINNING)
    if not begin:
        raise ValueError("it is empty")
    found = formats.SOUNDS.identify(begin, rules)
    if found is None:
        raise ValueError(f"it is no {formats.SOUNDS.names(rules)} file")
    available = soundfile.available_formats()
    missing = found.name if found.library not in available else ""
    if found.library == "OGG" and ogg_pages.OPUS in begin and "OPUS" not in soundfile.available_subtypes("OGG"):
        missing = "Opus"
    if missing:
        have = f"libsndfile {soundfile.__libsndfile_version__.replace('libsndfile-', '')}"
        raise ValueError(
            f"it is {missing}, which {have} does not read; a wheel of soundfile 0.12 or later has one that does"
        )
    return found.library


def _reason(error: Exception) -> str:
    text = getattr(error, "error_string", None) or str(error) or type(error).__name__
    return "it can't be decoded (" + " ".join(str(text).split()).rstrip(".")[:150] + ")"


def _blocks(sound, max_peak: float) -> Iterator[np.ndarray]:
    """Yields the samples of an open file in blocks float32 [n], the mean of its channels."""
    said, got, most = sound.frames, 0, MAX_SECONDS * sound.samplerate
    unknown = said >= 2**62  # unknown in a FLAC stream
    if said > most and not unknown:
        raise ValueError(f"it has {said / sound.samplerate:,.0f} seconds, expected at most {MAX_SECONDS:,}")
    while True:
        block = sound.read(max(BLOCK // sound.channels, 1), "float32", always_2d=True)  # [n, channels]
        if not len(block):
            break
        got += len(block)
        if got > most:
            raise ValueError(f"it has more than {MAX_SECONDS:,} seconds")
        peak = np.abs(block).max()
        if not np.isfinite(peak):
            raise ValueError("it holds samples that are not finite")
        if peak > max_peak:
            raise ValueError(f"its samples reach {peak:g}, expected -1 to 1")
        yield block[:, 0] if sound.channels == 1 else block.mean(1)
    if not got:
        raise ValueError("it has no samples")
    if got < said and not unknown:
        raise ValueError(f"it ends after {got:,} of {said:,} samples")


def _resampled(blocks: Iterator[np.ndarray], rate: int, sample_rate: int) -> Iterator[np.ndarray]:
    """Resamples a sound to `sample_rate`; the result has at least one sample."""
    if rate == sample_rate:
        yield from blocks
        return
    import soxr

    stream, made, first = soxr.ResampleStream(rate, sample_rate, 1, dtype="float32", quality="HQ"), 0, None
    for block in blocks:
        first = block[:1] if first is None else first
        part = stream.resample_chunk(np.ascontiguousarray(block))
        made += len(part)
        yield part
    part = stream.resample_chunk(np.empty(0, np.float32), last=True)
    yield part
    if not made + len(part) and first is not None:
        yield first


def trim(x: np.ndarray, sample_rate: int) -> np.ndarray:
    """Trims the silence at both ends of float [T]. A silent recording is cut to one stretch.

    A stretch of TRIM_SECONDS is silent if it is more than TRIM_DB quieter than the loudest stretch.
    """
    size = max(int(TRIM_SECONDS * sample_rate), 1)
    energy = np.add.reduceat(np.square(x, dtype=np.float64), np.arange(0, len(x), size))
    energy /= np.minimum(size, len(x) - np.arange(0, len(x), size))  # the last stretch may be shorter
    loud = np.flatnonzero(energy > energy.max() * 10 ** (-TRIM_DB / 10))
    if not len(loud):
        return x[:size]
    return x[max(loud[0] - TRIM_KEPT, 0) * size : (loud[-1] + 1 + TRIM_KEPT) * size]


def write_wav(path: str, sound: np.ndarray, sample_rate: int) -> None:
    """Writes levels uint8 [T] or samples float [T] in [-1, 1] as a 16-bit WAV, atomically.

    `read` restores the samples to within 1 / 32768, and `mu_law` of the result gives exactly the same levels.

    Raises:
      ValueError: the sound has another shape or dtype, or is not finite.
      OSError: the file cannot be written.
    """
    import soundfile

    sound = np.asarray(sound)
    if sound.ndim != 1 or (sound.dtype != np.uint8 and sound.dtype.kind != "f"):
        raise ValueError(
            f"sound: got {sound.dtype} {list(sound.shape)}, expected levels uint8 [T] or samples float [T]"
        )
    samples = from_mu_law(sound) if sound.dtype == np.uint8 else sound
    if not np.isfinite(samples).all():
        raise ValueError("sound: it holds samples that are not finite")
    whole = np.clip(np.round(samples.astype(np.float64) * 32768), -32768, 32767).astype(np.int16)
    with atomic_path(path) as temporary:
        soundfile.write(temporary, whole, sample_rate, "PCM_16", format="WAV")
