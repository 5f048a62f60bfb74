"""A small configuration of an Estimator, and images for it."""

import numpy as np

import vq_estimator as vq

SMALL = dict(image_size=8, channels=1, K=8, D=8, hidden_channels="8,8", residual_blocks=1, batch_size=8, max_steps=6)


def noise(*shape, seed=0):
    return np.random.RandomState(seed).randint(0, 256, shape).astype(np.uint8)


def config_of(**settings):
    return vq.make_config("images", "tuned", **dict(SMALL, **settings))


def in_order(images, **given):
    return vq.inputs.numpy_input_fn(images, batch_size=7, num_epochs=1, shuffle=False, **given)
