"""Decodes the codes that `Encode` wrote."""

import os
from typing import Any, Optional, Tuple

import apache_beam as beam
import numpy as np

from vq_estimator import drawing
from vq_estimator.beam import storage
from vq_estimator.beam.inputs import CodeFiles
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
        or WAV for each example, named like the file that was encoded, or by its index.
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
        check_settings(model_of(run, checkpoint)[0], format, speaker, guidance)
        self._fn = _DecodeFn(run, checkpoint, 0, out, "decoded", format, settings)
        self._fn.given = settings

    def expand(self, of: Any) -> Any:
        return of | WriteShards(self._fn, 0, "decoded")


class _DecodeFn(WriteFn):
    given: Tuple[int, Optional[Label], float] = (0, None, 1.0)  # seed, speaker and guidance

    def write_shard(self, model: Any, shard: Shard, bad: BadFiles) -> dict:
        del bad
        assert isinstance(shard.input, CodeFiles)
        rows, first, speech = shard.input.rows(), shard.first or 0, model.config.model.fixed_dims is None
        codes, (seed, speaker, guidance) = [row.codes for row in rows], self.given
        if speech:
            decoded = speech_code_files.decode_each(model, codes, speaker, seed, guidance, first)
        else:
            decoded = code_files.decode_each(model, np.stack(codes), seed, first)
        if self.format == FILES:
            suffix = ".wav" if speech else drawing.image_suffix(model.config.model.channels)
            for row, example in zip(rows, decoded):
                path = storage.join(self.out, *file_name(row, suffix).split("/"))
                with storage.atomic(path) as local:
                    self._save(local + suffix, example, model)
                    os.replace(local + suffix, local)
            return {"file": None, "examples": len(rows)}
        name = f"images-{shard.name}.npy"
        with storage.atomic(storage.join(self.out, name)) as local, open(local, "wb") as f:
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


def file_name(row: Row, suffix: str) -> str:
    """The name of a decoded file: the name of the encoded file, with `suffix` if it has another; or its index.

    Raises:
      VQError: the name leads out of the folder.
    """
    if row.name is None:
        return f"{row.index:09d}{suffix}"
    try:
        code_files.renamed([row.name], suffix)
    except ValueError as e:
        raise VQError(f"codes: {e}") from None
    return row.name if row.name.endswith(suffix) else row.name + suffix
