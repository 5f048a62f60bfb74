"""Imports checkpoints of tf-vqvae as run directories.

Its variables are under `train/params/`: `enc/conv2d_<n>/{w,b}`, `dec/tconv2d_<n>/{w,b}`, for CIFAR-10 and ImageNet
residual blocks `enc/res_<n>_{3,1}` and `dec/res_<n>_{3,1}` (the 3x3 and the 1x1 convolution; n counts from 1 for
CIFAR-10 and from 0 for ImageNet), and `embed/embed` [K, D]. Those of its PixelCNN are under `pixelcnn/`, in a separate
checkpoint.
"""

import dataclasses
import os
import re
import tempfile
from typing import Optional

import numpy as np
import tensorflow.compat.v1 as tf

from vq_estimator import config as config_lib
from vq_estimator.config import (
    IMAGES,
    CodesConfig,
    Config,
    OptimizerConfig,
    PriorConfig,
    PriorNetworkConfig,
    make_config,
)
from vq_estimator.data.files import atomic_folder, write_text
from vq_estimator.errors import VQError
from vq_estimator.nn.code_prior import CodePrior
from vq_estimator.nn.module import static_shape
from vq_estimator.training import checkpoints, prior_trainer, run_folder
from vq_estimator.training.checkpoint_reader import CheckpointReader
from vq_estimator.training.checkpoints import fingerprint
from vq_estimator.training.model_fns import vqvae_model_fn

PREFIX = "train/params/"
CODEBOOK = PREFIX + "embed/embed"
PIXELCNN = "pixelcnn/"
# part of our name of a variable: the corresponding part of tf-vqvae's
_NAMES = (
    (r"^encoder/conv_(\d+)/", r"enc/conv2d_\1/"),
    (r"^decoder/conv_transpose_(\d+)/", r"dec/tconv2d_\1/"),
    (r"^quantizer/codebook$", "embed/embed"),
)


_RESIDUAL = re.compile(r"^(enc|dec)oder/residual_(\d+)/conv_(\d)x\d/(.*)$")


def their_name(ours: str, dataset: str) -> str:
    """tf-vqvae's name of one of our variables, in its layout for `dataset`."""
    residual = _RESIDUAL.match(ours)
    if residual:
        side, number, kernel, rest = residual.groups()
        return f"{PREFIX}{side}/res_{int(number) - (dataset == IMAGES)}_{kernel}/{rest}"
    for pattern, theirs in _NAMES:
        if re.match(pattern, ours):
            return PREFIX + re.sub(pattern, theirs, ours)
    raise KeyError(ours)


def _stored(checkpoint: str) -> CheckpointReader:
    return CheckpointReader(checkpoint, "; expected the path of last.ckpt")


def configuration(checkpoint: str, dataset: str, dataset_source: Optional[str]) -> Config:
    """Derives the configuration from the shapes in a checkpoint, for the layout of `dataset`.

    Raises:
      VQError: the checkpoint cannot be read, or has no codebook.
    """
    shape = _stored(checkpoint).shapes.get(CODEBOOK)
    if shape is None or len(shape) != 2:
        got = f"no {CODEBOOK}" if shape is None else f"{CODEBOOK} of shape {shape}"
        raise VQError(
            f"checkpoint: {checkpoint!r} is not a checkpoint of tf-vqvae: got {got}, expected it with shape [K, D]"
        )
    config = make_config(dataset, "original", K=int(shape[0]), D=int(shape[1]))
    return dataclasses.replace(config, dataset_source=dataset_source)


def import_checkpoint(
    checkpoint: str, dataset: str, dataset_source: Optional[str], model_dir: str, prior_checkpoint: Optional[str] = None
) -> Config:
    """Makes a run directory, at step 0, from a tf-vqvae checkpoint, atomically.

    Args:
      checkpoint: the path without the suffix of its files, such as `models/mnist/last.ckpt`.
      dataset: one of `config.DATASETS`, whose layout the checkpoint has.
      dataset_source: name of the data to evaluate on; None for any folder of images.
      model_dir: the run directory to make.
      prior_checkpoint: checkpoint of the PixelCNN, such as `models/mnist/last-pixelcnn.ckpt`, for the run's prior.

    Raises:
      VQError: the directory exists, or a checkpoint does not fit the layout; the message names the first such variable.
    """
    if os.path.exists(model_dir):
        raise VQError(f"model_dir: {model_dir!r} exists; give the name of a folder to make")
    of_prior = None
    if prior_checkpoint:  # read before the work, because it may be unreadable
        of_prior = CheckpointReader(prior_checkpoint, "; expected the path of last-pixelcnn.ckpt", "prior_checkpoint")
    config = configuration(checkpoint, dataset, dataset_source)
    with atomic_folder(model_dir) as target:
        _convert(checkpoint, config, target)
        write_text(os.path.join(target, run_folder.CONFIG), config_lib.to_json(config))
        if of_prior:
            prior = _prior_configuration(of_prior, config, checkpoints.find_checkpoint(target).path)
            _convert_prior(of_prior, _stored(checkpoint), prior, prior_trainer.folder(target))
    return config


