"""Exploration of codes: walks, neighbours, single codes and interpolation, compared with plain arithmetic."""

import functools
import json
import os

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from PIL import Image

from helpers.image_folders import write_images
from helpers.sessions import features_of, session_scope
from helpers.small_runs import small_config
from vq_estimator import config as c
from vq_estimator import drawing
from vq_estimator.inference import exploration as explore
from vq_estimator.inference.calibration import calibrate
from vq_estimator.inference.image_model import ImageModel
from vq_estimator.inference.session import open_run
from vq_estimator.nn import quantizers
from vq_estimator.training import checkpoints, trainer

pytestmark = pytest.mark.once

START = np.array([[[0], [3]], [[7], [2]]], np.int32)  # [2, 2, 1]


def test_a_walk_of_numbers_changes_one_code_by_one():
    walk = explore.random_walk(START, 300, 8, seed=1)
    np.testing.assert_array_equal(walk[0], START)
    step = np.abs(np.diff(walk.reshape(300, 4), axis=0))
    assert (step.sum(1) == 1).all() and step.any(0).all()
    assert walk.min() == 0 and walk.max() == 7
    np.testing.assert_array_equal(walk, explore.random_walk(START, 300, 8, seed=1))
    assert (walk != explore.random_walk(START, 300, 8, seed=2)).any()
    assert (explore.random_walk(np.zeros([2, 2, 1], np.int32), 5, 1) == 0).all()


def test_a_walk_of_neighbours_steps_to_them():
    near = explore.neighbours(np.random.RandomState(0).randn(2, 8, 3), 3)
    start = np.zeros([2, 2, 2], np.int32)
    walk = explore.random_walk(start, 200, 8, 0, near)
    for before, after in zip(walk, walk[1:]):
        ((i, j, level),) = np.argwhere(before != after)
        assert after[i, j, level] in near[level, before[i, j, level]]


def test_neighbours_are_the_nearest_others():
    entries = np.array([[[0.0], [1.0], [3.0], [-0.5]]])
    np.testing.assert_array_equal(explore.neighbours(entries, 2)[0], [[3, 1], [0, 3], [1, 0], [0, 1]])
    np.testing.assert_allclose(explore.distances(entries, entries)[0, 0], [0, 1, 3, 0.5])


def test_single_codes():
    changed = explore.single_code(START, 8)
    assert changed.codes.shape == (4, 8, 2, 2, 1)
    for p, (i, j, level) in enumerate(changed.positions):
        for v, value in enumerate(changed.values):
            expected = START.copy()
            expected[i, j, level] = value
            np.testing.assert_array_equal(changed.codes[p, v], expected)
    assert explore.unchanged(changed, START) == [(0, 0), (1, 3), (2, 7), (3, 2)]
    assert explore.position_names(changed) == ["0,0", "0,1", "1,0", "1,1"]
    few = explore.single_code(np.zeros([8, 8, 10], np.int32), 256, 16, 5)
    assert explore.position_names(few)[-1] == "7,7 [9]"
    assert few.codes.shape == (16, 5, 8, 8, 10)
    assert few.values[0] == 0 and few.values[-1] == 255


def test_principal_plane_keeps_distances_of_flat_data():
    flat = np.random.RandomState(0).randn(10, 2) @ np.random.RandomState(1).randn(2, 5)
    plane = explore.principal_plane(flat)
    plane, flat = plane[None], flat[None]
    np.testing.assert_allclose(explore.distances(plane, plane), explore.distances(flat, flat), atol=1e-6)
    assert explore.principal_plane(np.zeros([4, 1])).shape == (4, 2)


def test_distinct_maps():
    codes = np.zeros([5, 2, 2, 1], np.int32)
    codes[3] = 1
    assert explore.distinct_maps(codes) == 2


@pytest.mark.parametrize(
    "config", [c.VectorQuantizerConfig(5, 3, 2), c.ResidualQuantizerConfig(5, 3, 2), c.FiniteScalarConfig((3, 2), 2)]
)
def test_entries_are_what_lookup_gives(config):
    quantizer = quantizers.make(config)
    codes = tf.tile(tf.range(config.K)[:, None, None, None], [1, 1, 1, 2])
    with tf.Session() as session:
        entries, found = quantizer.entries(), quantizer.lookup(codes)
        session.run(tf.global_variables_initializer())
        entries, found = session.run([entries, found])
    assert entries.shape == (2, config.K, config.D)
    if isinstance(config, c.ResidualQuantizerConfig):
        np.testing.assert_allclose(found[:, 0, 0, 0], entries.sum(0), atol=1e-6)
    else:
        np.testing.assert_array_equal(found[:, 0, 0], entries.transpose(1, 0, 2))


@pytest.fixture(scope="module")
def run(digits, tmp_path_factory):
    model_dir = str(tmp_path_factory.mktemp("runs") / "explored")
    config = small_config(digits, preset="tuned", eval_steps=60, L=2)
    trainer.train(config, digits, model_dir)
    return config, checkpoints.find_checkpoint(model_dir), model_dir


def test_encode_and_decode_equal_the_model(run, digits):
    config, checkpoint, model_dir = run
    found = explore.encode_first(ImageModel(model_dir), digits, 120)

    def build(model):
        images = features_of(config, digits, "test", 120)["image"]
        codes = model.encode(images)
        return images, codes, model.decode(codes)

    with session_scope(config, checkpoint.path, build) as (session, tensors):
        images, codes, decoded = session.run(tensors)
    np.testing.assert_array_equal(found.images, images)
    np.testing.assert_array_equal(found.codes, codes)
    assert np.abs(ImageModel(model_dir).decode(codes).astype(int) - decoded).max() <= 1


