"""Recordings of speech as data sets of 8-bit mu-law levels, and their batches.

Each file is decoded, resampled, trimmed and brought to levels once; one of more than MOST_SECONDS is several clips. The
levels lie in the cache folder, where they are read as they are used, so that a corpus may be larger than memory. They
are of one sample rate and belong to files of certain sizes and times of change; for anything else others are made.
"""

import contextlib
import errno
import hashlib
import json
import logging
import os
import shutil
from multiprocessing.pool import ThreadPool
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np
import tensorflow.compat.v1 as tf
from tqdm import tqdm

from vq_estimator.data import audio, fsdd
from vq_estimator.data import folder as folder_lib
from vq_estimator.data.files import (
    ChecksumCache,
    Fetch,
    FileSpec,
    atomic_folder,
    content_error,
    download_tar,
    fetch,
    open_regular,
    parts,
    read_json,
    set_aside,
    write_json,
)
from vq_estimator.data.folder import File
from vq_estimator.data.numpy_files import load_npy
from vq_estimator.data.pipeline import SPLITS, WHOLE, Part, check_part, numbers_of_batches
from vq_estimator.errors import VQError, one_line

log = logging.getLogger("vq_estimator")

DATASETS = (fsdd.NAME, "wav")
HALF = fsdd.HALF
FORMAT = 1  # of the cache; another makes it anew
MANIFEST = "speech.json"
MOST_SECONDS = 30  # of a clip; a longer recording is several, so that memory is bounded
THREADS = 4
AT_ONCE = 64  # files whose levels are in memory while the cache is made


class Clips(NamedTuple):
    """Recordings, one behind the other.

    Attributes:
      levels: uint8 [total], mu-law; may lie in a file.
      ends: int64 [N]; clip i is levels[ends[i - 1] : ends[i]], and none is empty.
      speakers: int32 [N], the number of who speaks.
      labels: int32 [N], the number of the class; 0 where there are none.
      names: of the files, below the folder of the recordings; that of a long one occurs once for each of its clips.
    """

    levels: np.ndarray
    ends: np.ndarray
    speakers: np.ndarray
    labels: np.ndarray
    names: Tuple[str, ...]

    @property
    def count(self) -> int:
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
    """Recordings that are known to be good.

    Attributes:
      name: the run's `dataset_source`.
      sample_rate: samples a second.
      speakers: their names, in the order of their numbers.
      class_names: of the labels; () where there are none.
      splits: "train", "validation" and "test" to their clips.
    """

    name: str
    sample_rate: int
    speakers: Tuple[str, ...]
    class_names: Tuple[str, ...]
    splits: Dict[str, Clips]


def locate(
    dataset: str,
    data_dir: str,
    cache_dir: str,
    sample_rate: int,
    max_bad_files: int = 100,
    wanted: Optional[str] = None,
    fetcher: Fetch = fetch,
) -> SpeechSource:
    """The recordings of `dataset`.

    "fsdd" are those below `data_dir` that are whole, the others are downloaded there; where they can't be had, and the
    half of them is there, that half is taken, with a warning. "wav" are all WAV and FLAC files below `data_dir`; the
    folder at the top is the speaker, splits are as in `data/folder.py`.

    Args:
      dataset: of DATASETS.
      data_dir: the folder that holds the data sets' folders; of "wav" that of the files.
      cache_dir: the user's cache folder; levels are in `speech/` there.
      sample_rate: to which recordings are brought, samples a second.
      max_bad_files: how many of the "wav" may be unreadable.
      wanted: the `dataset_source` of an existing run; anything else is refused.
      fetcher: downloads a url to a path; raises OSError.

    Raises:
      VQError: they can't be had, or are others than `wanted`, or too few, or too many are unreadable.
      OSError: the levels can't be written.
    """
    if dataset not in DATASETS:
        raise VQError(f"dataset: got {dataset!r}, expected one of {', '.join(DATASETS)}")
    if not audio.RATES[0] <= sample_rate <= audio.RATES[1]:
        raise VQError(f"sample_rate: got {sample_rate}, expected {audio.RATES[0]} to {audio.RATES[1]}")
    if max_bad_files < 0:
        raise VQError(f"max_bad_files: got {max_bad_files}, expected 0 or more")
    if dataset == fsdd.NAME:
        return _locate_fsdd(data_dir, cache_dir, sample_rate, wanted, fetcher)
    listing = folder_lib.read(data_dir, folder_lib.SOUNDS)
    folder_lib.counts(listing.files, SPLITS)
    recordings = [_Recording(f, listing.class_names[f.label], 0) for f in listing.files]
    cache = _Cache(data_dir, cache_dir, sample_rate, recordings, (), None)
    source = cache.load(max_bad_files) or cache.make(max_bad_files)
    if wanted not in (None, source.name):
        raise VQError(f"data_dir: got {data_dir!r} with {source.name}, expected {wanted}, the run's own recordings")
    return source


