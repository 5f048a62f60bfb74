"""Stores the levels of recordings in the cache folder and reads them when needed: a corpus may exceed memory.

Each file is decoded, resampled, trimmed and converted to levels once. A file of more than MAX_SECONDS becomes several
clips. The levels are valid for one sample rate and for the sizes and modification times of the files; otherwise new
ones are made.
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

from vq_estimator.config import SPLITS, DataConfig
from vq_estimator.data import audio
from vq_estimator.data import folder as folder_lib
from vq_estimator.data.bad_files import check_number
from vq_estimator.data.files import (
    ChecksumCache,
    FileSpec,
    atomic_folder,
    open_regular,
    read_json,
    size_and_hash,
    write_json,
)
from vq_estimator.data.folder import File
from vq_estimator.data.numpy_files import load_npy
from vq_estimator.data.speech import Clips, SpeechSource
from vq_estimator.errors import VQError, one_line
from vq_estimator.progress import ProgressBar

log = logging.getLogger("vq_estimator")

FORMAT = 2  # version of the cache; another version makes a new one
MANIFEST = "speech.json"
MAX_SECONDS = 30  # longest clip; a longer recording becomes several clips, which bounds the memory
THREADS = 4
AT_ONCE = 64  # files whose levels are in memory while the cache is made


class Recording(NamedTuple):
    """A file to read: its entry in the folder, its speaker, and the index of its class."""

    file: File
    speaker: str
    label: int


class Cache:
    """The levels of recordings, in a folder that is written atomically.

    For each split, `<split>.levels` has the levels, `<split>.clips.npy` int64 [N, 3] the end, speaker and label of each
    clip, and `<split>.names` the names of the files with a zero byte after each.
    """

    def __init__(
        self,
        data_dir: str,
        cache_dir: str,
        sample_rate: int,
        recordings: Sequence[Recording],
        class_names: Tuple[str, ...],
        name: Optional[str],
        data: DataConfig = folder_lib.NOW,
    ):
        """`name` is the name of the data set, or None if the content of the files gives it; `data` says how they were
        read.
        """
        self._data_dir, self._rate, self._recordings = data_dir, sample_rate, recordings
        self._class_names, self._name, self._rules = class_names, name, data.rules
        key = folder_lib.fingerprint([FORMAT, sample_rate, name, data, class_names, *recordings], 16)
        self._target = os.path.join(cache_dir, "speech", f"{key}-{sample_rate}")
        self._checksums = ChecksumCache(cache_dir)

    def load(self, max_bad_files: int) -> Optional[SpeechSource]:
        """Loads what `make` wrote, or None. Damaged data is removed."""
        if not os.path.isdir(self._target):
            return None
        try:
            made = read_json(os.path.join(self._target, MANIFEST))
            source = self._source(made)
            bad = [(path, why) for path, why in made["unreadable"]]
            if not all(isinstance(text, str) for texts in bad for text in texts):
                raise ValueError(f"{MANIFEST} holds something else")
        except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as e:
            log.warning("the cached recordings are damaged (%s) and are made again", one_line(str(e)))
            shutil.rmtree(self._target)
            return None
        if bad:
            where = os.path.join(self._target, MANIFEST)
            log.warning("unreadable files left out: %d, named in %s", len(bad), where)
        check_number(bad, max_bad_files)
        return source

    def _source(self, made: Dict[str, Any]) -> SpeechSource:
        """Loads what `_write` wrote. Anything else raises one of the errors that `load` handles."""
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
          VQError: more than `max_bad_files` are unreadable, or a split is empty.
        """
        os.makedirs(os.path.dirname(self._target), exist_ok=True)
        try:
            with atomic_folder(self._target) as folder:
                self._write(folder, max_bad_files)
        except OSError as e:  # another process was faster; its levels are as good
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
        content = hashlib.sha256()
        good: List[Tuple[Recording, int]] = []
        bad: List[List[str]] = []
        most = MAX_SECONDS * self._rate
        with contextlib.ExitStack() as stack:
            out = {s: stack.enter_context(open(_paths(folder, s)[0], "wb")) for s in SPLITS}
            bar = ProgressBar(self._read_all(), total=len(self._recordings), unit="file", desc="read recordings")
            for recording, found in stack.enter_context(contextlib.closing(bar)):
                file = recording.file
                if isinstance(found, str):
                    log.warning("%s can't be read and is left out: %s", one_line(file.path), found)
                    bad.append([file.path, found])
                    check_number(bad, max_bad_files)
                    continue
                out[file.split].write(found.levels.tobytes())
                content.update(file.hash + found.sha256)
                lengths = [min(most, len(found.levels) - i) for i in range(0, len(found.levels), most)]
                good += [(recording, length) for length in lengths]
        folder_lib.counts([recording.file for recording, _ in good], SPLITS)
        # Based on the readable files: another index of a speaker would be another model.
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
            "files": {os.path.basename(path): size_and_hash(path) for path in written},
        }
        write_json(os.path.join(folder, MANIFEST), dict(made, sha256=_checksum(made)))

    def _read_all(self) -> Iterator[Tuple[Recording, Union["_Found", str]]]:
        """Yields each recording with its levels, or with the reason why it has none."""

        def read(recording: Recording) -> Union[_Found, str]:
            return _read(os.path.join(self._data_dir, *recording.file.path.split("/")), self._rate, self._rules)

        with ThreadPool(THREADS) as pool:  # decoding and resampling release Python's lock
            for i in range(0, len(self._recordings), AT_ONCE):
                some = self._recordings[i : i + AT_ONCE]
                yield from zip(some, pool.imap(read, some))


