"""TFLite files: values, signature, metadata, float16."""

import os

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers.exported_models import autoregressive, factorised, needs_tensorflow_2, speech
from vq_estimator import estimators
from vq_estimator.errors import VQError

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


@pytest.mark.parametrize("make, examples", [(speech, (101, 48)), (autoregressive, (8,))])
def test_a_model_that_draws_has_its_encoder(tmp_path, make, examples):
    from vq_estimator.inference.export import tflite_format

    with estimators.load(make(tmp_path / "run")) as run:
        run.export(str(tmp_path / "out"), "tflite")
        assert os.listdir(str(tmp_path / "out")) == ["encode.tflite"]
        encode, random = tflite_format.load(read(str(tmp_path / "out"), "encode")), np.random.RandomState(1)
        for size in examples:
            shape = (2, size) if make is speech else (2, size, size, 1)
            x = random.randint(0, 256, shape).astype(np.uint8)
            want = np.stack([run.encode(one) for one in x]) if make is speech else run.encode(x)
            np.testing.assert_array_equal(encode(**{"levels" if make is speech else "images": x})["codes"], want)


def test_a_network_that_tflite_cannot_compute_is_refused_in_one_line(tmp_path):
    from vq_estimator.inference.export import tflite_format
    from vq_estimator.inference.export.functions import Function

    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [None, 4], "x")
        tf.identity(tf.linalg.det(tf.einsum("ni,nj->nij", x, x)), "y")
    function = Function("encode", graph.as_graph_def(), {"x": "x:0"}, {"y": "y:0"}, {})
    with pytest.raises(VQError, match="^format: got tflite for encode, which TFLite can't compute .*MatrixDeterminant"):
        tflite_format.convert(function)


def test_the_command_prints_the_differences(forked, tmp_path):
    factorised(tmp_path / "run")
    command = ["export", "--model_dir=run", "--format=tflite", "--export_dir=out"]
    done = forked.script(*command, cwd=tmp_path)
    assert done.status == 0, done.stderr[-2000:]
    lines = done.stdout.splitlines()
    assert lines[0].startswith("function") and lines[0].endswith("largest")
    assert [line.split()[0] for line in lines[1:4]] == ["encode", "decode", "reconstruct"]
    assert lines[4].endswith("files decode.tflite, encode.tflite, reconstruct.tflite")
    again = forked.script(*command, cwd=tmp_path)
    assert again.status == 1 and "export_dir: 'out' exists" in again.stderr


def test_the_metadata_is_in_the_file(exported):
    from vq_estimator.inference.export import tflite_format

    facts = tflite_format.read_metadata(read(exported[1], "encode"))
    assert facts["function"] == "encode" and facts["K"] == 8 and facts["shape"] == [8, 8, 1]


def test_float16_makes_the_files_smaller(exported):
    _, float32, float16 = exported
    assert len(read(float16, "encode")) < 0.8 * len(read(float32, "encode"))
