"""Bits a sample: of a run, of one of the same size without codes, and of FLAC on the same 8-bit levels."""

import inspect
import io

import numpy as np
import soundfile

from benchmarks.speed import report
from vq_estimator.config import SpeechConfig, differences
from vq_estimator.errors import VQError
from vq_estimator.inference import evaluation
from vq_estimator.inference.session import OpenRun, open_run
from vq_estimator.training import run_folder


def measure(config, checkpoint, source, model_dir: str, without: str) -> dict:
    """Bits a sample of the run, of one without codes where that is given, and of FLAC."""
    with OpenRun(config, checkpoint, model_dir) as run:
        found = evaluation.evaluate(run, source, "test")
    result = {
        "clips": found["examples"],
        "samples": int(source.splits["test"].lengths.sum()),
        "run": found["bits_per_dim"],
        "prior_conditional_bits_per_clip": (found["prior"] or {}).get("bits_per_image_given_class"),
        "without_codes": None,
        "flac": flac(source.splits["test"], config.model.sample_rate),
    }
    if without:
        other = run_folder.load_config(without)
        check_without(config, other)
        with open_run(without) as run:
            plain = evaluation.evaluate(run, source, "test")
        result["without_codes"] = dict(plain["bits_per_dim"], global_step=plain["global_step"])
    b = result["run"]
    rows = [("bits per sample", "total", "distortion", "rate")]
    for prior, name in (("uniform", "uniform prior"), ("unigram", "unigram prior"), ("prior", "trained prior")):
        if b["total_" + prior] is not None:
            rows.append((name, *(f"{b[key]:.4f}" for key in ("total_" + prior, "distortion", "rate_" + prior))))
    if result["without_codes"]:
        rows.append(("without codes (K=1)", "{total_uniform:.4f}".format(**result["without_codes"]), "", ""))
    rows.append(("FLAC, a file a clip", "{bits_per_sample:.4f}".format(**result["flac"]["by_clip"]), "", ""))
    rows.append(("FLAC, a file a speaker", "{bits_per_sample:.4f}".format(**result["flac"]["by_speaker"]), "", ""))
    report.table(rows)
    return result


def check_without(config, other) -> None:
    """Raises VQError unless `other` is `config` but for its codes, of which there is one."""
    ok = isinstance(other.model, SpeechConfig) and other.model.quantizer.K == 1
    if not ok:
        raise VQError("without: got a run with codes, expected a speech run trained with --K=1")
    differ = [line.split(":")[0] for line in differences(config, other)]
    differ = [name for name in differ if name != "model.quantizer.K"]
    if differ:
        raise VQError(f"without: got a run of another {', '.join(differ)}, expected one that differs in K alone")


def flac(clips, sample_rate: int) -> dict:
    """Bits a sample of FLAC files of the mu-law levels as signed 8-bit samples (PCM_S8): level 128 is 0.

    `bits_per_sample` counts whole files; `of_frames` leaves out what stands before the first frame (here mostly
    libsndfile's own name), which weighs in short files.
    """
    by_clip = [clips.clip(i) for i in range(clips.count)]
    by_speaker = [np.concatenate([c for c, s in zip(by_clip, clips.speakers) if s == k]) for k in set(clips.speakers)]
    found = {"samples": int(clips.lengths.sum()), "encoder": soundfile.__libsndfile_version__}
    for name, parts in (("by_clip", by_clip), ("by_speaker", by_speaker)):
        files = [flac_file(part, sample_rate) for part in parts]
        total, frames = sum(map(len, files)), sum(len(file) - flac_head(file) for file in files)
        found[name] = {
            "files": len(files),
            "bits_per_sample": 8.0 * total / found["samples"],
            "of_frames": 8.0 * frames / found["samples"],
        }
    return found


def flac_file(levels: np.ndarray, sample_rate: int) -> bytes:
    """Levels uint8 [T] as a FLAC file, at the highest compression that soundfile lets one ask for."""
    file = io.BytesIO()
    samples = (levels.astype(np.int16) - 128) << 8  # libsndfile takes the upper byte
    most = {"compression_level": 1.0} if "compression_level" in inspect.signature(soundfile.write).parameters else {}
    soundfile.write(file, samples, sample_rate, "PCM_S8", format="FLAC", **most)
    return file.getvalue()


def flac_head(file: bytes) -> int:
    """Bytes before the first frame: the marker, and metadata blocks up to the last one."""
    at = 4
    while True:
        head = file[at]
        at += 4 + int.from_bytes(file[at + 1 : at + 4], "big")
        if head & 0x80:
            return at
