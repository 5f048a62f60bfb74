"""The launch shell of every command: paths, flag files, standard streams, TF_CONFIG, the cache folder."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from PIL import Image

from helpers.folders import everything_below
from helpers.forked import ROOT
from helpers.marks import slow
from vq_estimator.data.files import split_paths
from vq_estimator.training import checkpoints
from vq_estimator.training.checkpoint_reader import CheckpointReader

FEW = ["--image_size=16", "--K=8", "--D=8", "--batch_size=4", "--max_steps=2", "--save_checkpoints_steps=2"]


def last_line(done):
    """The last line on stderr, of a command that did not succeed; nothing else than log lines may be before it."""
    assert "Traceback" not in done.stderr and done.status in (1, 2), (done.status, done.stderr)
    return done.stderr.splitlines()[-1]


def test_a_tilde_is_expanded(server, environment, small_run, tmp_path):
    commands = server.within(dict(environment, HOME=str(tmp_path / "home")))
    shutil.copytree(small_run[1], str(tmp_path / "home" / "runs" / "a"))
    (tmp_path / "work").mkdir()
    done = commands.script("export", "--model_dir=~/runs/a", "--export_dir=~/made/1", cwd=tmp_path / "work")
    assert done.status == 0 and (tmp_path / "home" / "made" / "1" / "saved_model.pb").is_file(), done.stderr
    shutil.copytree(small_run[1], str(tmp_path / "home" / "runs" / "b,c"))
    done = commands.script("compare", "--model_dirs=~/runs/b,c,~/runs/a", "--split=validation", cwd=tmp_path / "work")
    assert "no 'eval" not in done.stderr and "expected run directories" not in done.stderr
    assert os.listdir(str(tmp_path / "work")) == []
    with_data = server.within(dict(environment, HOME=str(tmp_path / "home"), VQ_DATA_DIR="~/none", VQ_CACHE_DIR=""))
    line = last_line(with_data.script("train", "--dataset=images", cwd=tmp_path / "work"))
    assert f"data_dir: got {str(tmp_path / 'home' / 'none')!r}, which is no folder" in line
    urls = server.within(dict(environment, VQ_DATA_DIR="gs://bucket"))
    assert urls.script("train", cwd=tmp_path / "work").one_line("train").startswith("VQ_DATA_DIR: got 'gs://bucket'")
    empty = server.within(dict(environment, VQ_DATA_DIR=""))
    assert "data_dir: got './datasets'" in last_line(empty.script("train", "--dataset=wav", cwd=tmp_path / "work"))
    assert os.listdir(str(tmp_path / "work")) == []


def test_paths_with_commas(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert split_paths("a,b,c") == ["a", "b", "c"]
    (tmp_path / "b,c").mkdir()
    assert split_paths("a,b,c") == ["a", "b,c"] and split_paths("b,c,a") == ["b,c", "a"]
    (tmp_path / "a,b").mkdir()
    assert split_paths("a,b,c") == ["a,b", "c"] and split_paths("") == [""] and split_paths("a,") == ["a", ""]


def test_a_split_that_is_also_a_folder(forked, small_run, tmp_path):
    for name in ("test", "mnist:test"):
        (tmp_path / name).mkdir()
        Image.fromarray(np.zeros([30, 30], np.uint8)).save(str(tmp_path / name / "x.png"))
    run = "--model_dir=" + small_run[1]
    for script in ("encode", "compress"):
        for name in ("test", "mnist:test"):
            line = last_line(forked.script(script, run, "--input=" + name, cwd=tmp_path))
            assert f"input: got {name!r}" in line and f"./{name} " in line and "mnist:test" in line
    done = forked.script("encode", run, "--input=./test", "--out=a.npz", cwd=tmp_path)
    assert (done.status, done.stdout[:8]) == (0, "1 image "), done.stderr
    shutil.rmtree(str(tmp_path / "mnist:test"))
    done = forked.script("encode", run, "--input=mnist:test", "--out=b.npz", cwd=tmp_path)
    assert (done.status, done.stdout[:11]) == (0, "500 images "), done.stderr


def test_a_split_of_speech_by_the_name_of_its_data(forked, spoken_run, spoken_source, tmp_path):
    given = ["--model_dir=" + spoken_run[2], "--data_dir=" + spoken_source[0]]
    codes = []
    for name in ("test", "wav:test"):
        done = forked.script("encode", *given, "--input=" + name, f"--out={len(codes)}.npz", cwd=tmp_path)
        assert done.status == 0, done.stderr
        with np.load(str(tmp_path / f"{len(codes)}.npz")) as f:
            codes.append(f["codes"])
    np.testing.assert_array_equal(*codes)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-8", "utf-16"])
def test_a_flag_file_in_any_locale(server, environment, tmp_path, encoding):
    (tmp_path / "flags.txt").write_bytes("--model_dir=лог\r\n# none\n\n--split=test\r\n".encode(encoding))
    (tmp_path / "outer").write_text("--flagfile=flags.txt\n")
    for locale in ({}, {"LC_ALL": "C"}):
        commands = server.within(dict(environment, **locale))
        for given in (["--flagfile=flags.txt"], ["--flagfile", "flags.txt"], ["-flagfile=outer"]):
            line = commands.script("evaluate", *given, cwd=tmp_path).one_line("evaluate")
            assert line.startswith("model_dir: got 'лог', expected a run directory")
        done = commands.script("evaluate", *given, "--split=x", cwd=tmp_path)
        assert done.one_line("evaluate").startswith("flag --split=x")


def test_a_flag_file_that_can_not_be_read(forked, tmp_path):
    (tmp_path / "latin1").write_bytes(b"--model_dir=\xfc\n")
    (tmp_path / "loop").write_text("--flagfile=loop\n")
    for name in ("none", "latin1", "loop", ""):
        done = forked.script("evaluate", "--flagfile=" + name, cwd=tmp_path)
        assert done.one_line("evaluate").startswith("flagfile: ") and done.status == 2


def run(arguments, environment, redirected="", **given):
    """A command as a process of its own, by the shell, with redirections."""
    quoted = " ".join("'" + a + "'" for a in [sys.executable, *arguments])
    given.setdefault("timeout", 300)
    return subprocess.run(["bash", "-c", f"{quoted} {redirected}"], env=environment, capture_output=True, **given)


CLOSED = ["2>&-", "1>&-", "0<&-", "0<&- 1>&-", "1>&- 2>&-", "0<&- 2>&-", "0<&- 1>&- 2>&-"]


@pytest.mark.once
def test_streams_that_are_closed(environment, small_run, tmp_path):
    export = os.path.join(ROOT, "launch", "export.py")
    for redirected in CLOSED:  # refused before TensorFlow is imported
        done = run([os.path.join(ROOT, "launch", "train.py"), "--K=0"], environment, redirected)
        assert done.returncode == 1 and (done.stderr == b"") == ("2>" in redirected) and b"Trace" not in done.stderr
    out = str(tmp_path / "all")
    done = run([export, "--model_dir=" + small_run[1], "--export_dir=" + out], environment, CLOSED[-1])
    assert done.returncode == 0 and os.path.isfile(os.path.join(out, "saved_model.pb")), done.stderr
    assert done.stderr == b"" and done.stdout == b""


ASCII = """
import io, runpy, sys
sys.stdout, sys.stderr = (io.TextIOWrapper(stream.buffer, "ascii") for stream in (sys.stdout, sys.stderr))
sys.argv.pop(0)
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_names_that_the_encoding_lacks(forked, environment, small_run, tmp_path):
    out, export = str(tmp_path / "漢字"), os.path.join(ROOT, "launch", "export.py")
    done = forked.code(ASCII, export, "--model_dir=" + small_run[1], "--export_dir=" + out)
    assert done.status == 0 and "\\u6f22\\u5b57" in done.stdout and "Trace" not in done.stderr, done.stderr
    train = os.path.join(ROOT, "launch", "train.py")  # refused before TensorFlow is imported
    ascii_only = dict(environment, PYTHONIOENCODING="ascii", PYTHONPATH=ROOT)
    done = subprocess.run([sys.executable.encode(), train, b"--dataset=\xff"], env=ascii_only, capture_output=True)
    assert done.returncode == 2 and done.stderr.count(b"\n") == 1 and b"Trace" not in done.stderr, done.stderr


