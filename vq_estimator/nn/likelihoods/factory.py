"""From a likelihood's configuration to what the decoder must give, and from what it gives to the likelihood."""

import dataclasses

import tensorflow.compat.v1 as tf

from vq_estimator.config import LikelihoodConfig, implementation
from vq_estimator.nn.likelihoods.base import Likelihood


def parameters(config: LikelihoodConfig, channels: int) -> int:
    """The number of parameters of a pixel that the decoder has to give."""
    return implementation(config).parameters(channels, **dataclasses.asdict(config))


def from_parameters(config: LikelihoodConfig, values: tf.Tensor, channels: int) -> Likelihood:
    """The likelihood that the decoder's output [B, H, W, parameters] stands for."""
    return implementation(config).from_parameters(values, channels, **dataclasses.asdict(config))