# The Free Spoken Digit Dataset


def _locate_fsdd(
    data_dir: str, cache_dir: str, sample_rate: int, wanted: Optional[str], fetcher: Fetch
) -> SpeechSource:
    if wanted not in (None, fsdd.NAME, fsdd.HALF):
        raise VQError(f"dataset: got {fsdd.NAME}, expected {wanted}, the run's own recordings")
    name = wanted or fsdd.NAME
    try:
        return _fsdd(name, data_dir, cache_dir, sample_rate, fetcher)
    except _Missing as e:
        where = os.path.join(data_dir, *fsdd.FOLDER.split("/"))
        missing = f"{name}: {e.count:,} of its recordings not found in {where!r} and not downloadable ({e})."
    specs = fsdd.specs(fsdd.recordings(fsdd.HALF))
    if wanted is not None or _absent(specs, data_dir):
        raise VQError(f"{missing} Put its recordings there, {fsdd.recordings()[0].name} and so on")
    log.warning("%s Using the half of them, those with an index below 25 (%s).", missing, fsdd.HALF)
    try:
        return _fsdd(fsdd.HALF, data_dir, cache_dir, sample_rate, _no_more)
    except _Missing as e:
        raise VQError(f"{fsdd.HALF}: {e.count:,} of its recordings in {where!r} were damaged") from None


class _Missing(Exception):
    """How many recordings are not there, and why they can't be had."""

    def __init__(self, count: int, why: str):
        super().__init__(why)
        self.count = count


def _no_more(url: str, path: str) -> None:
    raise OSError(f"{url}: not asked again")


def _absent(specs: Sequence[FileSpec], data_dir: str) -> List[FileSpec]:
    return [s for s in specs if not os.path.isfile(os.path.join(data_dir, *s.path.split("/")))]


def _bring(specs: Sequence[FileSpec], data_dir: str, fetcher: Fetch) -> None:
    """Downloads some recordings; raises _Missing."""
    if not specs:
        return
    try:
        download_tar(specs, fsdd.ARCHIVES, data_dir, fetcher)
    except OSError as e:
        raise _Missing(len(specs), str(e)) from None


def _fsdd(name: str, data_dir: str, cache_dir: str, sample_rate: int, fetcher: Fetch) -> SpeechSource:
    chosen = fsdd.recordings(name)
    specs = fsdd.specs(chosen)
    _bring(_absent(specs, data_dir), data_dir, fetcher)
    cache = _fsdd_cache(name, chosen, data_dir, cache_dir, sample_rate)
    source = cache.load(0)
    if source is not None:  # of the same sizes and times of change: not read again
        return source
    damaged = []
    for spec in specs:
        path = os.path.join(data_dir, *spec.path.split("/"))
        try:
            problem = content_error(path, spec)
        except OSError as e:
            raise VQError(f"{path}: can't be read ({e.strerror})") from None
        if problem:
            log.warning("%s: %s; set aside as %s", path, problem, set_aside(path))
            damaged.append(spec)
    if damaged:
        _bring(damaged, data_dir, fetcher)
        cache = _fsdd_cache(name, chosen, data_dir, cache_dir, sample_rate)
    return cache.make(0)


def _fsdd_cache(
    name: str, chosen: Sequence[fsdd.Recording], data_dir: str, cache_dir: str, sample_rate: int
) -> "_Cache":
    folder, recordings = os.path.join(data_dir, *fsdd.FOLDER.split("/")), []
    for r in chosen:
        try:
            stat = os.stat(os.path.join(folder, r.name))
        except OSError as e:
            raise VQError(f"{e.filename}: can't be read ({e.strerror})") from None
        file = File(r.name, stat.st_size, stat.st_mtime_ns, r.split, r.speaker)
        recordings.append(_Recording(file, fsdd.SPEAKERS[r.speaker], r.digit))
    return _Cache(folder, cache_dir, sample_rate, recordings, fsdd.DIGITS, name)


