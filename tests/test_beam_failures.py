"""Pipelines of Apache Beam that fail, are killed, or have wrong options; and pipelines of several processes."""

import os
import re
import shutil

import numpy as np
import pytest

import vq_estimator as vq
from helpers import pipelines
from helpers.forked import ROOT
from helpers.marks import slow
from vq_estimator import pretrained
from vq_estimator.errors import VQError
from vq_estimator.inference.image_model import ImageModel

beam = pytest.importorskip("apache_beam", reason="the extra `beam` is not installed")
FILES = [f"codes-{i:05d}-of-00003.tfrecord" for i in range(3)]


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("arrays") / "images.npy")
    np.save(path, np.random.RandomState(1).randint(0, 256, (1200, 24, 24, 1)).astype(np.uint8))
    return path


@pytest.fixture(scope="module")
def expected(images):
    with vq.load("mnist") as model:
        return model.encode(np.load(images))


def encode(source, out, shards=3, **given):
    pipelines.run(vq.beam.Read("mnist", source, shards), vq.beam.Encode("mnist", str(out), **given))


def codes(out):
    return np.stack([row.codes for row in pipelines.rows(out)])


def counted(monkeypatch, fail=()):
    """Counts the calls of ImageModel.encode; those whose numbers are in `fail` raise an OSError."""
    calls, real = [], ImageModel.encode

    def method(self, given):
        calls.append(len(given))
        if len(calls) in fail:
            raise OSError("the store does not answer")
        return real(self, given)

    monkeypatch.setattr(ImageModel, "encode", method)
    return calls


def test_a_worker_that_fails_once(images, expected, tmp_path, monkeypatch, warnings):
    calls = counted(monkeypatch, fail=[2])
    encode(images, tmp_path / "codes")
    np.testing.assert_array_equal(codes(tmp_path / "codes"), expected)
    assert sorted(calls) == [200, 500, 500, 500]
    assert re.search(r"shard 0000\d-of-00003 failed and is processed again: .*the store does not answer", warnings.text)


def test_a_worker_that_fails_twice_leaves_whole_shards_which_are_not_repeated(images, expected, tmp_path, monkeypatch):
    calls = counted(monkeypatch, fail=[2, 3])
    with pytest.raises(Exception, match="the store does not answer"):
        encode(images, tmp_path / "codes")
    left = pipelines.listing(tmp_path / "codes")
    assert len(left) == 1 and left[0] in FILES
    del calls[:]
    monkeypatch.undo()
    calls = counted(monkeypatch)
    encode(images, tmp_path / "codes")
    assert len(calls) == 2  # of three shards
    np.testing.assert_array_equal(codes(tmp_path / "codes"), expected)
    encode(images, tmp_path / "codes")
    assert len(calls) == 2
    os.remove(str(tmp_path / "codes" / FILES[1]))
    encode(images, tmp_path / "codes")
    assert len(calls) == 3 and pipelines.listing(tmp_path / "codes") == [*FILES, "manifest.json"]


KILLED = """
import os, signal, sys
import tensorflow.compat.v1 as tf
import vq_estimator as vq
from helpers import pipelines
from vq_estimator.inference import code_shards

real, calls = code_shards.write_tfrecord, []

def write(path, rows):
    calls.append(path)
    real(path, rows[:100] if len(calls) == 2 else rows)
    if len(calls) == 2:
        os.kill(os.getpid(), signal.SIGKILL)

code_shards.write_tfrecord = write
tf.disable_eager_execution()
pipelines.run(vq.beam.Read("mnist", sys.argv[1], 3), vq.beam.Encode("mnist", sys.argv[2]))
"""


def test_a_killed_pipeline_leaves_no_half_shard(images, expected, tmp_path, forked, monkeypatch):
    path = f"import sys; sys.path.insert(0, {os.path.join(ROOT, 'tests')!r})\n"
    done = forked.code(path + KILLED, images, tmp_path / "codes")
    assert done.status == -9, done.stderr
    (left,) = pipelines.listing(tmp_path / "codes")
    calls = counted(monkeypatch)
    encode(images, tmp_path / "codes")
    assert len(calls) == 2 and left in FILES
    np.testing.assert_array_equal(codes(tmp_path / "codes"), expected)


def test_everything_on_a_store(images, expected, tmp_path, monkeypatch):
    from helpers.beam_store import Store

    monkeypatch.setattr(Store, "root", str(tmp_path))
    shutil.copytree(pretrained.folder("mnist"), str(tmp_path / "runs" / "mnist"))
    shutil.copy(images, str(tmp_path / "images.npy"))
    read = vq.beam.Read("store://runs/mnist", "store://images.npy", 3)
    pipelines.run(read, vq.beam.Encode("store://runs/mnist", "store://codes"))
    np.testing.assert_array_equal(codes(tmp_path / "codes"), expected)
    assert pipelines.listing(tmp_path / "codes") == [*FILES, "manifest.json"]
    pipelines.save_pictures(tmp_path / "in", 3)
    pipelines.run(vq.beam.Read("mnist", "store://in/**.png"), vq.beam.Encode("mnist", "store://named"))
    assert [row.name for row in pipelines.rows(tmp_path / "named")] == ["a/00000.png", "a/00002.png", "b/00001.png"]


