"""`manifest.json` of an output: the model, the shards, and the files that were left out and why."""

from typing import List, Sequence

from vq_estimator.beam import resuming, storage
from vq_estimator.config import Config
from vq_estimator.errors import VQError
from vq_estimator.training.checkpoints import Checkpoint
from vq_estimator.version import __version__

MANIFEST = "manifest.json"


def about_model(config: Config, checkpoint: Checkpoint, fingerprint: str) -> dict:
    """The part of a manifest that identifies the model."""
    m = config.model
    return {
        "fingerprint": fingerprint,
        "global_step": checkpoint.step,
        "dataset_source": config.dataset_source,
        "K": m.quantizer.K,
        "codes_shape": list(m.codes_shape),
    }


def write(done: List[storage.Report], out: str, limit: int, content: str) -> storage.Report:
    """Writes the manifest of the finished shards; returns its content.

    Args:
      done: the shards, in any order.
      out: the output folder.
      limit: the largest number of files that cannot be read, of all shards.
      content: what the shards hold.
    """
    made = compose(done, content)
    if not made["examples"]:
        resuming.discard(out, done)
    check(made, limit)
    storage.sweep(out, [shard["file"] for shard in done if shard["file"] is not None])
    storage.write_json(storage.join(out, MANIFEST), made)
    return storage.Report(made)


def compose(done: Sequence[dict], content: str) -> dict:
    """The manifest of finished shards, in any order."""
    done = sorted(done, key=lambda shard: shard["number"])
    keys = [key for key in done[0] if key not in ("number", "plan", "input", "model", "format", "left_out")]
    return {
        "content": content,
        "format": done[0]["format"],
        "version": __version__,
        "input": done[0]["input"],
        "model": done[0]["model"],
        "plan": done[0]["plan"],
        "examples": sum(shard["examples"] for shard in done),
        "left_out": [file for shard in done for file in shard["left_out"]],
        "shards": [{key: shard[key] for key in keys} for shard in done],
    }


def check(made: dict, limit: int) -> None:
    """Raises a VQError if there is no example, or more files than `limit` were left out."""
    check_limit(made["left_out"], limit)
    if not made["examples"]:
        raise VQError(f"input: got no readable example in {made['input']!r}, expected one or more")


def check_limit(left_out: Sequence[dict], limit: int) -> None:
    """Raises a VQError if more files than `limit` were left out."""
    if len(left_out) > limit:
        last = f"{left_out[-1]['name']} the last ({left_out[-1]['reason']})"
        want = f"at most {limit}; --max_bad_files changes that"
        raise VQError(f"input: got {len(left_out)} files that can't be read, {last}, expected {want}")
