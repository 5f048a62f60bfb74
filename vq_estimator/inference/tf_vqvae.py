"""Checkpoints of tf-vqvae as run folders of ours.

Its variables lie under `train/params/`: `enc/conv2d_<n>/{w,b}`, `dec/tconv2d_<n>/{w,b}`, for CIFAR-10 and ImageNet
residual blocks `enc/res_<n>_{3,1}` and `dec/res_<n>_{3,1}` (the 3x3 and the 1x1 convolution; n is counted from 1 for
CIFAR-10 and from 0 for ImageNet), and `embed/embed` [K, D].
"""

import dataclasses
import os
import re
from typing import Optional

import numpy as np
import tensorflow.compat.v1 as tf

from vq_estimator import config as config_lib
from vq_estimator.config import IMAGES, Config, make_config
from vq_estimator.data.files import atomic_folder, write_text
from vq_estimator.errors import VQError
from vq_estimator.nn.module import static_shape
from vq_estimator.training import run_folder
from vq_estimator.training.model_fns import vqvae_model_fn
from vq_estimator.training.stored import Stored

PREFIX = "train/params/"
CODEBOOK = PREFIX + "embed/embed"
# part of a variable's name here: what stands in its place there
_NAMES = (
    (r"^encoder/conv_(\d+)/", r"enc/conv2d_\1/"),
    (r"^decoder/conv_transpose_(\d+)/", r"dec/tconv2d_\1/"),
    (r"^quantizer/codebook$", "embed/embed"),
)


_RESIDUAL = re.compile(r"^(enc|dec)oder/residual_(\d+)/conv_(\d)x\d/(.*)$")


def their_name(ours: str, dataset: str) -> str:
    """tf-vqvae's name of one of our variables, in its set-up for `dataset`."""
    residual = _RESIDUAL.match(ours)
    if residual:
        side, number, kernel, rest = residual.groups()
        return f"{PREFIX}{side}/res_{int(number) - (dataset == IMAGES)}_{kernel}/{rest}"
    for pattern, theirs in _NAMES:
        if re.match(pattern, ours):
            return PREFIX + re.sub(pattern, theirs, ours)
    raise KeyError(ours)


def _stored(checkpoint: str) -> Stored:
    return Stored(checkpoint, "; expected the path of last.ckpt")


def configuration(checkpoint: str, dataset: str, dataset_source: Optional[str]) -> Config:
    """The configuration that a checkpoint's shapes mean, for the layout of `dataset`.

    Raises:
      VQError: it can't be read, or holds no codebook.
    """
    shape = _stored(checkpoint).shapes.get(CODEBOOK)
    if shape is None or len(shape) != 2:
        got = f"no {CODEBOOK}" if shape is None else f"{CODEBOOK} of shape {shape}"
        raise VQError(f"checkpoint: {checkpoint!r} is none of tf-vqvae: got {got}, expected it with shape [K, D]")
    config = make_config(dataset, "original", K=int(shape[0]), D=int(shape[1]))
    return dataclasses.replace(config, dataset_source=dataset_source)


def import_checkpoint(checkpoint: str, dataset: str, dataset_source: Optional[str], model_dir: str) -> Config:
    """Makes a run folder, at step 0, of a tf-vqvae checkpoint; whole or not at all.

    Args:
      checkpoint: the path without the suffix of its files, such as `models/mnist/last.ckpt`.
      dataset: one of `config.DATASETS`, whose layout it has.
      dataset_source: the name of the data that the run is evaluated on; None: any (of a folder of images).
      model_dir: the folder to make.

    Raises:
      VQError: the folder exists, or the checkpoint does not fit the layout: the first variable that does not is named.
    """
    if os.path.exists(model_dir):
        raise VQError(f"model_dir: {model_dir!r} exists; give the name of a folder to make")
    config = configuration(checkpoint, dataset, dataset_source)
    with atomic_folder(model_dir) as target:
        _convert(checkpoint, config, target)
        write_text(os.path.join(target, run_folder.CONFIG), config_lib.to_json(config))
    return config


def _convert(checkpoint: str, config: Config, target: str) -> None:
    """Saves what training would have saved at step 0, had it started from these weights."""
    stored, m = _stored(checkpoint), config.model
    with tf.Graph().as_default():
        images = tf.zeros([1, m.image_size, m.image_size, m.channels], tf.uint8)
        params = {"config": config}
        vqvae_model_fn({"image": images}, None, "train", params, tf.estimator.RunConfig(model_dir=target))
        ours = {their_name(v.op.name, config.dataset): v for v in tf.trainable_variables()}
        values = {}
        for name, variable in sorted(ours.items()):
            want = static_shape(variable)
            theirs = want[1:] if name == CODEBOOK else want  # L is 1 there
            got = stored.shapes.get(name)
            if got != theirs:
                shape = "nothing" if got is None else f"shape {got}"
                raise VQError(f"checkpoint: {name} of {checkpoint!r}: got {shape}, expected shape {theirs}")
            values[name] = np.reshape(stored.value(name, variable.dtype.base_dtype), want)
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


def why_no_prior(checkpoint: str) -> str:
    """Why the PixelCNN beside a tf-vqvae model is not imported."""
    stored = Stored(checkpoint, "; expected the path of last-pixelcnn.ckpt", "prior_checkpoint")
    layers = len([n for n in stored.shapes if re.match(r"pixelcnn/v_stack\d+/v_W$", n)])
    if not layers:
        raise VQError(f"prior_checkpoint: got {checkpoint!r}, which holds no PixelCNN, expected last-pixelcnn.ckpt")
    return (
        f"{checkpoint!r} holds a PixelCNN of {layers} layers whose shapes do not say what it computes: its layers come "
        "from another project (the masks of `v_W` and `h_W`, the place of the biases and of the class, and what the "
        "vertical stack passes on are in its code only); train a prior on the imported model with train_prior.py"
    )