class _Found(NamedTuple):
    """The content of a file: levels uint8 [T], and the SHA-256 of its bytes."""

    levels: np.ndarray
    sha256: bytes


def _read(path: str, sample_rate: int, rules: int) -> Union[_Found, str]:
    """The content of a file, or one line with the reason why it cannot be read."""
    try:
        x = audio.trim(audio.read(path, sample_rate, rules), sample_rate)
        _, sha256 = size_and_hash(path)
    except OSError as e:
        return one_line(e.strerror or str(e))
    except ValueError as e:
        return one_line(str(e))
    return _Found(audio.mu_law(x), bytes.fromhex(sha256))


def _paths(folder: str, split: str) -> Tuple[str, str, str]:
    """The files of a split: levels, ends with speakers and labels, and names."""
    levels, clips, names = (os.path.join(folder, split + end) for end in (".levels", ".clips.npy", ".names"))
    return levels, clips, names


def _write_clips(paths: Tuple[str, str, str], clips: Sequence[Tuple[Recording, int]], speakers: Sequence[str]) -> None:
    number = {name: i for i, name in enumerate(speakers)}
    ends = np.cumsum([length for _, length in clips])
    rows = [(end, number[r.speaker], r.label) for end, (r, _) in zip(ends, clips)]
    np.save(paths[1], np.array(rows, np.int64).reshape(-1, 3))
    with open(paths[2], "wb") as f:
        f.write(folder_lib.pack_names([r.file.path for r, _ in clips]))


def _checksum(made: Dict[str, Any]) -> str:
    return folder_lib.fingerprint([json.dumps(made, sort_keys=True)])


def _load(paths: Tuple[str, str, str], speakers: int, labels: int) -> Clips:
    """Loads the clips of a split.

    Raises:
      ValueError: the files do not match.
    """
    rows = load_npy(paths[1])  # [N, 3]
    if rows.dtype != np.int64 or rows.ndim != 2 or rows.shape[1] != 3 or not len(rows):
        raise ValueError(f"{paths[1]} holds something else")
    ends, speaker, label = np.array(rows).T
    with open_regular(paths[2]) as f:
        names = folder_lib.unpack_names(f.read())
    fits = len(names) == len(ends) and ends[-1] == os.path.getsize(paths[0]) and (np.diff(ends, prepend=0) > 0).all()
    known = speaker.min() >= 0 and speaker.max() < speakers and label.min() >= 0 and label.max() < labels
    if not fits or not known:
        raise ValueError(f"{paths[1]} does not match the other files")
    levels = np.memmap(paths[0], np.uint8, "r")
    return Clips(levels, np.ascontiguousarray(ends), speaker.astype(np.int32), label.astype(np.int32), names)