def test_interpolation_goes_from_one_image_to_the_other(run, digits):
    model = ImageModel(run[2])
    found = explore.encode_first(model, digits, 2)
    between = explore.interpolate(model, *found.images, steps=5)
    decoded = model.decode(found.codes).astype(int)
    assert np.abs(between.quantized[[0, -1]].astype(int) - decoded).max() <= 1
    assert between.continuous.shape == (5, 24, 24, 1)
    assert np.stack(between).shape == (2, 5, 24, 24, 1)


def test_codebook_view(run, digits):
    opened = open_run(run[2])
    view = explore.codebook(opened, calibrate(opened, digits))
    assert view.entries.shape == (2, 8, 16) and view.plane.shape == (2, 8, 2)
    np.testing.assert_allclose(view.usage.sum(-1), 1.0)


def test_animations_hold_every_frame(tmp_path):
    frames = np.random.RandomState(0).randint(0, 256, [7, 6, 5, 1]).astype(np.uint8)
    drawing.save_gif(str(tmp_path / "a.gif"), frames, zoom=2)
    with Image.open(str(tmp_path / "a.gif")) as gif:
        assert (gif.n_frames, gif.size) == (7, (10, 12))
        gif.seek(3)
        shown = np.asarray(gif.convert("L"))
    np.testing.assert_array_equal(shown[::2, ::2], frames[3, ..., 0])


def test_mp4_by_ffmpeg_or_not_at_all(tmp_path, monkeypatch, caplog):
    frames = np.zeros([3, 5, 5, 3], np.uint8)
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert drawing.save_mp4(str(tmp_path / "a.mp4"), frames) is False
    fake = tmp_path / "ffmpeg"
    fake.write_text('#!/bin/sh\nfor last; do :; done\ncat > "$last"\n')
    fake.chmod(0o755)
    monkeypatch.setattr("shutil.which", lambda name: str(fake))
    assert drawing.save_mp4(str(tmp_path / "a.mp4"), frames, zoom=3) is True
    assert (tmp_path / "a.mp4").stat().st_size == 3 * 14 * 14 * 3
    fake.write_text("#!/bin/sh\ncat > /dev/null\necho no codec >&2\nexit 3\n")
    with caplog.at_level("WARNING", "vq_estimator"):
        assert drawing.save_mp4(str(tmp_path / "b.mp4"), frames) is False
    assert "no codec" in caplog.text
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mp4", "ffmpeg"]


def test_the_command_draws_every_picture(run, forked, tmp_path):
    out = tmp_path / "pictures"
    flags = ["--model_dir=" + run[2], f"--out={out}"]
    explore = functools.partial(forked.script, "explore", *flags)
    done, other = explore("--frames=20"), explore("--image=100")
    assert done.status == 0, done.stderr
    names = {"reconstructions.png", "single_code.png", "random_walk.gif", "random_walk_near.gif", "interpolation.png"}
    names |= {"codebook.png", "code_map.png"}
    assert names <= {p.name for p in out.iterdir()}
    for name in names:
        with Image.open(str(out / name)) as picture:
            low, high = picture.convert("L").getextrema()
            assert high - low > 50, name
    with Image.open(str(out / "random_walk.gif")) as gif:
        assert gif.n_frames > 1
    assert other.status == 1 and "image: got 100, expected a number from 0 to 99" in other.stderr
    assert json.load(open(os.path.join(run[2], "config.json")))["model"]["quantizer"]["L"] == 2


def test_crops_hold_what_is_around_the_changed_position():
    code_map, S = np.zeros([16, 16, 1], np.int32), 64
    changed = explore.single_code(code_map, 4, 256, 2)
    images = np.zeros([256, 2, S, S, 1], np.uint8)
    for p, (i, j, _) in enumerate(changed.positions):
        images[p, :, 4 * i : 4 * i + 4, 4 * j : 4 * j + 4] = 255  # what a code of this grid stands for
    found = explore.crops(changed, images)
    assert found.shape == (256, 2, 16, 16, 1)
    assert (found.sum((2, 3, 4)) == 255 * 16).all()  # all of it, at the borders too
    middle = found[16 * 8 + 8, 0, :, :, 0]
    assert (middle[6:10, 6:10] == 255).all()
    coarse = explore.single_code(START, 8)
    whole = np.random.RandomState(0).randint(0, 256, [4, 8, 6, 6, 3])
    np.testing.assert_array_equal(explore.crops(coarse, whole), whole)


def test_a_test_split_of_one_image_with_a_fine_grid_is_drawn(forked, tmp_path):
    write_images(tmp_path / "data", {"train": 6, "validation": 1, "test": 1}, 64)
    flags = ["--data_dir=data", "--model_dir=run"]
    small = ["--image_size=64", "--channels=1", "--K=8", "--D=4", "--hidden_channels=4,4", "--residual_blocks=0"]
    small += ["--batch_size=2", "--max_steps=2", "--save_checkpoints_steps=2", "--eval_steps=2"]
    done = forked.script("train", "--dataset=images", *flags, *small, cwd=tmp_path)
    assert done.status == 0, done.stderr
    done = forked.script("explore", *flags, "--frames=2", "--out=pictures", cwd=tmp_path)
    assert done.status == 0, done.stderr
    with Image.open(str(tmp_path / "pictures" / "single_code.png")) as picture:
        width, height = picture.size
    assert height < 1000 and width < 1500  # 10 rows of crops, not 32 of whole images
    for flag, message in (
        ("--other=1", "other: got 1, expected 0 to 0"),
        ("--image=1", "image: got 1, expected 0 to 0"),
    ):
        assert forked.script("explore", *flags, flag, cwd=tmp_path).one_line("explore").startswith(message)
