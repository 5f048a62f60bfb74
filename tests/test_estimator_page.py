"""The program blocks of docs/estimator.md run as printed."""

import os
import re
import tempfile

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers.forked import ROOT


def check_the_ten_lines(names):
    """What docs/estimator.md begins with: its figures and codes are those of the opened run and of the SavedModel."""
    images, codes, metrics, model = (names[name] for name in ("images", "codes", "metrics", "model"))
    np.testing.assert_array_equal(model.encode(images), codes)
    bits = model.bits_per_dim(images)
    assert metrics["global_step"] == 2 and metrics["bits_per_dim/total_unigram"] > 0
    np.testing.assert_allclose(metrics["bits_per_dim/distortion"], bits.distortion.mean(), rtol=1e-5)
    np.testing.assert_allclose(metrics["bits_per_dim/rate_unigram"], bits.rate_unigram.mean(), rtol=1e-5)
    with tf.Graph().as_default(), tf.Session() as session:
        tf.saved_model.load(session, ["serve"], names["path"])
        np.testing.assert_array_equal(session.run("encode:0", {"images:0": images}), codes)
    model.close()


@pytest.mark.filterwarnings("ignore:.*tf.layers")
def test_the_blocks_of_the_page_run(tmp_path, monkeypatch):
    """Those of docs/estimator.md, with fewer steps and fewer and smaller images."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with open(os.path.join(ROOT, "docs", "estimator.md"), encoding="utf-8") as f:
        blocks = re.findall(r"^```python\n(.*?)^```", f.read(), re.M | re.S)
    smaller = {
        "max_steps=1000": "max_steps=2",
        "[1000, 64, 96, 4]": "[40, 8, 12, 4]",
        "image_size=(64, 96)": "image_size=(8, 12), D=8, residual_blocks=1, batch_size=8",
        "K=512": "K=8",
        'from_run("run"': 'from_run("run", layers=1, channels=4',
    }
    assert all(old in "".join(blocks) for old in smaller)
    names = {}
    for number, block in enumerate(blocks):
        for old, new in smaller.items():
            block = block.replace(old, new)
        exec(compile(block, "docs/estimator.md", "exec"), names)
        if number == 0:
            check_the_ten_lines(names)
    assert names["model"].encode(names["images"]).shape == (40, 2, 3, 1)
    assert {"run", "run2", "own", "export"} <= set(os.listdir(str(tmp_path)))
    names["model"].close()