# The cache


class _Recording(NamedTuple):
    """A file to read: what the folder says of it, who speaks, and the number of its class."""

    file: File
    speaker: str
    label: int


class _Cache:
    """The levels of some recordings, in a folder that is whole or not there.

    For each split `<split>.levels` holds the levels, `<split>.clips.npy` int64 [N, 3] of the end, speaker and label of
    each clip, and `<split>.names` the files' names with a zero byte behind each.
    """

    def __init__(
        self,
        data_dir: str,
        cache_dir: str,
        sample_rate: int,
        recordings: Sequence[_Recording],
        class_names: Tuple[str, ...],
        name: Optional[str],
    ):
        """`name` of the data set, or None where the content of the files gives it."""
        self._data_dir, self._rate, self._recordings = data_dir, sample_rate, recordings
        self._class_names, self._name = class_names, name
        key = folder_lib.fingerprint([FORMAT, sample_rate, name, class_names, *recordings], 16)
        self._target = os.path.join(cache_dir, "speech", f"{key}-{sample_rate}")
        self._checksums = ChecksumCache(cache_dir)

    def load(self, max_bad_files: int) -> Optional[SpeechSource]:
        """What `make` wrote; None where nothing is. What is damaged is removed."""
        if not os.path.isdir(self._target):
            return None
        try:
            made = read_json(os.path.join(self._target, MANIFEST))
            source = self._source(made)
            bad = [(path, why) for path, why in made["unreadable"]]
            if not all(isinstance(text, str) for texts in bad for text in texts):
                raise ValueError(f"{MANIFEST} holds something else")
        except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as e:
            log.warning("the cached recordings are damaged (%s) and made anew", one_line(str(e)))
            shutil.rmtree(self._target)
            return None
        if bad:
            where = os.path.join(self._target, MANIFEST)
            log.warning("unreadable files left out: %d, named in %s", len(bad), where)
        _check_bad(bad, max_bad_files)
        return source

    def _source(self, made: Dict[str, Any]) -> SpeechSource:
        """What `_write` wrote; anything else is one of the errors that `load` expects."""
        if made.pop("sha256") != _checksum(made):
            raise ValueError(f"{MANIFEST} was changed")
        texts = [made["source"], *made["speakers"]]
        if not all(isinstance(t, str) for t in texts) or not isinstance(made["speakers"], list):
            raise ValueError(f"{MANIFEST} holds something else")
        speakers, splits = tuple(made["speakers"]), {}
        for split in SPLITS:
            paths = _paths(self._target, split)
            for path in paths:
                size, sha256 = made["files"][os.path.basename(path)]
                if type(size) is not int or not isinstance(sha256, str):
                    raise ValueError(f"{MANIFEST} holds something else")
                problem = self._checksums.error(path, FileSpec(path, size, sha256))
                if problem:
                    raise ValueError(f"{path} {problem}")
            splits[split] = _load(paths, len(speakers), max(len(self._class_names), 1))
        return SpeechSource(made["source"], self._rate, speakers, self._class_names, splits)

    def make(self, max_bad_files: int) -> SpeechSource:
        """Reads every file and writes the folder.

        Raises:
          VQError: more than `max_bad_files` can't be read, or a split is left without any.
        """
        os.makedirs(os.path.dirname(self._target), exist_ok=True)
        try:
            with atomic_folder(self._target) as folder:
                self._write(folder, max_bad_files)
        except OSError as e:  # another process was faster: its levels are as good
            if e.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        source = self.load(max_bad_files)
        if source is None:
            raise VQError(f"cache: {self._target!r} is damaged as soon as it is written; check the disk")
        samples = sum(int(clips.ends[-1]) for clips in source.splits.values())
        clips = sum(clips.count for clips in source.splits.values())
        hours = samples / self._rate / 3600
        log.info("%d recordings, %.2f hours at %d Hz, in %s", clips, hours, self._rate, self._target)
        return source

    def _write(self, folder: str, max_bad_files: int) -> None:
        content, good, bad = hashlib.sha256(), [], []  # type: Any, List[Tuple[_Recording, int]], List[List[str]]
        most = MOST_SECONDS * self._rate
        with contextlib.ExitStack() as stack:
            out = {s: stack.enter_context(open(_paths(folder, s)[0], "wb")) for s in SPLITS}
            bar = tqdm(self._read_all(), total=len(self._recordings), unit="file", desc="read recordings")
            for recording, found in stack.enter_context(contextlib.closing(bar)):
                file = recording.file
                if isinstance(found, str):
                    log.warning("%s can't be read and is left out: %s", one_line(file.path), found)
                    bad.append([file.path, found])
                    _check_bad(bad, max_bad_files)
                    continue
                out[file.split].write(found.levels.tobytes())
                content.update(folder_lib.path_hash(file.path) + found.sha256)
                lengths = [min(most, len(found.levels) - i) for i in range(0, len(found.levels), most)]
                good += [(recording, length) for length in lengths]
        folder_lib.counts([recording.file for recording, _ in good], SPLITS)
        # Of those that can be read: another number for a speaker would be another model.
        speakers = sorted({recording.speaker for recording, _ in good})
        for split in SPLITS:
            _write_clips(_paths(folder, split), [g for g in good if g[0].file.split == split], speakers)
        written = [path for split in SPLITS for path in _paths(folder, split)]
        made = {
            "source": self._name or "wav-" + content.hexdigest()[:12],
            "data_dir": os.path.abspath(self._data_dir),
            "sample_rate": self._rate,
            "speakers": speakers,
            "unreadable": bad,
            "files": {os.path.basename(path): _size_and_hash(path) for path in written},
        }
        write_json(os.path.join(folder, MANIFEST), dict(made, sha256=_checksum(made)))

    def _read_all(self) -> Iterator[Tuple[_Recording, Union["_Found", str]]]:
        """Each recording, with its levels or why it has none."""

        def read(recording: _Recording) -> Union[_Found, str]:
            return _read(os.path.join(self._data_dir, *recording.file.path.split("/")), self._rate)

        with ThreadPool(THREADS) as pool:  # decoding and resampling leave Python's lock
            for i in range(0, len(self._recordings), AT_ONCE):
                some = self._recordings[i : i + AT_ONCE]
                yield from zip(some, pool.imap(read, some))


