"""The formats that a trained run is exported to, one row each."""

from typing import Dict, NamedTuple, Tuple

SAVED_MODEL, WEB = "saved_model", "web"


class Format(NamedTuple):
    """A format.

    Attributes:
      write: "module:function" of the function (job, folder) -> differences, which writes to an empty folder.
      prepare: "module:function" of a function (job) that is called before anything is written, or "".
      modules: modules that it imports and the package does not need otherwise.
      extra: the extra that installs them.
      tensorflow_2: whether it needs TensorFlow 2.
      float16: whether it can store weights as float16.
    """

    write: str
    modules: Tuple[str, ...] = ()
    extra: str = ""
    tensorflow_2: bool = True
    float16: bool = False
    prepare: str = ""


_EXPORT = "vq_estimator.inference.export."
_ONNX = ("tf2onnx", "onnx", "onnxruntime")
FORMATS: Dict[str, Format] = {
    SAVED_MODEL: Format(_EXPORT + "saved_model:write", tensorflow_2=False),
    "onnx": Format(_EXPORT + "onnx_format:write", _ONNX, "onnx"),
    "tflite": Format(_EXPORT + "tflite_format:write", float16=True),
    WEB: Format(_EXPORT + "web.folder:write", _ONNX, "onnx", prepare=_EXPORT + "web.folder:prepare"),
}
