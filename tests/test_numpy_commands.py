"""The commands on a run whose data are a .npy file."""

import json
import re

import numpy as np
import pytest

from vq_estimator.config import differences, from_json, with_data
from vq_estimator.data import shards

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with x.npy, 64 x 96 pixels of 4 channels."""
    folder = tmp_path_factory.mktemp("npy")
    wave = 128 + 100 * np.sin(np.arange(12 * 64 * 96 * 4).reshape(12, 64, 96, 4) / 31.0)
    np.save(str(folder / "x.npy"), wave.astype(np.uint8))
    return folder


@pytest.fixture(scope="module")
def command(forked, place):
    def run(script, *flags):
        done = forked.script(script, *flags, cwd=place)
        assert done.status == 0 and "Traceback" not in done.stderr, done.stderr
        return done

    return run


TRAIN = ["--dataset=npy", "--data_dir=x.npy", "--preset=tuned", "--model_dir=run", "--K=4", "--D=8", "--batch_size=4"]
TRAIN += ["--hidden_channels=8,8,8,8", "--residual_blocks=0", "--max_steps=2"]
RUN, DATA = "--model_dir=run", "--data_dir=x.npy"


@pytest.fixture(scope="module")
def trained(command, place):
    """The config.json of a run on x.npy, as it is read."""
    done = command("train", *TRAIN)
    assert "10 for train, 1 for validation (the last training images), 1 for test" in done.stderr
    with open(str(place / "run" / "config.json")) as f:
        return json.load(f)


def test_commands_on_a_run_of_an_array(trained, command, place):
    assert trained["model"]["image_size"] == [64, 96] and trained["model"]["channels"] == 4
    assert trained["data"]["array"] == "images" and trained["dataset_source"].startswith("npy-")
    command("export", RUN, "--export_dir=exported")
    assert command("encode", RUN, DATA, "--input=x.npy", "--out=codes.npz").stdout.startswith("12 images as 4 x 6 x 1")
    assert command("decode", RUN, "--input=codes.npz", "--out=decoded").stdout == "12 images in decoded\n"
    assert np.load(str(place / "decoded" / "000011.npy")).shape == (64, 96, 4)
    command("compress", RUN, DATA, "--input=test", "--out=x.vqz", "--no_verify")
    command("decompress", RUN, "--input=x.vqz", "--out=y.npy")
    np.testing.assert_array_equal(np.load(str(place / "y.npy")), np.load(str(place / "x.npy"))[10:11])
    done = command("make_tfrecords", "--dataset=npy", DATA, "--out=shards", "--shards=2")
    assert "--dataset=images --data_dir=shards --image_size=64x96 --channels=4" in done.stdout
    source = shards.locate([str(place / "shards")], shards.Wanted((64, 96, 4), trained["dataset_source"]), "tfrecord")
    assert source.count("train") == 10


@pytest.mark.slow
def test_more_commands_on_a_run_of_an_array(trained, command):
    command("evaluate", RUN, DATA)
    command("train_prior", RUN, DATA, "--layers=1", "--channels=8", "--max_steps=2")
    command("sample", RUN, "--num=2", "--out=samples.png")
    command("explore", RUN, DATA, "--frames=1", "--out=explore")
    assert "is at step 2 of 2 already" in command("train", *TRAIN).stderr


def test_a_run_goes_on_with_its_own_array_alone(trained, command, forked, place):
    printed = from_json(command("train", *TRAIN, "--print_config").stdout)
    assert differences(from_json(json.dumps(trained)), with_data(printed, trained["dataset_source"])) == []
    np.save(str(place / "other.npy"), np.load(str(place / "x.npy"))[:11])
    for flags, message in (
        (["--data_dir=other.npy"], "data_dir: got 'other.npy' with npy-.*, expected npy-.*, the run's own images"),
        (["--data_dir=x.npy", "--validation=other.npy"], "data_dir: got 'x.npy' with npy-.*, expected npy-.*"),
        (["--data_dir=x.npy", "--test=none.npy"], "test: 'none.npy' can't be read .No such file or directory"),
        (["--data_dir=."], "data_dir: got '.', which is a folder, expected a .npy or .npz file"),
    ):
        done = forked.script("evaluate", RUN, *flags, cwd=place)
        assert done.status == 1 and re.match("evaluate.py: error: " + message, done.stderr.splitlines()[-1])
