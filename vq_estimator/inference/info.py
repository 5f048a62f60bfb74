"""Describes a run directory, a file of codes or a compressed file in lines of text."""

import os
from typing import Any, List, Mapping, Tuple

from vq_estimator.config import SPLITS, Config, type_name
from vq_estimator.data.files import open_regular, parse_json, read_json
from vq_estimator.data.numpy_files import load_npz
from vq_estimator.errors import VQError, counted, one_line
from vq_estimator.inference.calibration import kept
from vq_estimator.inference.code_files import MAX_CODES
from vq_estimator.inference.codec import container
from vq_estimator.inference.codec.run import FINGERPRINT
from vq_estimator.inference.session import OpenRun
from vq_estimator.training import checkpoints, run_folder

Lines = List[Tuple[str, str]]


def describe(path: str, known: Mapping[str, str]) -> Lines:
    """Describes a path as (label, text) lines.

    Args:
      path: a run directory, a file of codes (`.npz`, which `vq-encode` wrote) or a compressed file (`.vqz`).
      known: names of weights by their fingerprints (`pretrained.by_fingerprint`).

    Raises:
      VQError: the path is another kind of file, or cannot be read.
    """
    if os.path.isdir(path):
        if not os.path.lexists(os.path.join(path, run_folder.CONFIG)):
            want = f"a run directory, with a {run_folder.CONFIG}, a .npz of codes or a .vqz file"
            raise VQError(f"input: got {path!r}, a folder of another kind, expected {want}")
        return describe_run(path, known)
    try:
        with open_regular(path) as f:
            begin = f.read(len(container.MAGIC))
    except OSError as e:
        raise VQError(f"input: {path!r} can't be read ({e.strerror or e})") from None
    if begin == container.MAGIC:
        return describe_compressed(path, known)
    if begin.startswith(b"PK"):
        return describe_codes(path, known)
    raise VQError(f"input: got {path!r}, expected a run directory, a .npz of codes or a .vqz file")


def describe_run(model_dir: str, known: Mapping[str, str]) -> Lines:
    """Model, training, data and computed results of a run."""
    config = run_folder.load_config(model_dir)
    m, train = config.model, config.train
    lines = [
        ("run directory", model_dir),
        ("configuration", f"{config.dataset}, preset {config.preset}"),
        ("model", f"{m.describe()}, likelihood {type_name(m.likelihood)}, {m.precision}"),
        ("examples", m.describe_examples()),
        ("data", _data(config)),
    ]
    checkpoint = checkpoints.latest_checkpoint(model_dir)
    if checkpoint is None:
        return [*lines, ("training", f"no checkpoint yet, of {train.max_steps:,} steps")]
    best = checkpoints.load_best(model_dir)
    at = f", best by validation at step {best['global_step']:,}" if best else ""
    lines.append(("training", f"step {checkpoint.step:,} of {train.max_steps:,}{at}"))
    run = OpenRun(config, checkpoint, model_dir)
    lines.append(("weights", f"{run.fingerprint[:FINGERPRINT]}{_name(run.fingerprint, known)}"))
    lines.append(("prior", "none" if run.prior is None else _prior(run.prior)))
    calibrated = "yes" if kept(run) else "no: run vq-evaluate"
    lines.append(("calibrated", calibrated))
    lines += [
        (f"evaluated on {split}", text) for split in SPLITS for text in [_evaluated(model_dir, split, m.unit)] if text
    ]
    return lines


def _data(config: Config) -> str:
    source = config.dataset_source or "none yet: the first data that it is given"
    warm = f", weights at first those of {config.warm_start}" if config.warm_start else ""
    return f"{source} (splits and crops by rules {config.data.rules}){warm}"


def _prior(prior: Any) -> str:
    of = prior.config.codes
    kinds = {"class": "classes", "speaker": "speakers", "both": "pairs of class and speaker"}
    condition = f"conditional on {of.classes} {kinds[of.condition]}" if of.classes else "not class-conditional"
    return f"step {prior.checkpoint.step:,}, {condition}"


