"""Training of a prior: it resumes, and it stops when validation gets no better."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers.priors import copy_of, prior_config
from vq_estimator import config as c
from vq_estimator.training import checkpoints, loop, prior_trainer


@pytest.mark.once
def test_resuming_gives_what_one_run_gives(tuned_run, digits, tmp_path_factory):
    values = []
    schedule = dict(channels=8, save_checkpoints_steps=4, eval_steps=1000, final_decay=0.0)
    for stops in ([8], [4, 8]):
        _, model_dir, codes = copy_of(tuned_run, tmp_path_factory)
        for stop in stops:
            config = prior_config(tuned_run, digits, max_steps=stop, dropout=0.2, **schedule)
            result = prior_trainer.train(config, codes["train"], codes["validation"], model_dir)
            assert result.step == stop
        path = checkpoints.find_checkpoint(prior_trainer.folder(model_dir)).path
        values.append({name: tf.train.load_variable(path, name) for name, _ in tf.train.list_variables(path)})
    for name in values[0]:
        np.testing.assert_allclose(values[0][name], values[1][name], atol=1e-5, err_msg=name)


@pytest.mark.once
def test_it_stops_when_validation_gets_no_better(tuned_run, digits, tmp_path_factory, monkeypatch):
    _, model_dir, codes = copy_of(tuned_run, tmp_path_factory)
    config = prior_config(tuned_run, digits, channels=8, save_checkpoints_steps=2, eval_steps=2, patience=2)
    config = dataclasses.replace(config, optimizer=dataclasses.replace(config.optimizer, learning_rate=1e-12))
    keep = checkpoints.keep_best
    monkeypatch.setattr(
        loop.checkpoints, "keep_best", lambda d, p, s, m, v: keep(d, p, s, m, 1.0 + s)
    )  # each is worse than the one before
    result = prior_trainer.train(config, codes["train"], codes["validation"], model_dir)
    assert result.step == 6 and result.stopped_by is None  # the best is of step 2
    evaluated = []
    result = prior_trainer.train(
        config, codes["train"], codes["validation"], model_dir, evaluated=lambda at: evaluated.append(at.step)
    )
    assert result.step == 6  # and stays stopped


def test_patience_counts_evaluations_which_happen_at_checkpoints(tuned_run, digits, tmp_path):
    config = prior_config(tuned_run, digits, save_checkpoints_steps=20, eval_steps=5, patience=3)
    job = loop.Job(config, str(tmp_path), None, None, None, "bits", str, config.patience)
    assert not loop.out_of_patience(job, 1000)  # nothing evaluated yet
    (tmp_path / "best").mkdir()
    best = {"checkpoint": "model.ckpt-100", "metric": "bits", "global_step": 100, "value": 1.0}
    (tmp_path / "best" / "best.json").write_text(json.dumps(best))
    assert [loop.out_of_patience(job, step) for step in (120, 140, 159, 160)] == [False, False, False, True]
    assert not loop.out_of_patience(job._replace(patience=0), 1000)
    # Where one is no multiple of the other: 150, 250, 300 and 350 are evaluated, for 140, 210, 280 and 350 are due.
    uneven = prior_config(tuned_run, digits, save_checkpoints_steps=50, eval_steps=70, patience=4)
    found = [loop.out_of_patience(job._replace(config=uneven, patience=4), step) for step in (300, 349, 350)]
    assert found == [False, False, True]
    longer = dataclasses.replace(config, patience=9)
    assert c.differences(config, longer) == []  # a run goes on with more patience
