"""`vq-info` describes run directories, files of codes and compressed files."""

import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.hostile import refused, write
from vq_estimator import pretrained
from vq_estimator.errors import VQError
from vq_estimator.inference import info
from vq_estimator.training import checkpoints, run_folder

pytestmark = pytest.mark.once

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "codec")
KNOWN = pretrained.by_fingerprint()


@pytest.mark.parametrize("name", pretrained.names())
def test_a_provided_model(name):
    lines = dict(info.describe(pretrained.folder(name), KNOWN))
    config = run_folder.load_config(pretrained.folder(name))
    step = checkpoints.find_checkpoint(pretrained.folder(name)).step
    assert f"step {step:,} of " in lines["training"] and f"the provided model {name}" in lines["weights"]
    assert str(config.model.quantizer.K) in lines["model"] and config.preset in lines["configuration"]
    assert f"bits/{config.model.unit}" in lines["evaluated on test"]
    has_prior = lines["prior"].startswith("step ") and "conditional" in lines["prior"]
    assert has_prior == (config.model.quantizer.K > 1) and lines["calibrated"] == "yes"


@pytest.mark.parametrize(
    "name, condition",
    [("mnist", "conditional on 10 classes"), ("fsdd", "conditional on 60 pairs of class and speaker")],
)
def test_what_a_prior_is_conditional_on(name, condition):
    assert dict(info.describe(pretrained.folder(name), KNOWN))["prior"].endswith(", " + condition)


@pytest.mark.parametrize(
    "kind, unit", [("factorised", "images"), ("autoregressive", "images"), ("speech", "recordings")]
)
def test_a_compressed_file(kind, unit):
    path = os.path.join(DATA, kind + ".vqz")
    lines = dict(info.describe(path, KNOWN))
    assert unit in lines["content"] and f"{os.path.getsize(path):,} bytes" in lines["size"]
    weights = lines["decodes with"].split()[-1]
    from vq_estimator.training.checkpoints import fingerprint

    made_by = fingerprint(checkpoints.find_checkpoint(os.path.join(DATA, kind)).path)
    assert made_by.startswith(weights) and len(weights) >= 16


def test_a_truncated_compressed_file_is_called_damaged(tmp_path):
    with open(os.path.join(DATA, "factorised.vqz"), "rb") as f:
        content = f.read()
    for part, damaged in ((content, ""), (content[:-1], f" (damaged: expected {len(content):,} bytes)")):
        size = dict(info.describe(write(tmp_path / "x.vqz", part), KNOWN))["size"]
        assert size.startswith(f"{len(part):,} bytes, ") and size.partition("chunks")[2] == damaged


def test_a_provided_model_by_the_command(tmp_path, forked):
    done = forked.script("info", "mnist", cwd=tmp_path)
    assert done.status == 0 and "the provided model mnist" in done.stdout, done.stderr
    (tmp_path / "mnist").mkdir()
    done = forked.script("info", "mnist", cwd=tmp_path)
    assert done.status == 1 and "input: got 'mnist', which is a provided model and a folder too" in done.stderr


def test_a_file_of_codes_by_the_command(tmp_path, forked):
    np.save(str(tmp_path / "x.npy"), np.zeros([3, 24, 24, 1], np.uint8))
    assert forked.script("encode", "--pretrained=mnist", "--input=x.npy", cwd=tmp_path).status == 0
    done = forked.script("info", "codes.npz", cwd=tmp_path)
    assert done.status == 0, done.stderr
    assert "of 3 images, shape [3, 3, 3, 1], values of 20" in done.stdout and "x.npy" in done.stdout
    assert "the provided model mnist" in done.stdout


def test_a_run_that_has_not_begun_and_what_is_none(tmp_path, forked):
    from vq_estimator.config import make_config, to_json

    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text(to_json(make_config("fsdd")))
    assert dict(info.describe(str(tmp_path / "run"), KNOWN))["training"] == "no checkpoint yet, of 10,000 steps"
    for path in ("/no/file", str(tmp_path), write(tmp_path / "x", b"text")):
        with pytest.raises(VQError, match="^input: "):
            info.describe(path, KNOWN)
    assert forked.script("info").one_line("info").startswith("input: got none")


@given(st.binary(max_size=200), st.sampled_from([b"", b"PK\3\4", b"\x89VQZ\r\n\x1a\n"]))
def test_any_bytes_are_described_or_refused(tmp_path_factory, content, begin):
    bad, lines = refused(info.describe, write(tmp_path_factory.mktemp("any") / "x", begin + content), KNOWN)
    assert bad or lines
