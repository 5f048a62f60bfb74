"""Remembers in an output folder which shards are finished, so that a pipeline that is started again continues.

The folder `.done` has `plan.json`, which identifies the pipeline, and a JSON file for each finished shard. It is made
with the first file that gets its name: a pipeline that fails before leaves nothing.
"""

import contextlib
from typing import Any, Iterator, Optional, Sequence

from vq_estimator.beam import storage
from vq_estimator.errors import VQError

DONE = ".done"  # folder in an output


def find_finished(out: str, shard: Any, content: str) -> Optional[dict]:
    """What `finish` kept about a shard; None if the shard is not finished.

    Args:
      out: the output folder.
      shard: the shard.
      content: what the pipeline writes, and in which format.

    Raises:
      VQError: the folder has the output of another pipeline.
    """
    if not _has_plan(out, shard, content):
        return None
    kept = storage.read_json(_kept_path(out, shard.number))
    if kept and kept["file"] is not None and not storage.exists(storage.join(out, kept["file"])):
        return None
    return kept or None


def _has_plan(out: str, shard: Any, content: str) -> bool:
    """Whether the folder is that of this pipeline; False for a new folder, and a VQError for that of another."""
    begun = storage.read_json(_plan_path(out))
    if begun and begun != _plan(shard, content):
        got = f"{out!r}, which has the shards of another input, model, format or number of shards"
        raise VQError(f"out: got {got}, expected a new folder, or the command that made it")
    return bool(begun)


@contextlib.contextmanager
def writing(out: str, shard: Any, content: str, name: str) -> Iterator[str]:
    """Yields the name of a local file to write. Its content gets the name `name` below `out` when the block succeeds,
    and the folder is then that of this pipeline; see `find_finished`.
    """
    with storage.atomic(storage.join(out, *name.split("/"))) as local:
        yield local
        _begin(out, shard, content)


def _begin(out: str, shard: Any, content: str) -> None:
    if not _has_plan(out, shard, content):
        storage.write_json(_plan_path(out), _plan(shard, content))


def finish(out: str, shard: Any, content: str, about: dict) -> dict:
    """Keeps what is known about a shard whose files have their names, so that it is not processed again; returns it."""
    _begin(out, shard, content)
    kept = dict(about, number=shard.number, first=shard.first, input=shard.origin, plan=shard.plan)
    storage.write_json(_kept_path(out, shard.number), kept)
    return kept


def discard(out: str, done: Sequence[dict]) -> None:
    """Removes the files of finished shards, and what is known about them. `done` has the results of `finish`."""
    for kept in done:
        if kept["file"] is not None:
            storage.remove(storage.join(out, kept["file"]))
        storage.remove(_kept_path(out, kept["number"]))
    storage.remove(_plan_path(out))
    for folder in (storage.join(out, DONE), out):
        storage.remove_empty(folder)


def _plan(shard: Any, content: str) -> dict:
    return {"plan": shard.plan, "content": content}


def _plan_path(out: str) -> str:
    return storage.join(out, DONE, "plan.json")


def _kept_path(out: str, number: int) -> str:
    return storage.join(out, DONE, f"{number:05d}.json")
