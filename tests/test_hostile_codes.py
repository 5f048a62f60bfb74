"""Damaged files of codes, and commands on damaged runs: one error in one line."""

import json
import os
import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.arrays import Writes, npy, npz
from helpers.damaged_checkpoints import blocks, contents, with_checksums
from helpers.hostile import damaged, damaged_json, everything_below, fewer, refused, write
from vq_estimator.errors import VQError
from vq_estimator.inference import code_files
from vq_estimator.training import checkpoints

pytestmark = pytest.mark.usefixtures("quiet")


def good_codes(n=2):
    return np.random.RandomState(0).randint(0, 20, [n, 3, 3, 1]).astype(np.uint16)


def test_damaged_codes_are_decoded_or_refused(mnist_model, tmp_path):
    origin = np.array(json.dumps({"input": "a", "K": 20, "fingerprint": None}))
    whole = {
        "codes.npz": npz(codes=good_codes(), files=np.array(["a/x.png", "b.png"]), origin=origin),
        "codes.npy": npy(good_codes()),
    }

    def decode(path):
        return code_files.decode(mnist_model, code_files.load(mnist_model, path), str(tmp_path / "out" / "images"))

    @fewer(2)
    @given(st.data())
    def check(data):
        name = data.draw(st.sampled_from(sorted(whole)))
        path = write(tmp_path / name, data.draw(damaged(whole[name])))
        bad, n = refused(decode, path)
        assert len(everything_below(tmp_path / "out")) == (0 if bad else n)
        shutil.rmtree(str(tmp_path / "out"), ignore_errors=True)
        os.remove(path)
        assert everything_below(tmp_path) == {}

    check()


@pytest.mark.parametrize(
    "files, origin",
    [
        (["../evil", "b"], "{}"),
        (["a/../../evil", "b"], "{}"),
        (["a//b", "c"], "{}"),
        ([".", "c"], "{}"),
        (["a\0b", "c"], "{}"),
        (["\ud800", "c"], "{}"),
        (["a", "a"], "{}"),
        (["a"], "{}"),
        ([1, 2], "{}"),
        (["a", "b"], "[]"),
        (["a", "b"], "{"),
        pytest.param(["a", "b"], "[" * 100000, id="deep"),
        (["a", "b"], '{"fingerprint": 5}'),
    ],
)
def test_hostile_names_of_images_are_refused(mnist_model, tmp_path, files, origin):
    content = npz(codes=good_codes(), files=np.array(files), origin=np.array(origin))
    path = write(tmp_path / "codes.npz", content)
    bad, _ = refused(lambda: code_files.decode(mnist_model, code_files.load(mnist_model, path), str(tmp_path / "out")))
    assert bad and list(everything_below(tmp_path)) == ["codes.npz"]


def test_images_of_one_name_and_two_kinds_are_both_decoded(mnist_model, tmp_path):
    path = write(tmp_path / "codes.npz", npz(codes=good_codes(3), files=np.array(["a/x.png", "a/x.jpg", "/b.png"])))
    with pytest.raises(VQError, match="'/b.png', expected paths below a folder"):
        code_files.load(mnist_model, path)
    write(path, npz(codes=good_codes(3), files=np.array(["a/x.png", "a/x.jpg", "b.png"])))
    assert code_files.decode(mnist_model, code_files.load(mnist_model, path), str(tmp_path / "out")) == 3
    assert sorted(everything_below(tmp_path / "out")) == ["a/x.jpg.png", "a/x.png.png", "b.png"]


