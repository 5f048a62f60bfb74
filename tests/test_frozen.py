"""The code gives the results that it gave at commit 8d8a73d; data/frozen/README.md says how they are stored.

There is a `.vqz` file of each kind of decoder too, which test_codec_files.py decodes. Trained weights and draws differ
in their last bits from processor to processor; `tools/compare_commits.py` compares them on one machine.
"""

import json
import os
import shutil

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from PIL import Image

from helpers.forked import ROOT, SCRIPTS
from helpers.frozen import HERE, NUM, figures
from vq_estimator import pretrained

with open(os.path.join(HERE, "flags.json"), encoding="utf-8") as f:
    FLAGS = json.load(f)
ASK = """
import json, runpy, sys
from absl import flags
runpy.run_path(sys.argv[1], run_name="launched")
print(json.dumps(list(flags.FLAGS)))
"""
# By which the run in data/frozen/stopped was begun.
BEGUN = ("--dataset=mnist", "--preset=original", "--K=8", "--D=8", "--image_size=8", "--batch_size=8")
BEGUN += ("--max_steps=20", "--save_checkpoints_steps=10", "--eval_steps=10", "--save_summary_steps=10")


@pytest.fixture(scope="module", params=pretrained.names())
def model(request):
    """(name, what the model computes, what it computed)."""
    name = request.param
    with np.load(os.path.join(HERE, name + ".npz")) as arrays:
        kept = {key: arrays[key] for key in arrays.files}
    return name, figures(name), kept


def test_codes_are_the_same(model):
    _, now, kept = model
    assert now["codes"].shape == kept["codes"].shape
    assert (now["codes"] == kept["codes"]).all()


def test_bits_per_dimension_are_the_same(model):
    _, now, kept = model
    names = {key for key in kept if key.startswith("bits_")}
    assert names and names == {key for key in now if key.startswith("bits_")}
    for key in names:
        assert now[key].shape == (NUM,)
        np.testing.assert_allclose(now[key], kept[key], rtol=0, atol=1e-4, err_msg=key)


def test_factorised_pixels_are_the_same(model):
    name, now, _ = model
    sheet = os.path.join(HERE, name + ".png")
    assert ("pixels" in now) == os.path.exists(sheet)
    if "pixels" in now:
        with Image.open(sheet) as image:
            kept = np.asarray(image, np.int16).reshape(now["pixels"].shape)
        assert abs(now["pixels"] - kept).max() <= 1


def test_every_command_is_still_there():
    assert set(FLAGS) <= set(SCRIPTS)


@pytest.mark.parametrize("script", sorted(FLAGS))
def test_an_old_flag_exists_or_names_the_new_one(script, forked):
    path = os.path.join(ROOT, "launch", script + ".py")
    defined = set(json.loads(forked.code(ASK, path).stdout))
    for old, new in FLAGS[script].items():
        assert new in defined, f"--{old} is called --{new} in flags.json"
        if old != new:
            assert old not in defined
            line = forked.script(script, f"--{old}=1").one_line(script)
            assert f"--{old}" in line and f"--{new}" in line


def test_a_run_that_the_old_code_stopped_ends_with_the_weights_that_it_would_have_had(forked, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(os.path.join(HERE, "stopped"), str(run))
    done = forked.script("train", f"--model_dir={run}", *BEGUN)
    assert done.status == 0, done.stderr
    ended = tf.train.load_checkpoint(str(run))
    with np.load(os.path.join(HERE, "stopped-end.npz")) as kept:
        assert set(kept.files) == set(ended.get_variable_to_shape_map())
        assert kept["global_step"] == 20
        for name in kept.files:
            np.testing.assert_allclose(ended.get_tensor(name), kept[name], rtol=0, atol=1e-5, err_msg=name)