def test_a_pipe_that_nobody_reads(forked, environment, small_run, tmp_path):
    out, (reader, writer) = str(tmp_path / "1"), os.pipe()
    export = [os.path.join(ROOT, "launch", "export.py"), "--model_dir=" + small_run[1], "--export_dir=" + out]
    process = forked.start(*export, output=f"/proc/{os.getpid()}/fd/{writer}")
    os.close(reader)
    os.close(writer)
    assert process.wait() == 0 and os.path.isfile(os.path.join(out, "saved_model.pb"))
    done = run(export[:1] + ["--help"], environment, "> /dev/full")
    assert done.returncode == 1 and done.stderr.count(b"\n") == 1 and b"No space left" in done.stderr


TASK = {"cluster": {"chief": ["127.0.0.1:9"], "worker": ["127.0.0.1:10"]}, "task": {"type": "worker", "index": 0}}


def test_a_left_over_tf_config_is_not_seen(server, environment, tmp_path):
    commands = server.within(dict(environment, TF_CONFIG=json.dumps(TASK)))
    done = commands.script("train", *FEW, "--model_dir=run", cwd=tmp_path)
    assert done.status == 0 and done.stderr.count("INFO: TF_CONFIG") == 1, done.stderr
    assert checkpoints.find_checkpoint(str(tmp_path / "run")).step == 2


