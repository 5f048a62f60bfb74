"""A prior's data from files of codes: rows, labels, the part for validation, and files that do not fit the run."""

import json
import shutil

import numpy as np
import pytest

from vq_estimator import config as c
from vq_estimator import pretrained
from vq_estimator.errors import VQError
from vq_estimator.inference import code_sets, code_shards, speech_segments
from vq_estimator.inference import trained_prior as prior_lib
from vq_estimator.inference.code_shards import Row
from vq_estimator.inference.session import open_run
from vq_estimator.inference.speech_model import SpeechModel
from vq_estimator.training import prior_trainer


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The provided model without its prior."""
    folder = str(tmp_path_factory.mktemp("runs") / "mnist")
    shutil.copytree(pretrained.folder("mnist"), folder)
    shutil.rmtree(prior_trainer.folder(folder))
    with open_run(folder) as opened:
        yield opened


def some_rows(number, first=0):
    codes = np.random.RandomState(first).randint(0, 20, (number, 3, 3, 1)).astype(np.int32)
    return [Row(one, first + i, f"{i % 10}/{first + i}.png") for i, one in enumerate(codes)]


def stacked(rows):
    return np.stack([row.codes for row in rows])


def test_a_prior_is_trained_on_rows_in_tfrecord_files(run, tmp_path):
    rows = some_rows(64)
    for part in range(2):
        code_shards.write_tfrecord(
            str(tmp_path / f"codes-0000{part}-of-00002.tfrecord"), rows[part * 40 : part * 40 + 40]
        )
    (tmp_path / "manifest.json").write_text(json.dumps({"model": {"fingerprint": run.fingerprint}}))
    sets = code_sets.load(run, str(tmp_path), class_conditional=True)
    held_out = [9, 19, 29, 39, 49, 59]
    np.testing.assert_array_equal(sets.validation.codes, stacked([rows[i] for i in held_out]))
    np.testing.assert_array_equal(sets.train.codes, np.delete(stacked(rows), held_out, 0))
    assert sets.validation.labels.tolist() == [9] * 6 and sets.config.classes == 10  # by the names of folders
    given = dict(layers=1, channels=8, batch_size=8, max_steps=2, eval_steps=2, save_checkpoints_steps=2)
    prior_trainer.train(c.make_prior_config(sets.config, **given), sets.train, sets.validation, run.model_dir)
    prior = prior_lib.find(run.model_dir, run.checkpoint)
    assert prior.config.codes.fingerprint == run.fingerprint and prior.checkpoint.step == 2


def test_the_rows_of_other_formats_are_the_same(run, tmp_path):
    pytest.importorskip("pyarrow", reason="the extra `beam` is not installed")
    rows = [row._replace(label=row.index % 3) for row in some_rows(30)]
    code_shards.write_parquet(str(tmp_path / "a.parquet"), rows)
    labels = np.array([row.label for row in rows], np.int32)
    np.savez(str(tmp_path / "a.npz"), codes=stacked(rows), labels=labels, files=np.array([row.name for row in rows]))
    code_shards.write_tfrecord(str(tmp_path / "a.tfrecord"), rows)
    for name in ("a.parquet", "a.npz", "a.tfrecord"):
        found = code_shards.read(str(tmp_path / name))
        assert [row[1:] for row in found] == [row[1:] for row in rows], name
        np.testing.assert_array_equal(stacked(found), stacked(rows))
    sets = code_sets.load(run, str(tmp_path / "*.parquet"), str(tmp_path / "a.npz"), class_conditional=True)
    assert len(sets.train.codes) == len(sets.validation.codes) == 30 and sets.train.labels.tolist() == labels.tolist()


@pytest.mark.slow
def test_codes_of_recordings_become_windows_that_end_in_silence(tmp_path):
    with SpeechModel(pretrained.folder("fsdd")) as model:
        width, L = model.config.model.prior_grid[1:]
        codes = [np.ones([n, L], np.int32) for n in (width + 3, 5)]
        name = model.config.model.speakers[1] + "/a.wav"
        code_shards.write_tfrecord(str(tmp_path / "a.tfrecord"), [Row(codes[0], 0, name)])
        code_shards.write_tfrecord(str(tmp_path / "b.tfrecord"), [Row(codes[1], 0, name)])
        sets = code_sets.load(model, str(tmp_path / "a*"), str(tmp_path / "b*"), True, "speaker")
        silence = speech_segments.encode(model, np.full(width * model.config.model.network.stride, 128, np.uint8))
    assert sets.train.codes.shape == (2, 1, width, L) and sets.train.labels.tolist() == [1, 1]
    np.testing.assert_array_equal(sets.train.codes[1, 0, 3:], silence[: width - 3])
    assert sets.validation.codes.shape == (1, 1, width, L) and (sets.validation.codes[0, 0, :5] == 1).all()


@pytest.mark.parametrize(
    "rows, message",
    [
        (
            [Row(np.zeros([3, 3, 2], np.int32), 0)] * 20,
            r"codes: got codes \[3, 3, 2\] .*, expected \[3, 3, 1\] below 20",
        ),
        ([Row(np.full([3, 3, 1], 20, np.int32), 0)] * 20, r"codes: got codes \[3, 3, 1\] up to 20 in .* below 20"),
        (some_rows(5), "codes: got 5 rows for training and 0 for validation, expected one or more for each"),
        (
            [row._replace(name=None) for row in some_rows(20)],
            "class_conditional: got row 0 .without a name., expected a",
        ),
    ],
)
def test_rows_that_do_not_fit_are_one_line(run, tmp_path, rows, message):
    code_shards.write_tfrecord(str(tmp_path / "a.tfrecord"), rows)
    with pytest.raises(VQError, match=message):
        code_sets.load(run, str(tmp_path / "a.tfrecord"), class_conditional=True)


def test_files_that_hold_something_else_are_one_line(run, tmp_path):
    for name in ("text.tfrecord", "text.npz"):
        (tmp_path / name).write_text("no codes in this file")
        with pytest.raises(VQError, match=f"codes: '.*{name}' can't be read .*, expected a file of vq-encode"):
            code_sets.load(run, str(tmp_path / name))
    with pytest.raises(VQError, match="validation_codes: got '.*none', where no such file is, expected a pattern or f"):
        code_shards.write_tfrecord(str(tmp_path / "good.tfrecord"), some_rows(20))
        code_sets.load(run, str(tmp_path / "good.tfrecord"), str(tmp_path / "none"))
    (tmp_path / "manifest.json").write_text(json.dumps({"model": {"fingerprint": "0" * 64}}))
    with pytest.raises(VQError, match="codes: got codes by the weights 000000000000 in .*, expected .*, the run's"):
        code_sets.load(run, str(tmp_path / "good.tfrecord"))