class _Found(NamedTuple):
    """What a file holds: levels uint8 [T], and the SHA-256 of its bytes."""

    levels: np.ndarray
    sha256: bytes


def _read(path: str, sample_rate: int) -> Union[_Found, str]:
    """The content of a file, or in one line why it can't be read."""
    try:
        x = audio.trim(audio.read(path, sample_rate), sample_rate)
        digest = hashlib.sha256()
        with open_regular(path) as f:
            for chunk in parts(f):
                digest.update(chunk)
    except OSError as e:
        return one_line(e.strerror or str(e))
    except ValueError as e:
        return one_line(str(e))
    return _Found(audio.mu_law(x), digest.digest())


def _check_bad(bad: Sequence[Sequence[str]], most: int) -> None:
    if len(bad) > most:
        path, why = bad[-1]
        got = f"{len(bad)} or more files that can't be read, {path} among them ({why})"
        raise VQError(f"data_dir: got {got}, expected at most {most}; --max_bad_files changes that")


def _paths(folder: str, split: str) -> Tuple[str, str, str]:
    """The files of a split: levels, numbers of the clips, names."""
    return tuple(os.path.join(folder, split + end) for end in (".levels", ".clips.npy", ".names"))


def _write_clips(paths: Tuple[str, str, str], clips: Sequence[Tuple[_Recording, int]], speakers: Sequence[str]) -> None:
    number = {name: i for i, name in enumerate(speakers)}
    ends = np.cumsum([length for _, length in clips])
    rows = [(end, number[r.speaker], r.label) for end, (r, _) in zip(ends, clips)]
    np.save(paths[1], np.array(rows, np.int64).reshape(-1, 3))
    with open(paths[2], "wb") as f:
        f.writelines(folder_lib.encoded(r.file.path) + b"\0" for r, _ in clips)


def _checksum(made: Dict[str, Any]) -> str:
    return folder_lib.fingerprint([json.dumps(made, sort_keys=True)])