@pytest.mark.slow
def test_a_left_over_tf_config_is_not_seen_by_a_prior(server, environment, small_run, tmp_path):
    shutil.copytree(small_run[1], str(tmp_path / "run"))
    flags = ["--model_dir=run", "--layers=1", "--channels=8", "--max_steps=2"]
    done = server.within(dict(environment, TF_CONFIG="{bad")).script("train_prior", *flags, cwd=tmp_path)
    assert done.status == 0 and done.stderr.count("INFO: TF_CONFIG") == 1, done.stderr


@pytest.mark.parametrize("kind", ["multi_worker", "parameter_server"])
@pytest.mark.parametrize("value", ["{bad", "", json.dumps({"task": TASK["task"]}), json.dumps(dict(TASK, cluster={}))])
def test_a_tf_config_that_is_no_cluster_is_one_line(server, environment, tmp_path, kind, value):
    commands = server.within(dict(environment, TF_CONFIG=value))
    line = commands.script("train", "--distribution=" + kind, cwd=tmp_path).one_line("train")
    assert line.startswith("TF_CONFIG: got ") and os.listdir(str(tmp_path)) == []


WAITING = [("multi_worker", "chief", signal.SIGTERM), ("parameter_server", "worker", signal.SIGINT)]
WAITING += [slow("multi_worker", "chief", signal.SIGINT), slow("parameter_server", "worker", signal.SIGTERM)]


@pytest.mark.parametrize("kind, task, number", WAITING)
def test_a_process_that_waits_for_its_cluster_can_be_ended(server, environment, tmp_path, kind, task, number):
    from helpers.ports import free_port

    cluster = {job: [f"127.0.0.1:{free_port()}"] for job in ("chief", "worker", "ps")}
    if kind == "multi_worker":
        del cluster["ps"]
    given = json.dumps({"cluster": cluster, "task": {"type": task, "index": 0}})
    commands, said = server.within(dict(environment, TF_CONFIG=given)), tmp_path / "said"
    flags = [*FEW, "--distribution=" + kind, f"--model_dir={tmp_path / 'a' / 'run'}"]
    process = commands.start(os.path.join(ROOT, "launch", "train.py"), *flags, output=said)
    try:
        end = time.time() + 120
        while "0/2" not in said.read_text() and time.time() < end:
            assert process.poll() is None, said.read_text()
            time.sleep(0.1)
        time.sleep(2)  # by now it waits
        assert process.poll() is None, said.read_text()
        process.send_signal(number)
        begin = time.time()
        assert process.wait() == 128 + number and time.time() - begin < 20
    finally:
        process.kill()
    text = said.read_text()
    assert text.endswith("error: interrupted\n") and "Traceback" not in text
    assert os.listdir(str(tmp_path)) == ["said"]


