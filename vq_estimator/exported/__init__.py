"""ONNX files of `vq-export --format=onnx` in a program without TensorFlow: NumPy and onnxruntime.

>>> from vq_estimator import exported
>>> model = exported.load("export/cifar10-onnx")
>>> codes = model.encode(images)
>>> images = model.decode(codes, seed=0)
"""

from vq_estimator.exported.model import ExportedModel, load

__all__ = ["ExportedModel", "load"]
