"""Formats that are not available are refused in one line, before anything is written."""

import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers.exported_models import factorised, needs_tensorflow_2, speech
from vq_estimator import estimators
from vq_estimator.config.export import FORMATS
from vq_estimator.config.registry import load_object
from vq_estimator.errors import VQError
from vq_estimator.exported import noise
from vq_estimator.inference.export import formats


def test_an_unknown_format_is_refused():
    with pytest.raises(VQError, match="format: got 'pickle', expected one of saved_model, onnx, tflite"):
        formats.check_format("pickle")


@needs_tensorflow_2
def test_without_the_extra_there_is_one_line(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "tf2onnx" else object())
    want = (
        r"format: got 'onnx' without tf2onnx, expected the extra 'onnx': pip install '\.\[onnx\]' in the source folder"
    )
    with pytest.raises(VQError, match=want):
        formats.check_format("onnx")


def test_tensorflow_1_is_refused(monkeypatch):
    monkeypatch.setattr(tf, "__version__", "1.15.5")
    with pytest.raises(VQError, match="format: got 'tflite' with TensorFlow 1.15.5, expected saved_model or"):
        formats.check_format("tflite")
    assert formats.check_format("saved_model") is FORMATS["saved_model"]


def test_float16_is_refused_where_a_format_has_none():
    with pytest.raises(VQError, match="float16: got it with the format saved_model, expected tflite"):
        formats.check_format("saved_model", float16=True)


NO_IMAGES = [[], np.zeros([0, 8, 8, 1], np.uint8), np.zeros([2, 8, 8, 1]), np.zeros([8, 8, 1], np.uint8), "images", 3]
NO_RECORDINGS = [[], [np.zeros([0], np.uint8)], [np.zeros([3, 1], np.uint8)], [[0.5]], 3]


@needs_tensorflow_2
@pytest.mark.parametrize(
    "make, refused, want",
    [
        (factorised, NO_IMAGES, r"uint8 \[N, 8, 8, 1\]; prepare\(images\) makes them$"),
        (speech, NO_RECORDINGS, r"(uint8 \[T\], mu-law levels|a list of recordings|one or more)$"),
    ],
    ids=["images", "speech"],
)
def test_examples_that_are_no_input_of_the_model_are_refused(make, refused, want, tmp_path):
    with estimators.load(make(tmp_path / "run")) as run:
        for examples in refused:
            with pytest.raises(VQError, match="^examples: got .*, expected " + want):
                run.export(str(tmp_path / "out"), "tflite", examples=examples)
    assert os.listdir(str(tmp_path)) == ["run"]


@needs_tensorflow_2
@pytest.mark.parametrize("name", [name for name in FORMATS if not FORMATS[name].modules])
def test_rows_name_functions_that_exist(name):
    assert callable(load_object(FORMATS[name].write))


@pytest.mark.parametrize("seed", [[0, 0], [5, -7], [2**40 + 3, 123456789012]])
def test_the_noise_is_that_of_tensorflow(seed):
    for shape in ([3], [10, 3, 1]):
        with tf.Graph().as_default(), tf.Session() as session:
            given = dict(shape=shape, seed=tf.constant(seed, tf.int64))
            want = session.run([tf.raw_ops.StatelessRandomUniform(**given), tf.raw_ops.StatelessRandomNormal(**given)])
        np.testing.assert_array_equal(noise.uniform(shape, seed), want[0])
        np.testing.assert_allclose(noise.normal(shape, seed), want[1], atol=1e-5)


def test_the_runtime_needs_no_tensorflow():
    code = "import sys; from vq_estimator import exported; print('tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True)
    assert done.stdout.strip() == b"False", done.stderr