@pytest.mark.parametrize(
    "name, content, again",
    [
        ("a.npy", np.zeros([3, 24, 24, 1], np.float32), np.zeros([3, 24, 24, 1], np.uint8)),
        ("b.png", b"no picture", None),
    ],
)
def test_a_pipeline_that_fails_at_its_input_leaves_nothing(tmp_path, name, content, again):
    """So the command with a corrected input is not refused as that of another pipeline."""
    path, out = tmp_path / name, tmp_path / "made" / "codes"
    path.write_bytes(content) if isinstance(content, bytes) else np.save(str(path), content)
    with pytest.raises(VQError):
        encode(str(path), out)
    assert not (tmp_path / "made").exists() or os.listdir(str(tmp_path / "made")) == []
    pipelines.save_pictures(tmp_path, 1) if again is None else np.save(str(path), again)
    encode(str(path if again is not None else tmp_path / "a"), out)
    assert pipelines.manifest(out)["examples"] == (1 if again is None else 3)


def test_what_a_killed_pipeline_left_is_removed(images, tmp_path, monkeypatch):
    from helpers.beam_store import Store
    from vq_estimator.beam import storage

    encode(images, tmp_path / "codes")
    left = ["." + FILES[1] + ".abcd_123", "." + FILES[0] + ".tmp", ".mine", FILES[2] + ".0123.part"]
    for name in left:
        (tmp_path / "codes" / name).write_bytes(b"half")
    (tmp_path / "codes" / "manifest.json").unlink()
    encode(images, tmp_path / "codes")
    assert set(left) & set(os.listdir(str(tmp_path / "codes"))) == {".mine", left[3]}
    monkeypatch.setattr(Store, "root", str(tmp_path))
    storage.sweep("store://codes", FILES)
    assert pipelines.listing(tmp_path / "codes") == [*FILES, "manifest.json"]


@pytest.mark.parametrize("given", [dict(shards=2), slow(dict(format="npz"))])
def test_a_folder_of_another_pipeline_is_refused(images, tmp_path, given):
    encode(images, tmp_path / "codes")
    with pytest.raises(VQError, match="out: got '.*', which has the shards of another input, model, format or number"):
        encode(images, tmp_path / "codes", **given)


def test_another_model_than_that_of_the_shards_is_refused(images, tmp_path):
    with pytest.raises(VQError, match="run: got the weights .* in 'mnist-original', expected .*, those of Read"):
        pipelines.run(vq.beam.Read("mnist", images), vq.beam.Encode("mnist-original", str(tmp_path / "codes")))


@pytest.mark.parametrize(
    "runner, options, message",
    [
        ("NoRunner", [], "runner: got 'NoRunner', expected a runner of Beam"),
        ("DirectRunner", ["--direct_num_worker=2"], "options of Beam: got --direct_num_worker=2, expected pipeline"),
        (
            "DirectRunner",
            ["--direct_num_workers=-3"],
            "runner: got 'DirectRunner', which can't run the pipe",
        ),
        ("DirectRunner", ["--direct_num_workers=two"], "options of Beam: argument --direct_num_workers: invalid int"),
        (
            "DirectRunner",
            ["--runner=FlinkRunner"],
            "runner: got .FlinkRunner. among the options of Beam, expected --runner before",
        ),
    ],
)
def test_wrong_options_are_one_line(runner, options, message):
    import apache_beam as beam

    from vq_estimator.beam import running

    with pytest.raises(VQError, match=message):
        running.run(lambda pipeline: pipeline | beam.Create([1]) | beam.Reshuffle(), runner, options)


@pytest.mark.parametrize(
    "given, message",
    [
        (["--input=nowhere://in"], "input: got 'nowhere://in', expected a store that Beam knows"),
        (["--out=nowhere://out"], "out: got 'nowhere://out', expected a store that Beam knows"),
        (["--out=/proc/out"], "/proc/out: No such file or directory"),
    ],
)
def test_a_place_that_cannot_be_used_is_one_line(images, tmp_path, forked, given, message):
    given = ["--pretrained=mnist", f"--input={images}", "--out=codes", "--runner=DirectRunner", *given]
    lines = forked.script("encode", *given, cwd=tmp_path).stderr.splitlines()
    assert lines[-1].startswith("encode.py: error: " + message), lines
    assert not any("Traceback" in line for line in lines) and os.listdir(str(tmp_path)) == []


@pytest.mark.slow
def test_several_processes(images, expected, tmp_path, forked):
    given = ["--pretrained=mnist", f"--input={images}", "--shards=3", "--runner=DirectRunner"]
    options = ["--", "--direct_num_workers=2", "--direct_running_mode=multi_processing"]
    done = forked.script("encode", *given, f"--out={tmp_path / 'codes'}", *options)
    assert done.status == 0 and "1,200 code maps" in done.stdout, done.stderr
    np.testing.assert_array_equal(codes(tmp_path / "codes"), expected)


def test_elements_that_a_transform_does_not_take_are_refused(images, tmp_path):
    encode(images, tmp_path / "codes")
    out = str(tmp_path / "out")

    def read():
        return vq.beam.Read("mnist", images)

    def read_codes():
        return vq.beam.ReadCodes("mnist", str(tmp_path / "codes"))

    for given, transform, message in (
        (read_codes(), vq.beam.Encode("mnist", out), "elements: got CodeFiles, expected the shards of Read"),
        (read_codes(), vq.beam.Encode("mnist"), "elements: got CodeFiles, expected the shards of Read"),
        (read(), vq.beam.Decode("mnist", out), "elements: got Array, expected the shards of ReadCodes"),
        (read(), vq.beam.Decode("mnist", out, format="npy"), "elements: got Array, expected the shards of ReadCodes"),
        (beam.Create(["a.png"]), vq.beam.Encode("mnist"), "elements: got str, expected the shards of Read"),
    ):
        with pytest.raises(VQError, match=message):
            pipelines.run(given, transform)
        assert not os.path.exists(out) or not os.listdir(out)
