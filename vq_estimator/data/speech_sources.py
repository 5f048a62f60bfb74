"""Finds the recordings of a speech data set."""

import logging
import os
from typing import List, Optional, Sequence

from vq_estimator.config import SPEECH_DATASETS, SPLITS, DataConfig
from vq_estimator.data import audio, fsdd
from vq_estimator.data import folder as folder_lib
from vq_estimator.data.downloads import DownloadRecord, Fetch, download_tar, fetch
from vq_estimator.data.files import FileSpec, content_error, set_aside
from vq_estimator.data.folder import File
from vq_estimator.data.speech import SpeechSource
from vq_estimator.data.speech_cache import Cache, Recording
from vq_estimator.errors import VQError

log = logging.getLogger("vq_estimator")

HALF = fsdd.HALF
MAX_NAMES = 5  # most names of files in a message


def locate(
    dataset: str,
    data_dir: str,
    cache_dir: str,
    sample_rate: int,
    max_bad_files: int = 100,
    wanted: Optional[str] = None,
    fetcher: Fetch = fetch,
    data: DataConfig = folder_lib.NOW,
) -> SpeechSource:
    """Finds the recordings of `dataset`.

    "fsdd": valid recordings below `data_dir` are used, and the others are downloaded. If that fails and exactly half of
    the recordings are present, that half is used, with a warning. "wav": all sound files below `data_dir`; a folder
    names the speaker, and splits are as in `data/folder.py`.

    Args:
      dataset: one of SPEECH_DATASETS.
      data_dir: the folder that contains the data sets' folders; for "wav" the folder of the files.
      cache_dir: the user's cache folder; levels are in `speech/` there.
      sample_rate: sample rate to convert to, in samples per second.
      max_bad_files: number of "wav" files that may be unreadable.
      wanted: the `dataset_source` of an existing run; other data is an error.
      fetcher: downloads a url to a path; raises OSError.
      data: how the files of "wav" are read.

    Raises:
      VQError: the recordings are not available, differ from `wanted`, are too few, or too many are unreadable.
      OSError: the levels cannot be written.
    """
    if dataset not in SPEECH_DATASETS:
        raise VQError(f"dataset: got {dataset!r}, expected one of {', '.join(SPEECH_DATASETS)}")
    if not audio.RATES[0] <= sample_rate <= audio.RATES[1]:
        raise VQError(f"sample_rate: got {sample_rate}, expected {audio.RATES[0]} to {audio.RATES[1]}")
    if max_bad_files < 0:
        raise VQError(f"max_bad_files: got {max_bad_files}, expected 0 or more")
    if dataset == fsdd.NAME:
        return _locate_fsdd(data_dir, cache_dir, sample_rate, wanted, fetcher)
    listing = folder_lib.read(data_dir, folder_lib.SOUNDS, data)
    folder_lib.counts(listing.files, SPLITS)
    recordings = [Recording(f, listing.class_names[f.label], 0) for f in listing.files]
    cache = Cache(data_dir, cache_dir, sample_rate, recordings, (), None, data)
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
    downloaded = DownloadRecord(cache_dir)
    try:
        return _fsdd(name, data_dir, cache_dir, sample_rate, fetcher, downloaded)
    except _Missing as e:
        where = os.path.join(data_dir, *fsdd.FOLDER.split("/"))
        missing = f"{name}: {len(e.specs):,} of its recordings not found in {where!r} and not downloadable ({e})."
        names = _names(e.specs)
    if wanted is not None or not _is_exactly_half(data_dir):
        raise VQError(f"{missing} Put its recordings there: {names}")
    log.warning("%s Using the half of them, those with an index below 25 (%s).", missing, fsdd.HALF)
    try:
        return _fsdd(fsdd.HALF, data_dir, cache_dir, sample_rate, _no_more, downloaded)
    except _Missing as e:
        got = f"{len(e.specs):,} of its recordings in {where!r} were damaged: {_names(e.specs)}"
        raise VQError(f"{fsdd.HALF}: {got}") from None


