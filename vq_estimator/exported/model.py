"""A folder of ONNX files as a model: codes, reconstructions and draws by onnxruntime."""

import json
import os
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Union

import numpy as np

from vq_estimator.config import arguments
from vq_estimator.errors import VQError
from vq_estimator.exported.loops import LOOPS, Steps
from vq_estimator.exported.noise import part_seed

BATCH = {"image": 100, "speech": 16}  # examples that are drawn with one seed, as the package draws them
BUCKET = 16  # speech models decode a multiple of this number of codes
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
        return dict(zip(outputs, session.run(outputs, {key: np.asarray(value) for key, value in inputs.items()})))

    def encode(self, examples: np.ndarray) -> np.ndarray:
        """Images uint8 [N, H, W, C], or recordings uint8 [N, T], to codes int32 [N, h, w, L] or [N, n, L].

        Raises:
          VQError: another dtype or shape.
        """
        (name,) = (one.name for one in self._sessions["encode"].get_inputs())
        shape = ("T",) if self._is_speech else self.facts["shape"]
        return self.run("encode", **{name: arguments.array(name, examples, "uint8", ("N", *shape))})["codes"]

    def decode(
        self,
        codes: np.ndarray,
        seed: int = 0,
        speakers: Optional[Sequence[Union[int, str]]] = None,
        temperature: float = 1.0,
    ) -> np.ndarray:
        """Codes to images uint8 [N, H, W, C], or to recordings uint8 [N, T].

        Args:
          codes: int32, as `encode` gives them.
          seed: determines the draws of a decoder that draws.
          speakers: for speech the speaker of each recording, by number or name.
          temperature: divides the logits of a speech model.

        Raises:
          VQError: an argument is invalid.
        """
        shape = ("n", self.facts["L"]) if self._is_speech else self.facts["codes_shape"]
        codes = arguments.codes("codes", codes, ("N", *shape), self.facts["K"])
        seed, temperature = arguments.seed("seed", seed), arguments.temperature("temperature", temperature)
        if "decode" in self._sessions:
            return self.run("decode", codes=codes)["images"]
        if self._is_speech:
            names = self.facts["speakers"]
            return self._speak(codes, seed, _numbers("speakers", speakers, len(names), names, len(codes)), temperature)
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
          num: the number of images; without `labels` a multiple of the number of classes.
          labels: the class of each image, by number, for a class-conditional prior; None for equally many images of
            each class, in the order of the classes.
          temperature: divides the prior's logits.
          seed: determines the draws.

        Raises:
          VQError: the export has no prior, or an argument is invalid.
        """
        self._check_prior()
        num, seed = arguments.samples("num", num), arguments.seed("seed", seed)
        temperature, classes = arguments.temperature("temperature", temperature), self.facts["classes"]
        if labels is None and classes and num % classes:
            near = -(-num // classes) * classes
            raise VQError(f"num: got {num}, expected a multiple of {classes}, the number of classes, such as {near}")
        if labels is None:
            labels = np.repeat(np.arange(max(classes, 1), dtype=np.int32), num // max(classes, 1))
        elif not classes:
            raise VQError("labels: got some, expected none: the prior is not conditional on classes")
        else:
            labels = _numbers("labels", labels, classes, (), num)
        codes: List[np.ndarray] = []
        for start in range(0, num, BATCH["image"]):
            of = labels[start : start + BATCH["image"]]
            condition = self.run("prior_condition", labels=of)["condition"]
            drawn = part_seed(seed, start // BATCH["image"])
            codes.append(self._loop("prior", condition, drawn, temperature=np.float32(temperature)))
        every = np.concatenate(codes)
        return ExportedSamples(every, self.decode(every, seed))

    def sample_codes(self, labels: Sequence[int], columns: int, temperature: float = 1.0, seed: int = 0) -> np.ndarray:
        """Draws codes int32 [N, columns, L] from the prior of a speech model, given the class of each recording.

        Raises:
          VQError: the export has no prior, or an argument is invalid.
        """
        self._check_prior()
        columns, seed = arguments.integer("columns", columns, 1), arguments.seed("seed", seed)
        temperature = arguments.temperature("temperature", temperature)
        labels = _numbers("labels", labels, max(self.facts["classes"], 1))
        given = {"columns": np.array(columns, np.int32)} if "columns" in self._shapes("prior_condition") else {}
        found = self.run("prior_condition", labels=labels, **given)
        conditions = found["conditions"] if "conditions" in found else found["condition"]
        drawn = self._loop("prior", conditions, seed, temperature=np.float32(temperature))
        return drawn if drawn.ndim == 3 else drawn[:, 0]

    @property
    def _is_speech(self) -> bool:
        return self.facts["kind"] == "speech"

    def _check_prior(self) -> None:
        if "prior_step" not in self._sessions:
            raise VQError("prior: the export has none, expected one of a run with a prior")

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


def _numbers(
    field: str, values: Any, count: int, names: Sequence[str] = (), length: Optional[int] = None
) -> "np.ndarray[Any, Any]":
    """The numbers int32 of classes or speakers, one for each of `length` examples; see `arguments.class_number`."""
    want = "a list with the number of each" if length is None else f"a list of {length}, one for each example"
    listed = arguments.listed(field, values, want)
    if not listed or length not in (None, len(listed)):
        raise VQError(f"{field}: got {len(listed)}, expected {want}")
    return np.array([arguments.class_number(field, one, count, names) for one in listed], np.int32)


def load(folder: str, threads: Optional[int] = None) -> ExportedModel:
    """Opens a folder that `vq-export --format=onnx` wrote; see `ExportedModel`."""
    return ExportedModel(folder, threads)
