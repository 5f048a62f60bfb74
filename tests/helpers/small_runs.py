"""A small configuration, and run directories that a test makes."""

import dataclasses
import os

import numpy as np
import tensorflow.compat.v1 as tf

from vq_estimator.config import Config, make_config
from vq_estimator.training import beginning, run_folder


def small_config(source, **settings):
    given = dict(K=8, D=16, max_steps=60, save_checkpoints_steps=30, save_summary_steps=30, eval_steps=30, log_steps=10)
    given.update(settings)
    config = make_config("mnist", given.pop("preset", "original"), **given)
    return dataclasses.replace(config, dataset_source=source.spec.name)


def save(folder, step):
    with tf.Graph().as_default(), tf.Session() as session:
        tf.get_variable("global_step", initializer=np.int64(step), use_resource=True)
        tf.get_variable("beta1_power", initializer=0.9, use_resource=True)  # without it: weights alone
        session.run(tf.global_variables_initializer())
        return tf.train.Saver().save(session, os.path.join(str(folder), "model.ckpt"), global_step=step)


def overwrite_with(folder, config):
    """Replaces the old run in the folder by a new one; returns the step from which it starts."""
    with beginning.Beginning(folder, Config, overwrite=True) as begun:
        step = run_folder.prepare(folder, config, begun.replaces)
        begun.commit()
        return step
