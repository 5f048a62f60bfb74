"""Comparing runs: the table, and the errors for folders that are not evaluated runs."""

import os

import pytest

from vq_estimator.config import make_config
from vq_estimator.errors import VQError
from vq_estimator.inference import comparison, evaluation
from vq_estimator.inference.session import open_run

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def runs(small_run, autoregressive_run, digits):
    for model_dir in (small_run[1], autoregressive_run[1]):
        evaluation.evaluate(open_run(model_dir), digits, "test")
    return [small_run[1], autoregressive_run[1]]


def test_rows_are_sorted_by_their_total_and_say_what_the_runs_are(runs):
    rows = comparison.load(runs)
    totals = [comparison.total(row.result) for row in rows]
    assert totals == sorted(totals) and len(rows) == 2
    text = comparison.table(rows)
    assert text.endswith("in bits/dim")
    assert "1x1x2 codes of 8, autoregressive" in text and "3x3x1 codes of 8, factorised" in text
    for row in rows:
        assert "{:.3f}".format(row.result["bits_per_dim"]["distortion"]) in text


def test_speech_is_said_to_be_speech():
    config = make_config("fsdd", L=2, quantizer="residual")
    assert config.model.describe() == "2 codes of 256 for 64 samples, residual, wavenet"


def test_patterns_find_folders(runs):
    rows = comparison.load([os.path.join(os.path.dirname(runs[0]), "sm*")])
    assert [row.name for row in rows] == ["small"]


def test_what_is_no_evaluated_run_is_said(runs, tmp_path):
    with pytest.raises(VQError, match="which is no folder; expected run directories"):
        comparison.load([str(tmp_path / "nothing*")])
    with pytest.raises(VQError, match="expected a run directory with a config.json"):
        comparison.load([str(tmp_path)])
    with pytest.raises(VQError, match="run vq-evaluate --split=train"):
        comparison.load(runs, "train")


def test_runs_of_different_data_are_not_compared(runs):
    row = comparison.load(runs)[0]
    assert comparison.source([row, row]) == "mnist-5k"
    other = row._replace(result=dict(row.result, dataset_source="cifar10"))
    with pytest.raises(VQError, match="got runs of cifar10 and of mnist-5k, expected runs of one data set"):
        comparison.source([row, other])


@pytest.mark.parametrize("change", [{"image_size": 32}, {"binarize": True, "likelihood": "bernoulli"}])
def test_runs_of_different_images_are_not_compared(runs, change):
    """A likelihood is of the images at the model's size and with its levels, also if they come from the same files."""
    rows = [comparison.load(runs)[0]._replace(config=make_config("mnist", **given)) for given in ({}, change)]
    with pytest.raises(VQError, match="got runs of images 24x24x1 and of images .*, expected runs whose"):
        comparison.source(rows)


def test_recordings_of_different_sample_rates_are_not_compared(runs):
    configs = [make_config("wav", sample_rate=rate) for rate in (8000, 16000)]
    rows = [comparison.load(runs)[0]._replace(config=config) for config in configs]
    with pytest.raises(VQError, match="got runs of recordings at 16,000 Hz and of recordings at 8,000 Hz"):
        comparison.source(rows)


def test_no_column_of_the_table_runs_into_the_next_one(runs):
    rows = [row._replace(name="a" * 40) for row in comparison.load(runs)]
    for line in comparison.table(rows).splitlines()[1:-1]:
        assert line.split()[0] == "a" * 40
