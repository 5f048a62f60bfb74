"""Divides an input into shards: consecutive complete batches, which one worker processes at a time."""

import hashlib
import math
from typing import Any, List, Optional, Tuple

import apache_beam as beam

from vq_estimator.beam import manifest, storage
from vq_estimator.beam.inputs import FEATURES, CodeFiles, Features, TFExamples
from vq_estimator.beam.listing import AnyInput, Listed, list_input
from vq_estimator.beam.runs import locate
from vq_estimator.config import arguments, part
from vq_estimator.data import batching
from vq_estimator.errors import VQError
from vq_estimator.training import checkpoints, run_folder

EXAMPLES = 5000  # of a shard, if their number is not asked for
MAX_SHARDS = 100000


class Shard:
    """A part of an input.

    Attributes:
      number, count: the shard's number, and how many there are.
      first: the position of its first example in the input; None if it is not known.
      input: what to read.
      origin: the input that was asked for.
      plan: a text that differs for other inputs, weights and numbers of shards.
      fingerprint: the SHA-256 of the weights.
    """

    def __init__(
        self, number: int, count: int, first: Optional[int], input: AnyInput, origin: str, plan: str, fingerprint: str
    ):
        self.number, self.count, self.first, self.input = number, count, first, input
        self.origin, self.plan, self.fingerprint = origin, plan, fingerprint

    @property
    def name(self) -> str:
        """Its number in the names of files, such as 00003-of-00016."""
        return f"{self.number:05d}-of-{self.count:05d}"


class _Shards(beam.PTransform):
    """Provides `shards`, a list of Shard, to a pipeline."""

    shards: List[Shard]

    def expand(self, pipeline: Any) -> Any:
        return pipeline | beam.Create(self.shards) | beam.Reshuffle()


def model_of(run: str, checkpoint: str) -> Tuple[Any, str]:
    """The configuration of a run's model, and the fingerprint of its weights."""
    with locate(run) as folder:
        path = checkpoints.find_checkpoint(folder, checkpoint).path
        return run_folder.load_config(folder).model, checkpoints.fingerprint(path)


class Read(_Shards):
    """Divides an input into shards, for `Encode`, `Evaluate` and `Compress`.

    Listing happens here, where the pipeline is made; the workers read the content. A shard consists of complete
    batches of `vq-encode`, so that the results do not depend on the number of shards.

    Args:
      run: a run directory, on a store too, or the name of a provided model.
      input: a folder, file or pattern of image or sound files; TFRecord files of `vq-make-tfrecords` or of tf.Example;
        or a `.npy`: uint8 or uint16 [N, H, W, C], or for speech mu-law levels uint8 [N, T].
      shards: their number, at most one per batch; 0: one per 5,000 examples. Each TFRecord file of tf.Example is a
        shard.
      checkpoint: "latest", "best" or a path.
      features: the names of the features of tf.Example.
      multiple_of: shards begin at a multiple of this number of examples; see `Evaluate` and `Decode`.

    Attributes:
      shards: the shards.

    Raises:
      VQError: there is no such run or input, or an argument is invalid.
    """

    def __init__(
        self,
        run: str,
        input: str,
        shards: int = 0,
        checkpoint: str = "latest",
        features: Features = FEATURES,
        multiple_of: int = 1,
    ):
        super().__init__()
        input = arguments.path("input", input)
        multiple = arguments.integer("multiple_of", multiple_of, 1)
        m, fingerprint = model_of(run, checkpoint)
        dims = m.fixed_dims
        batch = 1 if dims is None else batching.evaluation_batch(dims)
        batch = batch * multiple // math.gcd(batch, multiple)
        self.shards = shards_of(list_input(input, m, Features(*features)), shards, batch, input, fingerprint)


class ReadCodes(_Shards):
    """Divides the codes that `Encode` wrote into shards, for `Decode`.

    Args:
      run: the run that made the codes.
      input: the output folder of `Encode`, which has a `manifest.json`.
      shards: their number; 0: one per 5,000 examples.
      checkpoint: "latest", "best" or a path.

    Attributes:
      shards: the shards.

    Raises:
      VQError: there is no such run or output, or it is of other weights.
    """

    def __init__(self, run: str, input: str, shards: int = 0, checkpoint: str = "latest"):
        super().__init__()
        m, fingerprint = model_of(run, checkpoint)
        made = storage.read_json(storage.join(input, manifest.MANIFEST))
        if made.get("content") != "codes":
            want = f"the output folder of Encode, with its {manifest.MANIFEST}"
            raise VQError(f"input: got {input!r}, expected {want}")
        got = str(made["model"]["fingerprint"])
        if got != fingerprint:
            got = f"codes by the weights {got[:12]} in {input!r}"
            raise VQError(f"run: got {got}, expected {fingerprint[:12]}, the run's: name the run that made them")
        files = [(storage.join(input, one["file"]), int(one["examples"])) for one in made["shards"]]
        paths, counts = tuple(path for path, _ in files), tuple(n for _, n in files)
        listed = Listed(CodeFiles(paths, counts, 0, sum(counts)), repr([files, made["plan"]]))
        self.shards = shards_of(listed, shards, part(m, "code_files").DECODED_AT_ONCE, input, fingerprint)


def shards_of(listed: Listed, number: int, batch: int, origin: str, fingerprint: str) -> List[Shard]:
    """Divides an input; see `divide`."""
    parts = divide(listed.input, arguments.integer("shards", number, 0, MAX_SHARDS), batch)
    text = repr([listed.identity, len(parts), [first for first, _ in parts], fingerprint])
    plan = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
    return [
        Shard(number, len(parts), first, one, origin, plan, fingerprint) for number, (first, one) in enumerate(parts)
    ]


def divide(input: AnyInput, number: int, batch: int) -> List[Any]:
    """Returns (position of the first example, part of the input) of each shard.

    Args:
      input: the input.
      number: the number of shards, at most one per batch; 0: one per EXAMPLES examples.
      batch: shards begin at a multiple of it.

    Raises:
      VQError: a number is given, but the files are the shards.
    """
    if isinstance(input, TFExamples):
        if number not in (0, len(input.paths)):
            want = f"0: each of the {len(input.paths)} files of tf.Example is a shard"
            raise VQError(f"shards: got {number}, expected {want}")
        return [(None, TFExamples((path,), input.features)) for path in input.paths]
    batches = -(-input.total // batch)
    if not batches:
        raise VQError("input: got no example, expected one or more")
    number = min(number or max(1, round(input.total / EXAMPLES)), batches)
    starts = [batch * (batches * i // number) for i in range(number)] + [input.total]
    return [(start, input.part(start, stop)) for start, stop in zip(starts, starts[1:])]