def hostile_runs(mnist_run):
    """What is done to a run, and what the line of a command on it begins with."""
    index, data = contents(checkpoints.find_checkpoint(str(mnist_run)).path)
    return {
        "config.json": [
            (b"[" * 100000, "{}/config.json: "),
            (b"\xff\xfe", "model_dir: got"),
            (b'{"dataset": "\\u001b[2J\\n"}', "{}/config.json: "),
        ],
        "model.ckpt-10000.index": [
            (b"", "checkpoint: "),
            (index[:-1], "checkpoint: "),
            (with_checksums(index[:40] + b"\xff" * 8 + index[48:], blocks(index)), "checkpoint: "),
        ],
        "model.ckpt-10000.data-00000-of-00001": [(data[:-1], "checkpoint: "), (bytes(len(data)), "checkpoint: ")],
    }


def test_a_command_says_it_in_one_line_and_ends(mnist_run, forked, tmp_path):
    assert os.path.isfile(str(mnist_run / "model.ckpt-10000.index"))
    export = ["--export_dir=made"]
    for name, cases in hostile_runs(mnist_run).items():
        with open(str(mnist_run / name), "rb") as f:
            good = f.read()
        for content, begin in cases:
            write(mnist_run / name, content)
            done = forked.script("export", "--model_dir=run", *export, cwd=tmp_path)
            assert done.one_line("export").startswith(begin.format("run")) and done.status == 1, (name, done.stderr)
            assert done.megabytes < 1500
        os.remove(str(mnist_run / name))
        os.mkfifo(str(mnist_run / name))  # which nobody writes to: no command may wait for it
        done = forked.script("export", "--model_dir=run", *export, cwd=tmp_path)
        assert done.status == 1 and "Is no regular file" in done.one_line("export")
        os.remove(str(mnist_run / name))
        write(mnist_run / name, good)
    assert not (tmp_path / "made").exists()


@pytest.mark.slow
def test_a_command_on_a_damaged_run_says_it_in_one_line_or_works(mnist_run, forked, tmp_path):
    """As above, of any damage; a process each."""
    whole = everything_below(mnist_run)
    best = os.path.join("prior", "best", "best.json")
    names = ["config.json", "checkpoint", best, os.path.join("prior", "config.json"), os.path.join("eval", "test.json")]
    names += [name for name in whole if name.endswith((".index", ".data-00000-of-00001")) or "calibration" in name]
    commands = [("export", "--export_dir=made"), ("sample", "--num=10"), ("compare", "--model_dirs=run")]
    write(tmp_path / "codes.npy", npy(good_codes()))
    commands.append(("decode", "--input=codes.npy"))

    @fewer(2)
    @given(st.data())
    def check(data):
        name, (script, flag) = data.draw(st.sampled_from(sorted(names))), data.draw(st.sampled_from(commands))
        json_file = name.endswith(".json")
        write(
            mnist_run / name,
            data.draw(damaged_json(json.loads(whole[name].decode())) if json_file else damaged(whole[name])),
        )
        given = [flag] if script == "compare" else ["--model_dir=run", flag]
        done = forked.script(script, *given, cwd=tmp_path)
        assert done.megabytes < 2000 and "Traceback" not in done.stderr
        if done.status:
            last = done.stderr.splitlines()[-1]
            warned = done.stderr.splitlines()[:-1]
            assert done.status == 1 and last.startswith(script + ".py: error: "), done
            assert all(line.startswith("WARNING: ") for line in warned), done
        write(mnist_run / name, whole[name])
        for made in ("made", "decoded"):
            shutil.rmtree(str(tmp_path / made), ignore_errors=True)

    check()


def test_a_command_loads_no_pickle(mnist_run, forked, tmp_path):
    evil = np.array([Writes(str(tmp_path / "evil"))], object)
    write(tmp_path / "codes.npz", npz(codes=evil, origin=evil))
    write(tmp_path / "images.npy", npy(evil))
    for script, name in (("decode", "codes.npz"), ("decode", "images.npy"), ("encode", "images.npy")):
        given = ["--model_dir=run", "--input=" + name, "--out=made.npz" if script == "encode" else "--out=made"]
        done = forked.script(script, *given, cwd=tmp_path)
        assert "would be a pickle, which is not read" in done.one_line(script)
    assert not (tmp_path / "evil").exists()