def _is_exactly_half(data_dir: str) -> bool:
    """Whether exactly the recordings of the half are present. With more of them, the data set is incomplete."""
    half = set(fsdd.recordings(fsdd.HALF))
    others = [r for r in fsdd.recordings() if r not in half]
    return not _absent(fsdd.specs(list(half)), data_dir) and len(_absent(fsdd.specs(others), data_dir)) == len(others)


def _names(specs: Sequence[FileSpec]) -> str:
    more = f" and {len(specs) - MAX_NAMES:,} more" if len(specs) > MAX_NAMES else ""
    return ", ".join(os.path.basename(spec.path) for spec in specs[:MAX_NAMES]) + more


class _Missing(Exception):
    """The missing recordings, and why they cannot be downloaded."""

    def __init__(self, specs: Sequence[FileSpec], why: str):
        super().__init__(why)
        self.specs = specs


def _no_more(url: str, path: str) -> None:
    raise OSError(f"{url}: not asked again")


def _absent(specs: Sequence[FileSpec], data_dir: str) -> List[FileSpec]:
    return [s for s in specs if not os.path.isfile(os.path.join(data_dir, *s.path.split("/")))]


def _bring(specs: Sequence[FileSpec], data_dir: str, fetcher: Fetch, downloaded: DownloadRecord) -> None:
    """Downloads recordings; raises _Missing."""
    if not specs:
        return
    try:
        download_tar(specs, fsdd.ARCHIVES, data_dir, fetcher)
    except OSError as e:
        raise _Missing(specs, str(e)) from None
    finally:
        downloaded.add(data_dir, specs)


def _fsdd(
    name: str, data_dir: str, cache_dir: str, sample_rate: int, fetcher: Fetch, downloaded: DownloadRecord
) -> SpeechSource:
    chosen = fsdd.recordings(name)
    specs = fsdd.specs(chosen)
    _bring(_absent(specs, data_dir), data_dir, fetcher, downloaded)
    cache = _fsdd_cache(name, chosen, data_dir, cache_dir, sample_rate)
    source = cache.load(0)
    if source is not None:  # same sizes and modification times: not read again
        return source
    damaged = _damaged(specs, data_dir, downloaded)
    if damaged:
        _bring(damaged, data_dir, fetcher, downloaded)
        cache = _fsdd_cache(name, chosen, data_dir, cache_dir, sample_rate)
    return cache.make(0)


def _damaged(specs: Sequence[FileSpec], data_dir: str, downloaded: DownloadRecord) -> List[FileSpec]:
    """The downloaded recordings that are damaged, which are renamed.

    Raises:
      VQError: other files have wrong content; they are the user's and are left unchanged.
    """
    bad = []
    for spec in specs:
        path = os.path.join(data_dir, *spec.path.split("/"))
        try:
            problem = content_error(path, spec)
        except OSError as e:
            raise VQError(f"{path}: can't be read ({e.strerror})") from None
        if problem:
            bad.append((path, spec, problem))
    others = [(path, spec, problem) for path, spec, problem in bad if not downloaded.has(path, spec)]
    if others:
        path, _, problem = others[0]
        more = f", nor are {_names([spec for _, spec, _ in others[1:]])}" if others[1:] else ""
        want = "the published recording, or none under its name, so that it is downloaded"
        raise VQError(f"{path}: is not FSDD's recording ({problem}){more}; expected {want}")
    for path, _, problem in bad:
        log.warning("%s: %s; set aside as %s", path, problem, set_aside(path))
    return [spec for _, spec, _ in bad]


def _fsdd_cache(name: str, chosen: Sequence[fsdd.Recording], data_dir: str, cache_dir: str, sample_rate: int) -> Cache:
    folder, recordings = os.path.join(data_dir, *fsdd.FOLDER.split("/")), []
    for r in chosen:
        try:
            stat = os.stat(os.path.join(folder, r.name))
        except OSError as e:
            raise VQError(f"{e.filename}: can't be read ({e.strerror})") from None
        file = File(r.name, stat.st_size, stat.st_mtime_ns, r.split, r.speaker)
        recordings.append(Recording(file, fsdd.SPEAKERS[r.speaker], r.digit))
    return Cache(folder, cache_dir, sample_rate, recordings, fsdd.DIGITS, name)
