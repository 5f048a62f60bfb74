"""Damaged and hostile run folders: what was there, or one error in one line; nothing outside, and the process lives."""

import dataclasses
import json
import os
import shutil
import struct

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from hypothesis import given
from hypothesis import strategies as st

from helpers.arrays import Writes, npy, npz
from helpers.hostile import damaged, damaged_json, everything_below, fewer, refused, write
from helpers.their_checkpoints import names_of
from helpers.their_checkpoints import write as write_theirs
from vq_estimator import config as config_lib
from vq_estimator import pretrained
from vq_estimator.errors import VQError
from vq_estimator.inference import calibration, code_files, comparison, tf_vqvae
from vq_estimator.inference.image_model import ImageModel
from vq_estimator.inference.session import open_run
from vq_estimator.training import checkpoints, run_folder
from vq_estimator.training.checkpoint_reader import CheckpointReader

pytestmark = pytest.mark.usefixtures("quiet")


@pytest.fixture
def run(tmp_path):
    """A run of one's own, with a prior, a calibration and evaluations."""
    pretrained.copy_to_run_dir("mnist", str(tmp_path / "run"))
    shutil.copytree(os.path.join(pretrained.folder("mnist"), "eval"), str(tmp_path / "run" / "eval"))
    return tmp_path / "run"


def load(path):
    with open(str(path), encoding="utf-8") as f:
        return json.load(f)


# Configurations

CONFIGS = [
    config_lib.make_config("mnist", "tuned"),
    config_lib.make_config("cifar10", "autoregressive"),
    config_lib.make_config("images", quantizer="fsq"),
    config_lib.make_prior_config(config_lib.CodesConfig((3, 3, 1), 20, 10, "mnist", 100, "0" * 64)),
]


@pytest.mark.parametrize("config", CONFIGS, ids=["mnist", "autoregressive", "fsq", "prior"])
def test_a_damaged_config_is_a_config_or_refused(config):
    @given(damaged_json(config_lib.to_dict(config)))
    def check(content):
        text = content.decode("utf-8", "replace")
        bad, found = refused(config_lib.from_json, text, "config.json", type(config))
        assert bad or config_lib.from_json(config_lib.to_json(found), kind=type(config)) == found

    check()


def test_a_model_of_a_damaged_config_is_the_same_or_refused(run):
    whole = load(run / "config.json")
    images = np.random.RandomState(0).randint(0, 256, [2, 24, 24, 1]).astype(np.uint8)
    with ImageModel(str(run)) as model:
        want = model.encode(images)

    def encode():
        with ImageModel(str(run)) as model:
            return model.encode(images)

    @fewer(3)
    @given(damaged_json(whole))
    def check(content):
        write(run / "config.json", content)
        bad, codes = refused(encode)
        assert bad or codes.shape == want.shape

    check()


# What lies beside a checkpoint


