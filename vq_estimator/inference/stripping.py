"""Copies what inference needs from a run: no optimizer, no graph, and weights in float32 or float16."""

import dataclasses
import os
import tempfile
from typing import Dict, Optional

import numpy as np
import tensorflow.compat.v1 as tf

from vq_estimator import config as config_lib
from vq_estimator.config import Config
from vq_estimator.data.files import atomic_folder, write_text
from vq_estimator.errors import VQError
from vq_estimator.inference import code_cost
from vq_estimator.inference.session import OpenRun
from vq_estimator.inference.trained_prior import TrainedPrior
from vq_estimator.nn.quantizers.codebooks import EMA_SUM
from vq_estimator.training import checkpoints, prior_trainer, run_folder
from vq_estimator.training.checkpoints import Checkpoint, fingerprint

KEPT = ("codebook",)  # substrings of variables that stay float32, because small differences decide a code


def strip(
    config: Config, checkpoint: Checkpoint, target: str, prior: Optional[TrainedPrior] = None, half: bool = False
) -> str:
    """Writes the run directory `target`, atomically; every command accepts it.

    The model computes in float32 whatever it was trained in, so that it runs on any machine. With `half` the weights
    are stored as float16. Codes and bits may then differ in the last digits, so evaluate the result. The sums of EMA
    codebooks are left out, because they follow from the rest (`training.checkpoint_reader`).

    Raises:
      VQError: `target` exists.
    """
    if os.path.exists(target):
        raise VQError(f"target: {target!r} exists; give the name of a folder to make")
    model = dataclasses.replace(config.model, precision="float32")
    stripped = dataclasses.replace(config, model=model)
    with atomic_folder(target) as folder, tempfile.TemporaryDirectory() as temporary:
        write_text(os.path.join(folder, run_folder.CONFIG), config_lib.to_json(stripped))
        own, of_prior = _names(stripped, checkpoint, prior)
        path = _copy(checkpoint, own, folder, half)
        if prior is not None:
            codes = dataclasses.replace(prior.config.codes, fingerprint=fingerprint(path))
            inner = prior_trainer.folder(folder)
            text = config_lib.to_json(dataclasses.replace(prior.config, codes=codes))
            write_text(os.path.join(inner, run_folder.CONFIG), text)
            best = checkpoints.load_best(os.path.dirname(os.path.dirname(prior.checkpoint.path)))
            kept = _copy(prior.checkpoint, of_prior, temporary, half)
            checkpoints.keep_best(inner, kept, best["global_step"], best["metric"], best["value"])
    return target


def _names(config: Config, checkpoint: Checkpoint, prior: Optional[TrainedPrior]):
    """The checkpoint names of the variables that the model and the prior restore."""
    with OpenRun(config, checkpoint, prior=prior) as run:
        run.connect()
        if prior is not None:
            code_cost.log_prob(run)
        paths = checkpoint.path, "" if prior is None else prior.checkpoint.path
        return [sorted(run.loaded.get(path, ())) for path in paths]


def _copy(checkpoint: Checkpoint, names, folder: str, half: bool) -> str:
    """Saves the named tensors and the step as a checkpoint in `folder`; returns its path."""
    reader = tf.train.load_checkpoint(checkpoint.path)
    kept = [name for name in names if not name.endswith("/" + EMA_SUM)]
    values: Dict[str, np.ndarray] = {name: reader.get_tensor(name) for name in kept}
    with tf.Graph().as_default(), tf.Session() as session:
        variables = []
        for name, value in values.items():
            smaller = half and value.dtype == np.float32 and not any(part in name for part in KEPT)
            value = value.astype(np.float16) if smaller else value
            variable = tf.get_variable(name, value.shape, value.dtype, tf.zeros_initializer(), use_resource=True)
            variable.load(value, session)
            variables.append(variable)
        step = tf.train.get_or_create_global_step()
        step.load(checkpoint.step, session)
        saver = tf.train.Saver(variables + [step], save_relative_paths=True)
        return saver.save(session, os.path.join(folder, "model.ckpt"), checkpoint.step, write_meta_graph=False)
