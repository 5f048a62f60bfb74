"""Where the recordings of a data set of speech come from."""

import logging
import os
from typing import List, Optional, Sequence

from vq_estimator.config import SPEECH_DATASETS
from vq_estimator.data import audio, fsdd
from vq_estimator.data import folder as folder_lib
from vq_estimator.data.downloads import Fetch, download_tar, fetch
from vq_estimator.data.files import FileSpec, content_error, set_aside
from vq_estimator.data.folder import File
from vq_estimator.data.pipeline import SPLITS
from vq_estimator.data.speech import SpeechSource
from vq_estimator.data.speech_cache import Cache, Recording
from vq_estimator.errors import VQError

log = logging.getLogger("vq_estimator")

HALF = fsdd.HALF


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
      dataset: of SPEECH_DATASETS.
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
    if dataset not in SPEECH_DATASETS:
        raise VQError(f"dataset: got {dataset!r}, expected one of {', '.join(SPEECH_DATASETS)}")
    if not audio.RATES[0] <= sample_rate <= audio.RATES[1]:
        raise VQError(f"sample_rate: got {sample_rate}, expected {audio.RATES[0]} to {audio.RATES[1]}")
    if max_bad_files < 0:
        raise VQError(f"max_bad_files: got {max_bad_files}, expected 0 or more")
    if dataset == fsdd.NAME:
        return _locate_fsdd(data_dir, cache_dir, sample_rate, wanted, fetcher)
    listing = folder_lib.read(data_dir, folder_lib.SOUNDS)
    folder_lib.counts(listing.files, SPLITS)
    recordings = [Recording(f, listing.class_names[f.label], 0) for f in listing.files]
    cache = Cache(data_dir, cache_dir, sample_rate, recordings, (), None)
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
