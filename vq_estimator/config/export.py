"""The formats that a trained run is exported to, one row each."""

from typing import Dict, NamedTuple, Tuple

SAVED_MODEL = "saved_model"


class Format(NamedTuple):
    """A format.

    Attributes:
      write: "module:function" of the function (job, folder) -> differences, which writes to an empty folder.
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


_EXPORT = "vq_estimator.inference.export."
FORMATS: Dict[str, Format] = {
    SAVED_MODEL: Format(_EXPORT + "saved_model:write", tensorflow_2=False),
    "onnx": Format(_EXPORT + "onnx_format:write", ("tf2onnx", "onnx", "onnxruntime"), "onnx"),
    "tflite": Format(_EXPORT + "tflite_format:write", float16=True),
}
