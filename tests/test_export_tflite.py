"""TFLite files: values, signature, metadata, float16."""

import os

import numpy as np
import pytest

from helpers.exported_models import factorised, needs_tensorflow_2
from vq_estimator import estimators

pytestmark = needs_tensorflow_2


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """(run, folder of float32 files, folder of float16 files)."""
    base = tmp_path_factory.mktemp("tflite")
    with estimators.load(factorised(base / "run")) as run:
        for name in ("float32", "float16"):
            run.export(str(base / name), "tflite", float16=name == "float16")
        yield run, str(base / "float32"), str(base / "float16")


def read(folder, name):
    with open(os.path.join(folder, name + ".tflite"), "rb") as f:
        return f.read()


def test_the_signature_gives_the_codes_of_the_package_for_any_batch(exported):
    from vq_estimator.inference.export import tflite_format

    run, folder, _ = exported
    assert sorted(os.listdir(folder)) == ["decode.tflite", "encode.tflite", "reconstruct.tflite"]
    images = np.random.RandomState(0).randint(0, 256, (4, 8, 8, 1)).astype(np.uint8)
    encode, decode = (tflite_format.load(read(folder, name)) for name in ("encode", "decode"))
    for part in (images[:1], images):
        codes = run.encode(part)
        np.testing.assert_array_equal(encode(images=part)["codes"], codes)
        assert np.abs(decode(codes=codes)["images"].astype(int) - run.decode(codes)).max() <= 1


def test_the_metadata_is_in_the_file(exported):
    from vq_estimator.inference.export import tflite_format

    facts = tflite_format.read_metadata(read(exported[1], "encode"))
    assert facts["function"] == "encode" and facts["K"] == 8 and facts["shape"] == [8, 8, 1]


def test_float16_halves_the_weights(exported):
    _, float32, float16 = exported
    assert len(read(float16, "encode")) < 0.65 * len(read(float32, "encode"))