def _evaluated(model_dir: str, split: str, unit: str) -> str:
    try:
        result = read_json(os.path.join(model_dir, "eval", split + ".json"))
        bits, mse = result["bits_per_dim"], result["mse"]
        prior = "prior" if bits.get("total_prior") is not None else "uniform"
        text = f"step {result['global_step']:,}: {bits['total_' + prior]:.3f} bits/{unit} ({prior})"
        return text + ("" if mse is None else f", mse {mse:.5f}")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ""


def describe_codes(path: str, known: Mapping[str, str]) -> Lines:
    """Shape and source of the codes in a file, and the weights that they need."""
    try:
        found = load_npz(path, ("codes", "lengths", "files", "labels", "origin"), MAX_CODES)
        codes, origin = found["codes"], parse_json(str(found["origin"])) if "origin" in found else {}
        of, K, weights = (origin.get(name) for name in ("input", "K", "fingerprint"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as e:
        raise VQError(f"input: {path!r} can't be read as a file of codes ({one_line(str(e))[:100]})") from None
    number = len(found["lengths"]) if "lengths" in found else len(codes)
    kind = "recordings" if "lengths" in found else "images"
    lines = [
        ("file of codes", path),
        ("codes", f"of {number:,} {kind}, shape {list(codes.shape)}" + (f", values of {K}" if K else "")),
        ("input", str(of or "unknown")),
        ("also holds", ", ".join(name for name in ("files", "labels", "lengths") if name in found) or "nothing else"),
    ]
    return [*lines, ("decodes with", _needed(str(weights), known) if weights else "unknown weights")]


def describe_compressed(path: str, known: Mapping[str, str]) -> Lines:
    """Content of a `.vqz` file, how it was coded, and the weights that it needs."""
    file = container.read(path)
    h = file.header
    content = counted(h.images, h.content) + (f" at {h.sample_rate:,} Hz" if h.sample_rate else "")
    size = f" of {h.size[0]} x {h.size[1]} pixels" if h.size else ""
    versions = ", ".join(f"{name} {value}" for name, value in h.arithmetic.items() if isinstance(value, str))
    coded = f"likelihood {h.likelihood}, decoder {h.decoder}, {h.prior} prior"
    coded += ", portable" if h.portable else ""
    damaged = "" if file.size == file.expected_size else f" (damaged: expected {file.expected_size:,} bytes)"
    lines = [
        ("compressed file", f"{path}, format {h.version}"),
        ("content", content + size),
        ("size", f"{file.size:,} bytes, {file.overhead:,} of them header, in {len(file.entries):,} chunks{damaged}"),
        ("coded with", f"{h.prior} prior, decoder {h.decoder}" if h.lossy else coded),
        ("written by", one_line(versions)),
        ("decodes with", _needed(h.model, known)),
    ]
    return lines + _codes(file) if h.lossy else lines


def _codes(file: container.Container) -> Lines:
    """Codes and rate of a lossy file."""
    h, payload = file.header, 8 * (file.size - file.overhead)
    *tile, _, height, width, L, K = h.sizes
    area = " x ".join(f"{n:,}" for n in (tile * 2)[:2]) + " pixels" if h.sample_rate is None else f"{tile[0]:,} samples"
    rate = f"{payload / h.images:,.1f} bits per {h.content[:-1]} without the header"
    if h.sample_rate is not None:
        seconds = sum(item.width for item in file.items or ()) / h.sample_rate
        rate += f", {payload / max(seconds, 1e-9):,.0f} bits per second"
    return [
        ("restores", h.reconstruction),
        ("codes", f"{height:,} x {width:,} x {L:,} codes of {K:,} for {area}"),
        ("rate", rate),
    ]


def _needed(weights: str, known: Mapping[str, str]) -> str:
    return f"the run whose weights are {weights[:FINGERPRINT]}{_name(weights, known)}"


def _name(weights: str, known: Mapping[str, str]) -> str:
    """Text for the provided model with these weights, or ""."""
    names = [name for ours, name in known.items() if ours[:FINGERPRINT] == weights[:FINGERPRINT]]
    return f" (the provided model {names[0]})" if names else ""
