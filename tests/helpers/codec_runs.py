"""Run directories without training, for the codec: a VQ-VAE with random weights, its calibration, and a prior."""

import dataclasses
import os

import numpy as np
import tensorflow.compat.v1 as tf

from vq_estimator import config as config_lib
from vq_estimator.config import CodesConfig, make_config, make_prior_config
from vq_estimator.data import audio
from vq_estimator.data.files import write_json, write_text
from vq_estimator.inference import calibration
from vq_estimator.inference.session import OpenRun
from vq_estimator.models import vqvae
from vq_estimator.nn.code_prior import CodePrior
from vq_estimator.training import checkpoints, run_folder
from vq_estimator.training.checkpoints import fingerprint

SCALE = 20.5
VOICES, WORDS = ("anna", "ben", "carl"), 2  # in speech runs


def write_run(
    folder,
    dataset="mnist",
    classes=None,
    values=None,
    prior_values=None,
    condition="class",
    source=None,
    voices=VOICES,
    **settings,
):
    """Makes the run directory; returns its path.

    Args:
      folder: where.
      dataset, settings: of `make_config`; "wav" is a speech run, tiny unless they say otherwise.
      classes: of the prior; None: no prior.
      condition: for speech, what the classes are.
      source: the run's dataset_source, by default `dataset`.
      voices: for speech, the speakers.
      values, prior_values: functions (name, shape, random weights) -> the weights of a variable.
    """
    speech = dataset == "wav"
    if speech:
        given = dict(hidden_channels="4,4,4", downsampling=8, residual_blocks=0, K=8, D=4, window=64)
        given.update(
            wavenet_stacks=1,
            wavenet_layers=3,
            wavenet_channels=4,
            wavenet_skip_channels=8,
            wavenet_condition_channels=4,
        )
        config = config_lib.with_data(make_config("wav", **dict(given, **settings)), "wav", voices)
    else:
        config = make_config(dataset, "original", **dict(dict(K=8, D=16, image_size=8), **settings))
    config = dataclasses.replace(config, dataset_source=source or dataset)
    config = dataclasses.replace(config, optimizer=dataclasses.replace(config.optimizer, average_decay=0.0))
    folder, m = str(folder), config.model

    def build():
        model = vqvae.make(m, 0)
        images = tf.zeros([1] + [8 if n is None else n for n in m.shape], tf.uint8)
        model.likelihood(model.encode(images), images, tf.zeros([1], tf.int32) if speech else None)

    _save(folder, config, build, values)
    checkpoint = checkpoints.find_checkpoint(folder)
    q = m.quantizer
    mse = isinstance(m.likelihood, config_lib.MSE)
    write_json(
        calibration.kept_path(OpenRun(config, checkpoint, folder)),
        {
            "fingerprint": fingerprint(checkpoint.path),
            "global_step": checkpoint.step,
            "dataset_source": config.dataset_source,
            "split": "train",
            "scale": SCALE if mse else None,
            "code_counts": (np.arange(q.L * q.K).reshape(q.L, q.K) * 7 % 50).tolist(),
        },
    )
    if classes is not None:
        of = (config.dataset_source, 1, fingerprint(checkpoint.path), condition)
        codes = CodesConfig(m.grid, q.K, classes, *of)
        prior = make_prior_config(codes, speech, layers=1, channels=8, embedding=4)
        prior = dataclasses.replace(prior, optimizer=dataclasses.replace(prior.optimizer, average_decay=0.0))

        def build_prior():
            z = tf.zeros((1, *m.grid), tf.int32)
            CodePrior(prior.network, prior.codes).log_prob(z, tf.zeros([1], tf.int32) if classes else None)

        path = os.path.join(folder, "prior")
        _save(path, prior, build_prior, prior_values)
        checkpoints.keep_best(path, os.path.join(path, "model.ckpt-1"), 1, "bits_per_image", 1.0)
    return folder


def _save(folder, config, build, values):
    os.makedirs(folder)
    write_text(os.path.join(folder, run_folder.CONFIG), config_lib.to_json(config))
    rng = np.random.RandomState(0)
    with tf.Graph().as_default():
        build()
        step = tf.get_variable("global_step", initializer=np.int64(1), trainable=False, use_resource=True)
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            for v in sorted(set(tf.global_variables()) - {step}, key=lambda v: v.op.name):
                shape = v.shape.as_list()
                # Large enough that distributions differ from pixel to pixel.
                weights = rng.randn(*shape) * 1.5 / max(1.0, float(np.prod(shape[:-1]))) ** 0.5
                if values is not None:
                    weights = values(v.op.name, shape, weights)
                v.load(np.asarray(weights, np.float32), session)
            path = os.path.join(folder, "model.ckpt-1")
            saver = tf.train.Saver(save_relative_paths=True)
            saver.save(session, path, write_meta_graph=False, write_state=False)
    write_text(os.path.join(folder, "checkpoint"), 'model_checkpoint_path: "model.ckpt-1"\n')


def images(n, side, channels, seed=0, binary=False):
    """uint8 [n, side, side, channels]: noise, and smooth waves."""
    rng = np.random.RandomState(seed)
    x = 127 + 80 * np.sin(np.arange(side)[:, None, None] / 3.0 + rng.rand(n, 1, 1, channels) * 6)
    x = x + 40 * np.sin(np.arange(side)[None, :, None] / 2.0) + rng.randn(n, side, side, channels) * 12
    x = np.clip(x, 0, 255).astype(np.uint8)
    return np.where(x > 127, 255, 0).astype(np.uint8) if binary else x


def sounds(lengths, seed=0):
    """Levels uint8 [T] of recordings with the given lengths: tones and noise; every third one is silence."""
    rng, found = np.random.RandomState(seed), []
    for i, n in enumerate(lengths):
        x = 0.5 * np.sin(np.arange(n) * rng.uniform(0.05, 0.5)) + 0.05 * rng.randn(n)
        found.append(audio.mu_law(0.0 * x if i % 3 == 2 else x))
    return found
