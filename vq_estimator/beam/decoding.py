"""Decodes the codes that `Encode` wrote."""

import os
from typing import Any, Iterable, List, Optional, Sequence, Tuple

import apache_beam as beam
import numpy as np

from vq_estimator import drawing
from vq_estimator.beam.runs import check_input
from vq_estimator.beam.shards import Shard, model_of
from vq_estimator.beam.writing import WriteFn, WriteShards
from vq_estimator.config import arguments
from vq_estimator.data import audio
from vq_estimator.data.bad_files import BadFiles
from vq_estimator.errors import VQError
from vq_estimator.inference import code_files, sampling, speech_code_files, speech_inputs
from vq_estimator.inference.code_shards import Row
from vq_estimator.inference.sampling import Label

NPY, FILES = "npy", "files"


class Decode(beam.PTransform):
    """Decodes the shards of `ReadCodes` to files; the result is the content of `manifest.json`.

    The images are those of `vq-decode` on all codes with the same seed.

    Args:
      run: a run directory, on a store too, or the name of a provided model.
      out: the output folder.
      format: "npy", a file `images-00003-of-00016.npy` uint8 [n, H, W, C] per shard, of images only; or "files", a PNG
        or WAV for each example, named like the file that was encoded, or by its position among the codes. A name that
        occurs twice, as names in tf.Example can, or leads out of `out` is a VQError before the first file is written.
      seed: seed of the draws of autoregressive decoders and speech models.
      speaker: the speaker of all recordings, by name or number; for speech only.
      guidance: classifier-free guidance scale; for speech only.
      checkpoint: "latest", "best" or a path.

    Raises:
      VQError: there is no such run, or it has no such setting.
    """

    def __init__(
        self,
        run: str,
        out: str,
        format: str = FILES,
        seed: int = 0,
        speaker: Optional[Label] = None,
        guidance: float = 1.0,
        checkpoint: str = "latest",
    ):
        super().__init__()
        format, seed = arguments.one_of("format", format, (NPY, FILES)), sampling.check_seed(seed)
        settings = (seed, speaker, sampling.check_guidance(guidance))
        m = model_of(run, checkpoint)[0]
        check_settings(m, format, speaker, guidance)
        self._names = _NamesFn(_suffix(m)) if format == FILES else None
        self._fn = _DecodeFn(run, checkpoint, 0, out, "decoded", format, settings)
        self._fn.given = settings

    def expand(self, of: Any) -> Any:
        if self._names is not None:
            counts = of | "Names" >> beam.ParDo(self._names) | "CountNames" >> beam.combiners.Count.PerElement()
            twice = counts | beam.Filter(lambda counted: counted[1] > 1) | beam.Keys()
            first = twice | beam.combiners.Top.Smallest(1)
            of = of | "CheckNames" >> beam.Map(_check_unique, beam.pvalue.AsSingleton(first))
        return of | WriteShards(self._fn, 0, "decoded")


_CODES = ("code_rows", "ReadCodes")  # what is decoded: the method of its input, and its reader


class _NamesFn(beam.DoFn):
    """Yields the names of the files that a shard is decoded to, in bytes: no coder of text has every name."""

    def __init__(self, suffix: str):
        super().__init__()
        self._suffix = suffix

    def process(self, shard: Shard) -> Iterable[bytes]:
        check_input(shard, *_CODES)
        return [os.fsencode(name) for name in file_names(shard.input.code_rows(), shard.first or 0, self._suffix)]


def _check_unique(shard: Shard, twice: List[bytes]) -> Shard:
    if twice:
        want = "names that differ; format='npy' needs none"
        raise VQError(f"codes: got the name {os.fsdecode(twice[0])!r} twice, expected {want}")
    return shard


def _suffix(m: Any) -> str:
    """The suffix of the files of a model with the configuration `m`."""
    return ".wav" if m.fixed_dims is None else drawing.image_suffix(m.channels)


class _DecodeFn(WriteFn):
    opened_by, reader = _CODES
    given: Tuple[int, Optional[Label], float] = (0, None, 1.0)  # seed, speaker and guidance

    def write_shard(self, model: Any, shard: Shard, bad: BadFiles) -> dict:
        del bad
        rows, first, m = shard.input.code_rows(), shard.first or 0, model.config.model
        codes, (seed, speaker, guidance) = [row.codes for row in rows], self.given
        if m.fixed_dims is None:
            decoded = speech_code_files.decode_each(model, codes, speaker, seed, guidance, first)
        else:
            decoded = code_files.decode_each(model, np.stack(codes), seed, first)
        if self.format == FILES:
            suffix = _suffix(m)
            for name, example in zip(file_names(rows, first, suffix), decoded):
                with self.writing(shard, name) as local:
                    self._save(local + suffix, example, model)
                    os.replace(local + suffix, local)
            return {"file": None, "examples": len(rows)}
        name = f"images-{shard.name}.npy"
        with self.writing(shard, name) as local, open(local, "wb") as f:
            np.save(f, np.stack(list(decoded)))
        return {"file": name, "examples": len(rows)}

    @staticmethod
    def _save(path: str, example: np.ndarray, model: Any) -> None:
        if example.ndim == 1:
            audio.write_wav(path, example, model.sample_rate)
        else:
            drawing.save_image(path, example)


def check_settings(m: Any, format: str, speaker: Optional[Label], guidance: float) -> None:
    """Raises a VQError if a model with the configuration `m` has no such format, speaker or guidance."""
    if m.fixed_dims is not None:
        if speaker is not None or guidance != 1.0:
            raise VQError(f"speaker: got {speaker!r} and guidance {guidance}, expected none: images have neither")
        return
    if format == NPY:
        raise VQError("format: got npy for speech, expected files: recordings differ in length")
    if speaker is None:
        raise VQError("speaker: got none, expected one of " + ", ".join(m.speakers))
    speech_inputs.speaker_number(m, speaker)
    speech_inputs.check_guidance(m, guidance)


def file_names(rows: Sequence[Row], first: int, suffix: str) -> List[str]:
    """The names of the decoded files of rows: those of the encoded files, with `suffix` if they have another.

    A row without a name is named by its position among the codes; the first row has the position `first`. (`index` is
    no such position: the records of each file of tf.Example have indices of their own.)

    Raises:
      VQError: a name leads out of the folder.
    """
    names = []
    for position, row in enumerate(rows, first):
        if not row.name:
            names.append(f"{position:09d}{suffix}")
            continue
        try:
            code_files.renamed([row.name], suffix)
        except ValueError as e:
            raise VQError(f"codes: {e}") from None
        names.append(row.name if row.name.endswith(suffix) else row.name + suffix)
    return names
