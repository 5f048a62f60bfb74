"""A folder of ONNX files as a model: codes, reconstructions and draws by onnxruntime."""

import json
import os
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

import numpy as np

from vq_estimator.errors import VQError
from vq_estimator.exported.loops import LOOPS, Steps
from vq_estimator.exported.noise import part_seed

BATCH = {"image": 100, "speech": 16}  # examples that are drawn with one seed, as the package draws them
BUCKET = 16  # codes of speech are brought to multiples of it
SUFFIX = ".onnx"


class ExportedSamples(NamedTuple):
    """New examples: codes int32 [N, h, w, L] and images uint8 [N, H, W, C]."""

    codes: np.ndarray
    images: np.ndarray


class ExportedModel:
    """The functions in a folder that `vq-export --format=onnx` wrote.

    It draws what the package draws with the same seed, but for draws that the last bits of a sum decide.

    Attributes:
      facts: the metadata of the model: shape, codes_shape, K, D, L, classes and so on.
      functions: the names of the functions.
    """

    def __init__(self, folder: str, threads: Optional[int] = None):
        """Opens the files.

        Args:
          folder: the folder.
          threads: threads of onnxruntime; None: its own choice.

        Raises:
          VQError: there are no such files, or onnxruntime is not installed.
        """
        try:
            import onnxruntime
        except ImportError:
            raise VQError("exported: onnxruntime is missing, expected it: pip install onnxruntime") from None
        names = sorted(
            n[: -len(SUFFIX)] for n in (os.listdir(folder) if os.path.isdir(folder) else ()) if n.endswith(SUFFIX)
        )
        if "encode" not in names:
            raise VQError(
                f"folder: got {folder!r} without encode.onnx, expected one that vq-export --format=onnx wrote"
            )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        self.functions, self._sessions = tuple(names), {}
        for name in names:
            path = os.path.join(folder, name + SUFFIX)
            session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
            self._sessions[name] = session
        self.facts = self._facts("encode")

    def run(self, name: str, **inputs: np.ndarray) -> Dict[str, np.ndarray]:
        """Computes a function; arrays by the names of its inputs and outputs."""
        session = self._sessions[name]
        outputs = [output.name for output in session.get_outputs()]
        return dict(zip(outputs, session.run(outputs, inputs)))

    def encode(self, examples: np.ndarray) -> np.ndarray:
        """Images uint8 [N, H, W, C], or recordings uint8 [N, T], to codes int32 [N, h, w, L] or [N, n, L]."""
        (name,) = (one.name for one in self._sessions["encode"].get_inputs())
        return self.run("encode", **{name: examples})["codes"]

    def decode(
        self,
        codes: np.ndarray,
        seed: int = 0,
        speakers: Optional[Sequence[int]] = None,
        temperature: float = 1.0,
    ) -> np.ndarray:
        """Codes to images uint8 [N, H, W, C], or to recordings uint8 [N, T].

        Args:
          codes: int32, as `encode` gives them.
          seed: of the draws of a decoder that draws.
          speakers: the speaker of each recording.
          temperature: of the draws of speech.
        """
        codes = np.asarray(codes, np.int32)
        if "decode" in self._sessions:
            return self.run("decode", codes=codes)["images"]
        if self.facts["kind"] == "speech":
            return self._speak(codes, seed, np.asarray(speakers, np.int32), temperature)
        parts, size = [], BATCH["image"]
        for start in range(0, len(codes), size):
            condition = self.run("decode_condition", codes=codes[start : start + size])["condition"]
            parts.append(self._loop("decode", condition, part_seed(seed, start // size)))
        return np.concatenate(parts)

    def reconstruct(self, images: np.ndarray, seed: int = 0) -> np.ndarray:
        """Images to what their codes decode to."""
        return self.decode(self.encode(images), seed)

    def sample(
        self, num: int, labels: Optional[Sequence[int]] = None, temperature: float = 1.0, seed: int = 0
    ) -> ExportedSamples:
        """Draws codes from the prior and decodes them, for a model of images.

        Args:
          num: the number of images.
          labels: the class of each, for a class-conditional prior.
          temperature: divides the prior's logits.
          seed: of the draws.

        Raises:
          VQError: the export has no prior.
        """
        if "prior_step" not in self._sessions:
            raise VQError("prior: the export has none, expected one of a run with a prior")
        labels = np.zeros(num, np.int32) if labels is None else np.asarray(labels, np.int32)
        codes: List[np.ndarray] = []
        for start in range(0, num, BATCH["image"]):
            of = labels[start : start + BATCH["image"]]
            condition = self.run("prior_condition", labels=of)["condition"]
            drawn = part_seed(seed, start // BATCH["image"])
            codes.append(self._loop("prior", condition, drawn, temperature=np.float32(temperature)))
        every = np.concatenate(codes)
        return ExportedSamples(every, self.decode(every, seed))

    def sample_codes(self, labels: Sequence[int], columns: int, temperature: float = 1.0, seed: int = 0) -> np.ndarray:
        """Draws codes int32 [N, columns, L] from the prior of a model of speech, for the class of each."""
        labels = np.asarray(labels, np.int32)
        given = {"columns": np.array(columns, np.int32)} if "columns" in self._shapes("prior_condition") else {}
        found = self.run("prior_condition", labels=labels, **given)
        conditions = found["conditions"] if "conditions" in found else found["condition"]
        drawn = self._loop("prior", conditions, seed, temperature=np.float32(temperature))
        return drawn if drawn.ndim == 3 else drawn[:, 0]

    def _speak(self, codes, seed, speakers, temperature):
        n = codes.shape[1]
        padded = np.pad(codes, [(0, 0), (0, -n % BUCKET), (0, 0)], mode="edge")
        conditions = self.run("decode_condition", codes=padded, speakers=speakers)["conditions"]
        repeat = self._facts("decode_step")["repeat"]
        stride = conditions.shape[1] * repeat // padded.shape[1]
        drawn = self._loop("decode", conditions, [seed] * len(codes), temperature=np.float32(temperature))
        return drawn[:, : n * stride, 0]

    def _loop(self, prefix: str, condition: np.ndarray, seed: Any, **further: np.ndarray) -> np.ndarray:
        facts = self._facts(prefix + "_step")
        parts = [name[len(prefix) + 1 :] for name in self.functions if name.startswith(prefix + "_")]
        shapes = {part: self._shapes(f"{prefix}_{part}") for part in parts}

        def call(part, **inputs):
            return self.run(f"{prefix}_{part}", **inputs)

        return LOOPS[facts["loop"]](Steps(call, shapes, facts), condition, seed, **further)

    def _facts(self, name: str) -> Dict[str, Any]:
        found = {}
        for key, text in self._sessions[name].get_modelmeta().custom_metadata_map.items():
            try:
                found[key] = json.loads(text)
            except ValueError:  # text as it is
                found[key] = text
        return found

    def _shapes(self, name: str) -> Dict[str, Sequence[Any]]:
        return {one.name: one.shape for one in self._sessions[name].get_inputs()}


def load(folder: str, threads: Optional[int] = None) -> ExportedModel:
    """Opens a folder that `vq-export --format=onnx` wrote; see `ExportedModel`."""
    return ExportedModel(folder, threads)