def test_a_cache_that_can_not_be_written_names_its_variable(server, environment, tmp_path):
    (tmp_path / "images").mkdir()
    for i in range(40):
        Image.fromarray(np.full([16, 16, 3], i, np.uint8)).save(str(tmp_path / "images" / f"{i}.png"))
    commands = server.within(dict(environment, VQ_CACHE_DIR="/dev/null/cache"))
    line = last_line(commands.script("train", *FEW, "--dataset=images", "--data_dir=images", cwd=tmp_path))
    assert "VQ_CACHE_DIR" in line and "'/dev/null/cache'" in line
    line = last_line(commands.script("train", *FEW, cwd=tmp_path))
    assert "VQ_CACHE_DIR" in line and os.listdir(str(tmp_path)) == ["images"]


NAMES = ["run [v1]", "a*b?", "a\\b", "[", "漢字"]


@pytest.mark.once
@pytest.mark.parametrize("name", [NAMES[0], *map(slow, NAMES[1:])])
def test_a_run_whose_name_is_a_pattern(forked, small_run, tmp_path, name):
    shutil.copytree(small_run[1], str(tmp_path / name))
    run = "--model_dir=" + name
    before = everything_below(tmp_path / name)
    x = np.random.RandomState(0).randint(0, 256, (3, 24, 24, 1)).astype(np.uint8)
    np.save(str(tmp_path / "x.npy"), x)
    for script, *flags in [
        ["evaluate", "--split=test"],
        ["encode", "--input=x.npy", f"--out={name}.npz"],
        ["decode", f"--input={name}.npz", f"--out={name}-out"],
        ["export", f"--export_dir={name}-export/1"],
        ["explore", "--frames=2", f"--out={name}-explore"],
        ["compress", "--input=x.npy", f"--out={name}.vqz"],
        ["decompress", f"--input={name}.vqz", f"--out={name}.npy"],
    ]:
        done = forked.script(script, run, *flags, cwd=tmp_path)
        assert done.status == 0, (script, done.stderr)
    np.testing.assert_array_equal(np.load(str(tmp_path / (name + ".npy"))), x)
    (tmp_path / "ax").mkdir()  # what the pattern a* would find
    done = forked.script("compare", "--model_dirs=" + name, cwd=tmp_path)
    assert done.status == 0 and name in done.stdout, done.stderr
    done = forked.script("train", *FEW[1:3], "--max_steps=1", "--warm_start=" + name, "--model_dir=new", cwd=tmp_path)
    assert done.status == 0 or ("warm_start: got" in done.stderr and "fits" in done.stderr), done.stderr
    if name != "漢字":
        for script in ("train", "train_prior"):
            assert "expected a path without any of" in last_line(forked.script(script, run, cwd=tmp_path))
    assert set(before) <= set(everything_below(tmp_path / name))


def test_a_stored_checkpoint_by_a_path_that_is_a_pattern(small_run, tmp_path):
    folder = str(tmp_path / "a[b]*?\\\udcff")
    shutil.copytree(small_run[1], folder)
    found = checkpoints.find_checkpoint(folder)
    reader = tf.train.load_checkpoint(checkpoints.find_checkpoint(small_run[1]).path)
    stored = CheckpointReader(found.path)
    assert found.step == 60 and set(stored.shapes) >= set(reader.get_variable_to_shape_map())
    for name in reader.get_variable_to_shape_map():
        np.testing.assert_array_equal(stored.value(name, reader.get_tensor(name).dtype), reader.get_tensor(name))


def test_a_small_run_in_the_c_locale(server, environment, tmp_path):
    commands = server.within(dict(environment, LC_ALL="C"))
    done = commands.script("train", *FEW, "--model_dir=лог", cwd=tmp_path)
    assert done.status == 0, done.stderr