def _load(paths: Tuple[str, str, str], speakers: int, labels: int) -> Clips:
    """The clips of a split.

    Raises:
      ValueError: the files don't fit each other.
    """
    rows = load_npy(paths[1])  # [N, 3]
    if rows.dtype != np.int64 or rows.ndim != 2 or rows.shape[1] != 3 or not len(rows):
        raise ValueError(f"{paths[1]} holds something else")
    ends, speaker, label = np.array(rows).T
    with open_regular(paths[2]) as f:
        names = tuple(os.fsdecode(name) for name in f.read().split(b"\0")[:-1])
    fits = len(names) == len(ends) and ends[-1] == os.path.getsize(paths[0]) and (np.diff(ends, prepend=0) > 0).all()
    known = speaker.min() >= 0 and speaker.max() < speakers and label.min() >= 0 and label.max() < labels
    if not fits or not known:
        raise ValueError(f"{paths[1]} does not fit what is beside it")
    levels = np.memmap(paths[0], np.uint8, "r")
    return Clips(levels, np.ascontiguousarray(ends), speaker.astype(np.int32), label.astype(np.int32), names)


def _size_and_hash(path: str) -> Tuple[int, str]:
    digest = hashlib.sha256()
    with open(path, "rb") as f:
        for chunk in parts(f):
            digest.update(chunk)
    return os.path.getsize(path), digest.hexdigest()


# Batches


def pieces(clips: Clips, window: int) -> int:
    """The training examples of an epoch: of each clip as many windows as cover it."""
    return int(np.sum(-(-clips.lengths // window)))


def windows(clips: Clips, window: int, chosen: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Stretches of clips, uint8 [B, window].

    Args:
      clips: of which.
      window: samples.
      chosen: [B], the number of the clip.
      places: float [B] in [0, 1), where the window begins among the places that it can; a clip that is shorter than the
        window begins with it, and SILENCE follows.
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

    An epoch has ceil(T / window) windows of a clip of T samples, each from a uniform place in it, in an order that
    mixes the clips. Clips and places depend on (seed, step) alone. The levels stay outside of the graph. With a `part`
    the elements are parts of batches, as those of `pipeline.training_dataset`.

    Raises:
      VQError: a batch can't be divided into so many parts.
    """
    own = check_part(part, batch_size)
    clips = source.splits["train"]
    clip_of = np.repeat(np.arange(clips.count, dtype=np.int32), -(-clips.lengths // window))  # [pieces]

    def cut(numbers, places):
        chosen = clip_of[numbers]
        return windows(clips, window, chosen, places), clips.speakers[chosen], clips.labels[chosen]

    def batch(numbers, step):
        # Doubles: a float has 2^24 places, a clip may have more.
        key = tf.stack([tf.constant(~seed, tf.int64), step])
        places = tf.random.stateless_uniform([batch_size], seed=key, dtype=tf.float64)
        given = [numbers[own], places[own]]
        levels, speaker, label = tf.numpy_function(cut, given, [tf.uint8, tf.int32, tf.int32])
        levels.set_shape([own.stop - own.start, window])
        for numbers_of in (speaker, label):
            numbers_of.set_shape([own.stop - own.start])
        return part.divided({"audio": levels, "speaker": speaker, "label": label})

    numbers = numbers_of_batches(len(clip_of), batch_size, seed, start_step)
    batches = tf.data.Dataset.zip((numbers, tf.data.Dataset.range(start_step, 2**62))).shard(part.turns, part.turn)
    return part.single(batches.map(batch)).prefetch(4)


def evaluation_dataset(source: SpeechSource, split: str) -> tf.data.Dataset:
    """Whole clips in order, one at a time: {"audio": uint8 [1, T], "speaker": int32 [1], "label": int32 [1]}."""
    clips = source.splits[split]

    def each():
        for i in range(clips.count):
            yield {"audio": clips.clip(i)[None], "speaker": clips.speakers[i : i + 1], "label": clips.labels[i : i + 1]}

    shapes = {"audio": [1, None], "speaker": [1], "label": [1]}
    return tf.data.Dataset.from_generator(each, {"audio": tf.uint8, "speaker": tf.int32, "label": tf.int32}, shapes)
