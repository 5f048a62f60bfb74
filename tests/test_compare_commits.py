"""tools/compare_commits.py detects a difference of one bit, and a training that ended early."""

import os
import re
import sys

import numpy as np
import pytest

from helpers.forked import ROOT

sys.path.insert(0, os.path.join(ROOT, "tools"))
import compare_commits


def arrays():
    return {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "codes": np.arange(4)}


def test_equal_arrays_do_not_differ():
    assert compare_commits.difference(arrays(), arrays()) is None
    nan = {"w": np.array([np.nan], np.float32)}
    assert compare_commits.difference(nan, dict(nan)) is None


@pytest.mark.parametrize(
    "other, fact",
    [
        ({"w": np.nextafter(arrays()["w"], np.float32(9))}, "w: differs by up to"),
        ({"w": arrays()["w"].astype(np.float64)}, r"w: float32 \[2, 3\] at A, float64"),
        ({"w": arrays()["w"].T}, r"w: .* at B"),
        ({"more": np.zeros(1)}, "more: only at B"),
    ],
)
def test_a_difference_is_named(other, fact):
    assert re.match(fact, compare_commits.difference(arrays(), {**arrays(), **other}))


def test_negative_zero_is_another_bit():
    a, b = {"w": np.zeros(1, np.float32)}, {"w": -np.zeros(1, np.float32)}
    assert compare_commits.difference(a, b).startswith("w: ")


def test_a_report_tells_of_a_training_that_ended_early(tmp_path, capsys):
    a, b = str(tmp_path / "a.npz"), str(tmp_path / "b.npz")
    for path in (a, b):
        np.savez(path, global_step=np.int64(3))
    for steps, line in ((4, "ended at step 3"), (3, "same")):
        report = compare_commits.Report(steps)
        report.compare("case", a, b)
        assert line in capsys.readouterr().out and report.differs == (line != "same")


def test_a_missing_result_is_a_difference(tmp_path, capsys):
    a = str(tmp_path / "a.npz")
    np.savez(a, **arrays())
    report = compare_commits.Report(1)
    report.compare("case", a, str(tmp_path / "none"))
    assert report.differs and "nothing at B" in capsys.readouterr().out
