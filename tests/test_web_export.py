"""vq-export --format=web without a browser: what it needs and refuses, and what the page's files are."""

import os
import re
import stat

import numpy as np
import pytest

import vq_estimator as vq
from helpers import browser as browser_lib
from helpers.exported_models import autoregressive, local, speech
from vq_estimator.config import type_name
from vq_estimator.errors import VQError
from vq_estimator.inference.export.web.colours import code_colours

needs_onnx = pytest.mark.skipif("tf2onnx" in browser_lib.missing(), reason="no tf2onnx here")
TF2 = pytest.mark.skipif("TensorFlow 2" in browser_lib.missing(), reason="TensorFlow 2 alone")
HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
WEB = os.path.join(HERE, "vq_estimator", "inference", "export", "web")
PAGE = os.path.join(WEB, "page")


def page_files():
    for folder, _, names in os.walk(PAGE):
        for name in names:
            path = os.path.join(folder, name)
            with open(path, encoding="utf-8") as f:
                yield os.path.relpath(path, PAGE), f.read()


def export(tmp_path, name="mnist"):
    """An export to tmp_path/page with an empty cache."""
    with vq.load(name) as model:
        model.export(str(tmp_path / "above" / "page"), "web", cache_dir=str(tmp_path / "cache"))


def program(path, text):
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@TF2
@needs_onnx
def test_without_npm_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(VQError, match="^npm: got no such program, expected npm .* runtime$"):
        export(tmp_path)
    assert os.listdir(str(tmp_path)) == []


@TF2
@needs_onnx
def test_without_a_network_nothing_is_written(tmp_path, monkeypatch):
    program(tmp_path / "npm", "echo npm error code ENOTFOUND\nexit 1\n")
    monkeypatch.setenv("PATH", str(tmp_path) + os.pathsep + os.environ["PATH"])
    with pytest.raises(VQError, match=r"^npm: npm ci failed \(npm error code ENOTFOUND\), expected a connection"):
        export(tmp_path)
    assert os.listdir(str(tmp_path)) == ["npm"]


@TF2
@needs_onnx
@pytest.mark.parametrize("make", [autoregressive, speech])
def test_a_decoder_that_draws_is_refused_before_any_data_is_read(make, tmp_path):
    def read():
        raise AssertionError("the data was read")

    with vq.load(make(tmp_path / "run")) as model:
        decoder = type_name(model.config.model.decoder)
        with pytest.raises(VQError, match=f"^format: got web with the decoder {decoder}, expected a run of images"):
            model.export(str(tmp_path / "page"), "web", examples=read, cache_dir=str(tmp_path / "cache"))
    assert os.listdir(str(tmp_path)) == ["run"]


@TF2
@needs_onnx
def test_the_command_refuses_by_one_line(forked, tmp_path):
    local(tmp_path / "run")
    done = forked.script("export", "--model_dir=run", "--format=web", "--export_dir=page", cwd=tmp_path)
    assert done.status == 1 and done.stdout == ""
    (line,) = done.stderr.strip().splitlines()
    assert line.endswith("format: got web with the decoder local, expected a run of images with --decoder=factorised")
    assert os.listdir(str(tmp_path)) == ["run"]


def test_the_page_is_small_and_asks_nobody_else():
    contents = dict(page_files())
    assert "index.html" in contents and "js/app.js" in contents
    assert sum(len(text.encode()) for text in contents.values()) < 200_000
    for name, text in contents.items():
        assert set(re.findall(r"https?://[^\"' )<>]+", text)) <= {"http://www.w3.org/2000/svg"}, name
    assert not re.findall(r"<script(?![^>]*src=)|\son\w+=|style=", contents["index.html"])  # what a strict CSP forbids


def test_the_lock_file_names_no_registry():
    with open(os.path.join(WEB, "package-lock.json"), encoding="utf-8") as f:
        text = f.read()
    assert "resolved" not in text and "http" not in text
    assert text.count('"integrity"') == text.count('"node_modules/')


def test_colours_differ_and_are_alike_for_entries_that_are_alike():
    random = np.random.RandomState(0)
    colours = code_colours(random.randn(20, 8))
    assert len(set(colours)) == 20
    assert all(re.fullmatch(r"oklch\(\d+% 0\.15 \d+\)", colour) for colour in colours)
    hues = [int(c.rstrip(")").split()[-1]) for c in code_colours(np.array([[0.0, 1], [0.1, 1], [0, -1], [1, 0]]))]
    assert abs(hues[0] - hues[1]) <= 90
    assert len(code_colours(random.randn(3, 1))) == 3  # one dimension


def luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


def contrast(a, b):
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def themes():
    """The colours of the two themes by their names, as page.css defines them."""
    css = dict(page_files())["page.css"]
    light, dark = (css[css.index(start) :].partition("}")[0] for start in (":root {", ':root[data-theme="dark"] {'))
    for text in (light, dark):
        colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{3,6});", text))
        yield {k: "#" + "".join(2 * c for c in v[1:]) if len(v) == 4 else v for k, v in colours.items()}


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_contrast(theme):
    colours = list(themes())[theme]
    for ground in ("paper", "card"):
        for text in ("ink", "soft", "accent", "better"):
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
        assert contrast(colours["control"], colours[ground]) >= 3.0, ground  # outlines of controls
    assert contrast(colours["on-accent"], colours["accent"]) >= 4.5
    assert contrast(colours["rate"], colours["distortion"]) >= 1.3
