"""Marks and small runs for the tests of exported formats."""

import importlib.util

import pytest
import tensorflow.compat.v1 as tf

from helpers.codec_runs import write_run

needs_tensorflow_2 = pytest.mark.skipif(tf.__version__.startswith("1."), reason="the formats need TensorFlow 2")
_MISSING = [name for name in ("tf2onnx", "onnx", "onnxruntime") if importlib.util.find_spec(name) is None]
needs_onnx = pytest.mark.skipif(bool(_MISSING), reason="the extra onnx is not installed: " + ", ".join(_MISSING))

AUTOREGRESSIVE = dict(decoder="autoregressive", decoder_layers=2, decoder_channels=8, decoder_condition_channels=8)


def factorised(folder):
    """A run of images of 8 x 8 with a factorised decoder and a prior over 3 classes."""
    return write_run(folder, classes=3, L=2)


def autoregressive(folder, **settings):
    """The same with a decoder that draws pixels."""
    given = dict(AUTOREGRESSIVE, likelihood="logistic_mixture", objective="elbo", **settings)
    return write_run(folder, classes=3, **given)


def local(folder):
    """The same with a decoder that draws wavefronts."""
    return autoregressive(folder, decoder="local", decoder_reach=2)


def speech(folder):
    """A speech run with a prior."""
    return write_run(folder, "wav", classes=2)