@given(st.data())
def test_a_damaged_best_json_is_the_same_or_none(small_run, tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("best")
    shutil.copytree(os.path.join(small_run[1], "best"), str(folder / "best"))
    whole = load(folder / "best" / "best.json")
    write(folder / "best" / "best.json", data.draw(damaged_json(whole)))
    best = checkpoints.load_best(str(folder))
    assert best is None or isinstance(best["value"] + best["global_step"], (int, float))
    bad, found = refused(checkpoints.find_checkpoint, str(folder), "best")
    assert bad or os.path.dirname(found.path) == str(folder / "best")
    newest = os.path.join(small_run[1], "model.ckpt-60")
    checkpoints.keep_best(str(folder), newest, 60, "mse", -1e300)
    assert checkpoints.find_checkpoint(str(folder), "best").step == 60


@given(damaged_json({"global_step": 60}))
def test_a_damaged_note_of_the_last_evaluation_is_a_step(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("evaluated")
    write(folder / checkpoints.EVALUATED, content)
    step = checkpoints.evaluated(str(folder))
    assert type(step) is int and 0 <= step < 2**63


def test_a_damaged_calibration_is_fitted_anew(run):
    opened = open_run(str(run))
    path = calibration.kept_path(opened)
    whole, q = load(path), opened.config.model.quantizer

    @given(damaged_json(whole))
    def check(content):
        write(path, content)
        found = calibration.kept(opened)
        if found is not None:
            assert found.counts.shape == (q.L, q.K) and found.counts.min() >= 0 and 0 < found.scale < 1000
            assert abs(found.code_probabilities().sum() - q.L) < 1e-6

    check()


@given(damaged_json(["ant", "bee", "cat"]))
def test_damaged_class_names_can_be_printed(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("names")
    write(folder / "classes.json", content)
    for name in run_folder.class_names(str(folder), config_lib.make_config("images")):
        assert name.isprintable() and name.encode("utf-8") is not None


def test_damaged_evaluations_are_compared_or_refused(run):
    whole = load(run / "eval" / "test.json")

    def compare():
        rows = comparison.load([str(run)])
        return comparison.source(rows), comparison.table(rows)

    @given(damaged_json(whole))
    def check(content):
        write(run / "eval" / "test.json", content)
        bad, found = refused(compare)
        assert bad or found[0].isprintable()

    check()


@given(st.data())
def test_a_damaged_list_of_checkpoints_stays_in_the_folder(small_run, tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("state") / "run"
    shutil.copytree(small_run[1], str(folder))
    with open(os.path.join(small_run[1], "checkpoint"), "rb") as f:
        whole = f.read()
    if data.draw(st.booleans()):
        name = data.draw(st.sampled_from([small_run[1] + "/model.ckpt-60", "../run/../x", "*", "/dev/zero", "", "\0"]))
        content = whole.replace(b"model.ckpt-60", name.encode())
    else:
        content = data.draw(damaged(whole))
    write(folder / "checkpoint", content)
    assert checkpoints.find_checkpoint(str(folder)).step == 60
    assert run_folder.prepare(str(folder), small_run[0]) == 60
    state = tf.train.get_checkpoint_state(str(folder))
    assert {os.path.dirname(path) for path in state.all_model_checkpoint_paths} == {str(folder)}
    assert state.model_checkpoint_path == str(folder / "model.ckpt-60")


def test_training_removes_nothing_that_a_list_of_checkpoints_names_elsewhere(small_run, digits, tmp_path):
    from vq_estimator.training import trainer

    folder, elsewhere = tmp_path / "run", tmp_path / "thesis"
    for target in (folder, elsewhere):
        shutil.copytree(small_run[1], str(target))
    with open(str(folder / "checkpoint"), "a") as f:
        f.write(f'all_model_checkpoint_paths: "{elsewhere}/model.ckpt-30"\n')
    before = everything_below(elsewhere)
    config = small_run[0]
    longer = dataclasses.replace(config, train=dataclasses.replace(config.train, max_steps=180, eval_steps=180))
    assert trainer.train(longer, digits, str(folder)).step == 180
    assert not (folder / "model.ckpt-30.index").exists()  # of five that are kept
    assert everything_below(elsewhere) == before


# Checkpoints


def _crc_table():
    for n in range(256):
        for _ in range(8):
            n = (n >> 1) ^ (0x82F63B78 if n & 1 else 0)
        yield n


CRC_TABLE = list(_crc_table())


def masked_crc(data):
    """CRC-32C as LevelDB keeps it."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CRC_TABLE[(crc ^ byte) & 255] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def test_the_checksum_is_the_one_of_leveldb():
    assert masked_crc(b"123456789") == ((0xE3069283 >> 15 | 0xE3069283 << 17) + 0xA282EAD8) & 0xFFFFFFFF


def blocks(index):
    """(start, size) of the blocks of an index of few tensors: of the entries, without names, and of their places."""
    handles, at, value, shift = [], len(index) - 48, 0, 0
    while len(handles) < 4:
        value |= (index[at] & 127) << shift
        shift += 7
        if index[at] < 128:
            handles.append(value)
            value, shift = 0, 0
        at += 1
    return [(0, handles[0] - 5), handles[:2], handles[2:]]


def with_checksums(changed, places):
    """A damaged index whose blocks have the right checksums again, so that a reader believes them."""
    out = bytearray(changed)
    for start, size in places:
        if start + size + 5 <= len(out):
            out[start + size + 1 : start + size + 5] = struct.pack("<I", masked_crc(out[start : start + size + 1]))
    return bytes(out)


def contents(path):
    with open(path + ".index", "rb") as index, open(path + ".data-00000-of-00001", "rb") as data:
        return index.read(), data.read()


@st.composite
def damaged_checkpoint(draw, index, data):
    kind = draw(st.sampled_from(["index", "checksums", "checksums", "data"]))
    if kind == "data":
        return index, draw(damaged(data)), True
    changed = draw(damaged(index))
    return (with_checksums(changed, blocks(index)) if kind == "checksums" else changed), data, kind == "index"


def put(path, index, data):
    write(path + ".index", index)
    write(path + ".data-00000-of-00001", data)


def test_the_blocks_of_an_index_are_found(run):
    index, _ = contents(checkpoints.find_checkpoint(str(run)).path)
    assert with_checksums(index, blocks(index)) == index


def test_a_damaged_checkpoint_has_the_same_tensors_or_is_refused(run):
    path = checkpoints.find_checkpoint(str(run)).path
    whole = contents(path)

    def tensors():
        stored = CheckpointReader(path)
        kinds = {name: tf.int64 if name == "global_step" else tf.float32 for name in stored.shapes}
        return {name: stored.value(name, kind) for name, kind in kinds.items()}

    want = tensors()

    @given(damaged_checkpoint(*whole))
    def check(changed):
        index, data, by_accident = changed
        put(path, index, data)
        bad, found = refused(tensors)
        if not bad and by_accident:  # who makes the checksums right makes another checkpoint
            assert sorted(found) == sorted(want)
            assert all(np.array_equal(found[name], want[name]) for name in want)

    check()


def test_a_model_of_a_damaged_checkpoint_is_the_same_or_refused(run):
    path = checkpoints.find_checkpoint(str(run)).path
    whole = contents(path)
    images = np.random.RandomState(0).randint(0, 256, [2, 24, 24, 1]).astype(np.uint8)

    def encode():
        with ImageModel(str(run)) as model:
            return model.encode(images)

    want = encode()

    @fewer(4)
    @given(damaged_checkpoint(*whole))
    def check(changed):
        put(path, *changed[:2])
        bad, codes = refused(encode)
        assert bad or not changed[2] or np.array_equal(codes, want)

    check()


def test_a_damaged_checkpoint_of_tf_vqvae_is_imported_or_leaves_nothing(tmp_path):
    path, target = str(tmp_path / "last.ckpt"), str(tmp_path / "made" / "run")
    write_theirs(path, names_of("mnist", 8))
    whole = contents(path)

    def import_it():
        return tf_vqvae.import_checkpoint(path, "mnist", "mnist", target)

    @fewer(4)
    @given(damaged_checkpoint(*whole))
    def check(changed):
        put(path, *changed[:2])
        bad, _ = refused(import_it)
        assert not bad or everything_below(tmp_path / "made") == {}
        shutil.rmtree(str(tmp_path / "made"), ignore_errors=True)

    check()


def test_a_tensor_of_another_kind_is_refused(tmp_path):
    path = str(tmp_path / "model.ckpt-1")
    with tf.Session() as session:
        tf.Variable(["text"], name="a"), tf.Variable([1j], name="b"), tf.Variable([7], name="global_step")
        session.run(tf.global_variables_initializer())
        tf.train.Saver().save(session, path)
    for name in "ab":
        with pytest.raises(VQError, match=f"checkpoint: {name} of .* is (string|complex128), expected float32"):
            CheckpointReader(path).value(name, tf.float32)
    with pytest.raises(VQError, match="no global_step"):
        checkpoints.read_checkpoint(path)


# Codes


@pytest.fixture(scope="module")
def model():
    with pretrained.load("mnist") as opened:
        yield opened


def good_codes(n=2):
    return np.random.RandomState(0).randint(0, 20, [n, 3, 3, 1]).astype(np.uint16)


def test_damaged_codes_are_decoded_or_refused(model, tmp_path):
    origin = np.array(json.dumps({"input": "a", "K": 20, "fingerprint": None}))
    whole = {
        "codes.npz": npz(codes=good_codes(), files=np.array(["a/x.png", "b.png"]), origin=origin),
        "codes.npy": npy(good_codes()),
    }

    def decode(path):
        return code_files.decode(model, code_files.load(model, path), str(tmp_path / "out" / "images"))

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
def test_hostile_names_of_images_are_refused(model, tmp_path, files, origin):
    content = npz(codes=good_codes(), files=np.array(files), origin=np.array(origin))
    path = write(tmp_path / "codes.npz", content)
    bad, _ = refused(lambda: code_files.decode(model, code_files.load(model, path), str(tmp_path / "out")))
    assert bad and list(everything_below(tmp_path)) == ["codes.npz"]


def test_images_of_one_name_and_two_kinds_are_both_decoded(model, tmp_path):
    path = write(tmp_path / "codes.npz", npz(codes=good_codes(3), files=np.array(["a/x.png", "a/x.jpg", "/b.png"])))
    with pytest.raises(VQError, match="'/b.png', expected paths below a folder"):
        code_files.load(model, path)
    write(path, npz(codes=good_codes(3), files=np.array(["a/x.png", "a/x.jpg", "b.png"])))
    assert code_files.decode(model, code_files.load(model, path), str(tmp_path / "out")) == 3
    assert sorted(everything_below(tmp_path / "out")) == ["a/x.jpg.png", "a/x.png.png", "b.png"]


# The commands


def hostile_runs(run):
    """What is done to a run, and what the line of a command on it begins with."""
    index, data = contents(checkpoints.find_checkpoint(str(run)).path)
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


def test_a_command_says_it_in_one_line_and_ends(run, forked, tmp_path):
    assert os.path.isfile(str(run / "model.ckpt-10000.index"))
    export = ["--export_dir=made"]
    for name, cases in hostile_runs(run).items():
        with open(str(run / name), "rb") as f:
            good = f.read()
        for content, begin in cases:
            write(run / name, content)
            done = forked.script("export", "--model_dir=run", *export, cwd=tmp_path)
            assert done.one_line("export").startswith(begin.format("run")) and done.status == 1, (name, done.stderr)
            assert done.megabytes < 1500
        os.remove(str(run / name))
        os.mkfifo(str(run / name))  # which nobody writes to: no command may wait for it
        done = forked.script("export", "--model_dir=run", *export, cwd=tmp_path)
        assert done.status == 1 and "Is no regular file" in done.one_line("export")
        os.remove(str(run / name))
        write(run / name, good)
    assert not (tmp_path / "made").exists()


@pytest.mark.slow
def test_a_command_on_a_damaged_run_says_it_in_one_line_or_works(run, forked, tmp_path):
    """As above, of any damage; a process each."""
    whole = everything_below(run)
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
            run / name, data.draw(damaged_json(json.loads(whole[name].decode())) if json_file else damaged(whole[name]))
        )
        given = [flag] if script == "compare" else ["--model_dir=run", flag]
        done = forked.script(script, *given, cwd=tmp_path)
        assert done.megabytes < 2000 and "Traceback" not in done.stderr
        if done.status:
            last = done.stderr.splitlines()[-1]
            warned = done.stderr.splitlines()[:-1]
            assert done.status == 1 and last.startswith(script + ".py: error: "), done
            assert all(line.startswith("WARNING: ") for line in warned), done
        write(run / name, whole[name])
        for made in ("made", "decoded"):
            shutil.rmtree(str(tmp_path / made), ignore_errors=True)

    check()


def test_a_command_loads_no_pickle(run, forked, tmp_path):
    evil = np.array([Writes(str(tmp_path / "evil"))], object)
    write(tmp_path / "codes.npz", npz(codes=evil, origin=evil))
    write(tmp_path / "images.npy", npy(evil))
    for script, name in (("decode", "codes.npz"), ("decode", "images.npy"), ("encode", "images.npy")):
        given = ["--model_dir=run", "--input=" + name, "--out=made.npz" if script == "encode" else "--out=made"]
        done = forked.script(script, *given, cwd=tmp_path)
        assert "would be a pickle, which is not read" in done.one_line(script)
    assert not (tmp_path / "evil").exists()