def _convert(checkpoint: str, config: Config, target: str) -> None:
    """Saves what training would have saved at step 0 if it had started from these weights."""
    stored, m = _stored(checkpoint), config.model
    with tf.Graph().as_default():
        images = tf.zeros([1, *m.shape], tf.uint8)
        params = {"config": config}
        vqvae_model_fn({"image": images}, None, "train", params, tf.estimator.RunConfig(model_dir=target))
        ours = {their_name(v.op.name, config.dataset): v for v in tf.trainable_variables()}
        values = {}
        for name, variable in sorted(ours.items()):
            want = static_shape(variable)
            theirs = want[1:] if name == CODEBOOK else want  # L is 1 in tf-vqvae
            values[name] = np.reshape(stored.fitting(name, theirs, variable.dtype.base_dtype), want)
        unknown = sorted(name for name in stored.shapes if name.startswith(PREFIX) and name not in ours)
        if unknown:
            raise VQError(
                f"checkpoint: {unknown[0]} of {checkpoint!r} belongs to no layer of the {config.dataset} layout"
            )
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            for name, variable in ours.items():
                variable.load(values[name], session)
            step = tf.train.get_global_step()
            tf.train.Saver(save_relative_paths=True).save(
                session, os.path.join(target, "model.ckpt"), global_step=step, write_meta_graph=False
            )


def _prior_configuration(stored: CheckpointReader, config: Config, codes_of: str) -> PriorConfig:
    """The configuration of the PixelCNN in a checkpoint, over the codes of the run's checkpoint `codes_of`."""
    shapes = stored.shapes
    layers = len([name for name in shapes if re.match(PIXELCNN + r"v_stack\d+/v_W$", name)])
    of_class = shapes.get(PIXELCNN + "v_stack0/v_V")
    if not layers or of_class is None or len(of_class) != 2:
        raise VQError(f"prior_checkpoint: got {stored.path!r}, which holds no PixelCNN, expected last-pixelcnn.ckpt")
    q = config.model.quantizer
    source = config.dataset_source or ""
    codes = CodesConfig(config.model.grid, q.K, int(of_class[0]), source, 0, fingerprint(codes_of))
    network = PriorNetworkConfig(layers, int(of_class[1]), q.D, 0.0, kind="tf_vqvae")
    return PriorConfig(codes, network, OptimizerConfig())  # its weights are not averages


def _convert_prior(stored: CheckpointReader, of_model: CheckpointReader, config: PriorConfig, target: str) -> None:
    """Saves the prior as the best checkpoint of a training in `target`; its embedding is the model's codebook."""
    with tf.Graph().as_default():
        height, width, _ = config.codes.grid
        prior = CodePrior.of(config.network, config.codes)
        prior.log_prob(tf.zeros([1, height, width, 1], tf.int32), tf.zeros([1], tf.int32))
        step = tf.train.get_or_create_global_step()
        with tf.Session() as session:
            for variable in prior.variables:
                inner = variable.op.name.split("/", 1)[1]
                held, name = (of_model, CODEBOOK) if inner == "embedding" else (stored, PIXELCNN + inner)
                value = held.fitting(name, static_shape(variable), variable.dtype.base_dtype)
                variable.load(value, session)
            step.load(0, session)
            saver = tf.train.Saver([*prior.variables, step], save_relative_paths=True)
            with tempfile.TemporaryDirectory() as folder:
                saved = saver.save(session, os.path.join(folder, "model.ckpt"), 0, write_meta_graph=False)
                checkpoints.keep_best(target, saved, 0, "imported", 0.0)
    write_text(os.path.join(target, run_folder.CONFIG), config_lib.to_json(config))
