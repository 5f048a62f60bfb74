"""Training that starts with another run's weights."""

import dataclasses
import logging

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers.small_runs import small_config
from vq_estimator import pretrained
from vq_estimator.config import make_config
from vq_estimator.errors import VQError
from vq_estimator.training import checkpoints, trainer, warm_start


def tensors(path):
    reader = tf.train.load_checkpoint(path)
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def first_checkpoint(config, digits, model_dir, warm):
    """The checkpoint that is saved before the first step."""
    trainer.train(config, digits, str(model_dir), warm=warm)
    return tensors(str(model_dir / "model.ckpt-0"))


@pytest.mark.once
def test_it_begins_with_the_averages_where_there_are_some(autoregressive_run, digits, tmp_path):
    config, model_dir = autoregressive_run
    warm = warm_start.of_run(model_dir)
    given = dataclasses.replace(config.train, max_steps=1)
    fresh = dataclasses.replace(config, train=given, warm_start=model_dir)
    began, source = first_checkpoint(fresh, digits, tmp_path / "run", warm), tensors(warm.path)
    names = [name for name in source if name.endswith("/average")]
    assert names
    for name in names:
        np.testing.assert_array_equal(began[name[: -len("/average")]], source[name])
        np.testing.assert_array_equal(began[name], source[name])
    np.testing.assert_array_equal(began["quantizer/codebook"], source["quantizer/codebook"])
    np.testing.assert_array_equal(began["quantizer/ema_count"], source["quantizer/ema_count"])
    assert began["global_step"] == 0 and not any(began[n].any() for n in began if n.endswith("/Adam"))


def test_a_gradient_codebook_begins_an_ema_one_with_its_entries(small_run, digits, tmp_path):
    _, model_dir = small_run
    config = small_config(digits, max_steps=1, codebook="ema", kmeans_init_steps=0, dead_entry_threshold=0)
    source, warm = tensors(checkpoints.find_checkpoint(model_dir).path), warm_start.of_run(model_dir)
    found = first_checkpoint(config, digits, tmp_path / "run", warm)
    for name in ("codebook", "ema_sum"):
        np.testing.assert_array_equal(found["quantizer/" + name], source["quantizer/codebook"])
    np.testing.assert_array_equal(found["quantizer/ema_count"], np.ones([1, 8]))


def test_what_does_not_fit_begins_anew(small_run, digits, tmp_path, caplog):
    _, model_dir = small_run
    other = small_config(digits, K=9, max_steps=1, warm_start=model_dir)
    with caplog.at_level(logging.INFO, "vq_estimator"):
        began = first_checkpoint(other, digits, tmp_path / "run", warm_start.of_run(model_dir))
    source = tensors(checkpoints.find_checkpoint(model_dir).path)
    assert began["quantizer/codebook"].shape == (1, 9, 16)
    np.testing.assert_array_equal(began["encoder/conv_1/w"], source["encoder/conv_1/w"])
    assert (
        "; new: quantizer/codebook [1, 9, 16] (there [1, 8, 16])" in caplog.text
        and "--kmeans_init_steps=10 starts it" in caplog.text
    )
    # The resumed run does not need the source.
    longer = dataclasses.replace(other, train=dataclasses.replace(other.train, max_steps=2))
    assert trainer.train(longer, digits, str(tmp_path / "run")).step == 2


def test_a_provided_model_warms_up(digits, tmp_path):
    config = make_config("mnist", "tuned", K=20, D=64, warm_start="mnist", max_steps=1)
    assert config.model.quantizer.codebook.kmeans_init_steps == 0
    config = dataclasses.replace(config, dataset_source=digits.spec.name)
    warm = warm_start.of_run(pretrained.folder("mnist"))
    began, source = first_checkpoint(config, digits, tmp_path / "run", warm), tensors(warm.path)
    for name in set(source) - {"global_step"}:
        np.testing.assert_array_equal(began[name], source[name])


def test_a_source_that_fits_nowhere_is_one_line(small_run, digits, tmp_path):
    other = small_config(digits, D=32, K=9, max_steps=1)
    with pytest.raises(VQError, match=r"warm_start: got .*, which fits 1 of 13 variables, encoder/conv_1/w not"):
        trainer.train(other, digits, str(tmp_path / "run"), warm=warm_start.of_run(small_run[1]))
    with pytest.raises(VQError, match="warm_start: model_dir: got .*, expected a run directory"):
        warm_start.of_run(str(tmp_path / "nothing"))


def test_the_flags_of_k_means():
    assert make_config("mnist", "tuned").model.quantizer.codebook.kmeans_init_steps == 10
    asked = make_config("mnist", "tuned", warm_start="x", kmeans_init_steps=3)
    assert asked.model.quantizer.codebook.kmeans_init_steps == 3 and asked.warm_start == "x"
    assert make_config("mnist", "tuned", warm_start="x", quantizer="fsq").warm_start == "x"
