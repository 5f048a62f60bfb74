"""What the codec refuses, in one line and without a file: input, runs, other arithmetic, an interrupted write."""

import json
import os
import shutil

import numpy as np
import pytest

from helpers import codec_cases
from helpers.codec_runs import images, write_run
from helpers.marks import slow
from vq_estimator.errors import VQError
from vq_estimator.inference import codec
from vq_estimator.inference.codec import chunk_workers, network
from vq_estimator.inference.codec import images as images_lib
from vq_estimator.inference.codec.chunk import Chunk

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return codec_cases.maker(tmp_path_factory.mktemp("codec"))


def test_what_does_not_fit_is_one_line(runs, tmp_path):
    run, x, _ = runs("mse")
    path = str(tmp_path / "x.vqz")
    for bad, message in (
        (x.astype(np.float32), r"input: got float32 \[7, 8, 8, 1\], expected uint8 \[N, H, W, 1\]"),
        (x[..., 0], r"input: got uint8 \[7, 8, 8\]"),
        (x[:0], r"input: got uint8 \[0, 8, 8, 1\]"),
        ([], "input: got no image"),
        ([x[0], x], r"input: got uint8 \[7, 8, 8, 1\] in the list, expected uint8 \[H, W, 1\]"),
        (["x"], "input: got str in the list"),
    ):
        with pytest.raises(VQError, match=message):
            codec.compress(run, bad, path)
    with pytest.raises(VQError, match="batch: got 1000, expected 1 to 200"):
        codec.compress(run, x, path, batch=1000)
    with pytest.raises(VQError, match="workers: got 99, expected 1 to 8"):
        codec.compress(run, x, path, workers=99)
    binary, _, _ = runs("bernoulli")
    with pytest.raises(VQError, match=r"input: got an image \(number 0\) with levels between 0 and 255"):
        codec.compress(binary, x, path)
    plain = shutil.copytree(run, str(tmp_path / "plain"))
    shutil.rmtree(os.path.join(plain, "calibration"))
    with pytest.raises(VQError, match="calibration: the run has none for this checkpoint; evaluate it"):
        codec.compress(plain, x, path)
    assert os.listdir(str(tmp_path)) == ["plain"]


def test_a_large_codebook_is_refused(tmp_path):
    run = write_run(tmp_path / "run", K=70000, D=4)
    with pytest.raises(VQError, match="codec: got a codebook of 70000 entries, expected at most 65536"):
        codec.compress(run, images(1, 8, 1), str(tmp_path / "x.vqz"))


def test_another_model_is_refused(runs, tmp_path):
    run, x, _ = runs("mse, learned")
    path = str(tmp_path / "x.vqz")
    codec.compress(run, x, path)
    with pytest.raises(
        VQError, match="got a run with the weights .{12}, expected .{12}; use the run that made the file"
    ):
        codec.decompress(runs("gaussian")[0], path)
    other = shutil.copytree(run, str(tmp_path / "other"))
    shutil.rmtree(os.path.join(other, "prior"))
    with pytest.raises(VQError, match="can't be decoded with this run: prior: got 'learned'"):
        codec.decompress(other, path)
    with open(os.path.join(other, "config.json"), encoding="utf-8") as f:
        config = json.load(f)
    config["model"]["precision"] = "bfloat16"
    codec.compress(other, x, path, prior="uniform")
    with open(os.path.join(other, "config.json"), "w", encoding="utf-8") as f:
        json.dump(config, f)
    with pytest.raises(VQError, match="got precision float32, expected bfloat16 as in the run"):
        codec.decompress(other, path)


@pytest.mark.parametrize("name", [slow("autoregressive"), "mse, learned"])
def test_floats_that_differ_here_are_one_line_and_no_pixels(name, runs, tmp_path, monkeypatch):
    run, x, _ = runs(name)
    path = str(tmp_path / "x.vqz")
    codec.compress(run, x, path)
    for method in ("_code_pixels", "code"):
        with monkeypatch.context() as m:
            right = getattr(Chunk, method)
            m.setattr(Chunk, method, lambda self, given, *rest, _f=right: _f(self, given * np.float32(1 + 1e-5), *rest))
            m.setattr(network.Network, "arithmetic", lambda self: {"tensorflow": "9.9", "precision": "float32"})
            with pytest.raises(
                VQError, match="chunk 0 of 1 was encoded with probabilities that differ .*; here .*tensorflow 9.9"
            ):
                codec.decompress(run, path, str(tmp_path / "out.npy"))
            assert os.listdir(str(tmp_path)) == ["x.vqz"]


def test_a_file_that_is_not_decoded_to_the_same_gets_no_name(runs, tmp_path, monkeypatch):
    run, x, _ = runs("mse")
    path = str(tmp_path / "x.vqz")
    monkeypatch.setattr(chunk_workers, "decode_symbols", lambda *given: (None, np.zeros_like(x)))
    with pytest.raises(VQError, match="decoded to pixels that differ"):
        codec.compress(run, x, path)
    assert os.listdir(str(tmp_path)) == []
    codec.compress(run, x, path, verify=False)
    assert os.listdir(str(tmp_path)) == ["x.vqz"]


def test_an_interrupted_write_leaves_nothing(runs, tmp_path):
    run, x, _ = runs("mixture")

    def each():
        yield from x[:3]
        raise KeyboardInterrupt

    given = images_lib.of_arrays(x, 3)._replace(each=each())
    with pytest.raises(KeyboardInterrupt):
        codec.compress(run, given, str(tmp_path / "x.vqz"), batch=1)
    assert os.listdir(str(tmp_path)) == []


def test_weights_that_are_no_numbers_are_one_line(tmp_path):
    run = write_run(tmp_path / "run", values=lambda name, shape, w: w * np.nan if "decoder" in name else w)
    with pytest.raises(VQError, match="checkpoint: got likelihoods that are NaN"):
        codec.compress(run, images(2, 8, 1), str(tmp_path / "x.vqz"))
    assert not os.path.exists(str(tmp_path / "x.vqz"))
