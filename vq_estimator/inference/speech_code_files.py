"""The files of codes of recordings: what `code_files.encode` writes, and their decoding.

A file of codes is an `.npz` with `codes` [M, L] of all recordings, concatenated; `lengths` [N], the number of codes of
each; `files` [N], their paths below the folder; and `origin` (JSON: the source of the codes, and the fingerprint of the
weights). For a split of the run's own data there are also `speakers` and `labels` [N].
"""

import os
from typing import Dict, Iterator, List, NamedTuple, Optional, Sequence

import numpy as np

from vq_estimator.data import audio
from vq_estimator.data.files import atomic_folder
from vq_estimator.data.outputs import FOLDER, output_kind
from vq_estimator.errors import VQError
from vq_estimator.inference import sampling
from vq_estimator.inference.code_files import Advance, file_names, load_archive
from vq_estimator.inference.examples import Examples
from vq_estimator.inference.sampling import Label
from vq_estimator.inference.speech_model import SpeechModel
from vq_estimator.inference.speech_sampling import seeds
from vq_estimator.progress import ProgressBar

DECODED_AT_ONCE = 64  # recordings


def compute_codes(model: SpeechModel, recordings: Examples, advance: Advance = lambda n: None) -> Dict[str, np.ndarray]:
    """Encodes all recordings.

    Args:
      model: the model.
      recordings: the recordings, one per batch.
      advance: called with 1 for each recording that is encoded.

    Returns:
      `codes` int32 [M, L] of all recordings, `lengths` int64 [N], and `files`, `speakers` and `labels` [N] if they are
      known for all recordings.
    """
    codes, known = [], {"files": [], "speakers": [], "labels": []}  # type: List[np.ndarray], Dict[str, list]
    for batch in recordings.batches():
        codes.append(model.encode(batch.images[0, 0, :, 0]))
        for name, values in known.items():
            values.append(getattr(batch, name))
        advance(1)
    none = np.zeros((0, model.config.model.quantizer.L), np.int32)
    arrays = {"codes": np.concatenate([none, *codes]), "lengths": np.array([len(c) for c in codes], np.int64)}
    arrays.update({k: np.concatenate(v) for k, v in known.items() if v and not any(one is None for one in v)})
    return arrays


def each_code_map(arrays: Dict[str, np.ndarray]) -> Sequence[np.ndarray]:
    """The codes [n, L] of each recording in the result of `compute_codes`."""
    return np.split(arrays["codes"], np.cumsum(arrays["lengths"])[:-1]) if len(arrays["lengths"]) else []


class CodesFile(NamedTuple):
    """The content of a file of codes: codes [n, L] of each recording, and the names of the WAVs to write."""

    codes: List[np.ndarray]
    names: List[str]


def load(model: SpeechModel, path: str) -> CodesFile:
    """Reads a file of `encode`, or another `.npz` of `codes` [M, L] and `lengths` [N].

    Raises:
      VQError: the file cannot be read, has no such codes, or is from other weights than the model's.
    """

    def unpack(found):
        codes, lengths = found.get("codes"), found.get("lengths")
        if codes is None or lengths is None:
            raise ValueError("no codes and lengths in it")
        if codes.ndim != 2 or lengths.ndim != 1 or lengths.dtype.kind not in "iu" or not lengths.size:
            raise ValueError(f"its codes are {list(codes.shape)} and its lengths {list(lengths.shape)}")
        if lengths.min() < 1 or lengths.max() > len(codes) or int(lengths.astype(np.int64).sum()) != len(codes):
            raise ValueError(f"its lengths don't sum up to its {len(codes):,} codes")
        numbers = [f"{i:06d}.wav" for i in range(len(lengths))]
        names = file_names(found["files"], len(lengths), ".wav") if "files" in found else numbers
        return CodesFile(np.split(codes, np.cumsum(lengths.astype(np.int64))[:-1]), names)

    return load_archive(model, path, ("codes", "lengths", "files"), unpack)


def decode(
    model: SpeechModel, codes: CodesFile, out: str, speaker: Optional[str], seed: int = 0, guidance: float = 1.0
) -> int:
    """Decodes codes for a speaker and writes WAVs to the folder `out`; returns the number of recordings.

    The folder is made atomically. A recording is as long as its codes. `guidance`: see `SpeechModel.decode`.

    Raises:
      VQError: the codes are not valid for the model, the speaker does not exist, or the folder exists.
    """
    if speaker is None:
        raise VQError("speaker: got none, expected one of " + ", ".join(model.config.model.speakers))
    voice, n = model.speaker(speaker), len(codes.codes)
    output_kind("out", out, (FOLDER,), FOLDER)
    if os.path.exists(out):
        raise VQError(f"out: {out!r} exists; give the name of a folder to make")
    sampling.check_seed(seed)
    model.check_guidance(guidance)
    model.check_codes(codes.codes)
    with atomic_folder(out) as folder, ProgressBar(total=n, unit="clip", desc="decode") as bar:
        for name, levels in zip(codes.names, decode_each(model, codes.codes, voice, seed, guidance)):
            audio.write_wav(os.path.join(folder, *name.split("/")), levels, model.sample_rate)
            bar.update()
    return n


def decode_each(
    model: SpeechModel, codes: Sequence[np.ndarray], speaker: Label, seed: int, guidance: float, first: int = 0
) -> Iterator[np.ndarray]:
    """Yields the recording uint8 [T] of each of the codes [n, L]; `first` is the position of the first one."""
    for start in range(0, len(codes), DECODED_AT_ONCE):
        some = codes[start : start + DECODED_AT_ONCE]
        each = seeds(seed, len(some), first + start)
        yield from model.decode_all(some, [speaker] * len(some), each, guidance=guidance)
