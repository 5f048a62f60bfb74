"""The program of docs/beam.md runs as printed."""

import os
import re

import pytest

from helpers import pipelines

pytest.importorskip("apache_beam", reason="the extra `beam` is not installed")


@pytest.fixture(autouse=True, scope="module")
def small_batches():
    with pipelines.small_batches():
        yield


@pytest.mark.slow
def test_the_program_of_the_page_runs(tmp_path, monkeypatch, capsys):
    path = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "docs", "beam.md")
    with open(path, encoding="utf-8") as f:
        (program,) = re.findall(r"^```python\n(.*?)^```", f.read(), re.M | re.S)
    monkeypatch.chdir(tmp_path)
    exec(program, {})
    files = [f"codes-0000{i}-of-00002.tfrecord" for i in range(2)]
    assert capsys.readouterr().out == f"{[*files, 'manifest.json']}\n" and os.path.isfile("figures.json")
