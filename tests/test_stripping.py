"""Stripped runs: small, and with the same codes, draws and prior."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers.batches import first_images
from helpers.folders import size_of
from vq_estimator import pretrained
from vq_estimator.errors import VQError
from vq_estimator.inference import sampling, stripping
from vq_estimator.inference import trained_prior as prior_lib
from vq_estimator.inference.image_model import ImageModel
from vq_estimator.inference.session import OpenRun
from vq_estimator.training import checkpoints, run_folder
from vq_estimator.training.checkpoint_reader import CheckpointReader

pytestmark = pytest.mark.once


@pytest.mark.parametrize("half", [False, True])
def test_stripped_it_gives_the_same(autoregressive_run, digits, tmp_path, half):
    config, model_dir = autoregressive_run
    checkpoint = checkpoints.find_checkpoint(model_dir)
    target = stripping.strip(config, checkpoint, str(tmp_path / "small"), half=half)
    assert size_of(target) < size_of(model_dir) / 4
    whole, small = (CheckpointReader(c.path) for c in (checkpoint, checkpoints.find_checkpoint(target)))
    for name in ("quantizer/codebook", "quantizer/ema_count", "quantizer/ema_sum"):  # the last follows from the others
        a, b = (stored.fitting(name, whole.shapes[name], np.float32) for stored in (whole, small))
        np.testing.assert_allclose(a, b, rtol=1e-3 if half else 1e-5, atol=1e-7)
    assert "quantizer/ema_sum" not in dict(tf.train.list_variables(checkpoints.find_checkpoint(target).path))
    images = first_images(digits, config, 50)
    with ImageModel(model_dir) as whole, ImageModel(target) as small:
        a, b = whole.encode(images), small.encode(images)
        if half:
            assert (a == b).mean() > 0.98
        else:
            np.testing.assert_array_equal(a, b)
            np.testing.assert_array_equal(whole.decode(a[:3], seed=2), small.decode(a[:3], seed=2))
    with pytest.raises(VQError, match="target: .* exists"):
        stripping.strip(config, checkpoint, target)


def test_a_stripped_prior_is_of_the_stripped_codes(tmp_path):
    placed = str(tmp_path / "run")
    pretrained.copy_to_run_dir("mnist", placed)
    config, checkpoint = run_folder.load_config(placed), checkpoints.find_checkpoint(placed)
    prior = prior_lib.find(placed, checkpoint)
    target = stripping.strip(config, checkpoint, str(tmp_path / "again"), prior)
    at = checkpoints.find_checkpoint(target)
    again = prior_lib.find(target, at)
    drawn = [
        sampling.sample(OpenRun(config, c, prior=p), 10, np.arange(10, dtype=np.int32)).codes
        for c, p in ((checkpoint, prior), (at, again))
    ]
    np.testing.assert_array_equal(*drawn)
