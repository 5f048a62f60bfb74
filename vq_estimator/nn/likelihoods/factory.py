"""Parameters and likelihoods of a likelihood's configuration."""

import dataclasses

import tensorflow.compat.v1 as tf

from vq_estimator.config import LikelihoodConfig, implementation
from vq_estimator.nn.likelihoods.base import Likelihood


def parameters(config: LikelihoodConfig, channels: int) -> int:
    """Returns the number of parameters per pixel that a decoder outputs."""
    return implementation(config).parameters(channels, **dataclasses.asdict(config))


def num_uniforms(config: LikelihoodConfig, channels: int) -> int:
    """Returns the number of uniform random numbers per pixel from which a likelihood draws."""
    return implementation(config).num_uniforms(channels, **dataclasses.asdict(config))


def from_parameters(config: LikelihoodConfig, values: tf.Tensor, channels: int) -> Likelihood:
    """Makes the likelihood from a decoder's output [B, H, W, parameters]."""
    return implementation(config).from_parameters(values, channels, **dataclasses.asdict(config))
