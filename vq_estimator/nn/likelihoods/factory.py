"""From a likelihood's configuration to what the decoder must give, and from what it gives to the likelihood."""

import tensorflow.compat.v1 as tf

from vq_estimator import config as c
from vq_estimator.nn.likelihoods.base import Likelihood
from vq_estimator.nn.likelihoods.bernoulli import Bernoulli
from vq_estimator.nn.likelihoods.categorical import Categorical
from vq_estimator.nn.likelihoods.gaussian import DiscretizedGaussian
from vq_estimator.nn.likelihoods.logistic import DiscretizedLogistic, LogisticMixture
from vq_estimator.nn.likelihoods.sigmoid import SigmoidPixels

_CLASSES = {
    c.MSE: SigmoidPixels,
    c.BernoulliPixels: Bernoulli,
    c.GaussianPixels: DiscretizedGaussian,
    c.LogisticPixels: DiscretizedLogistic,
    c.LogisticMixturePixels: LogisticMixture,
    c.CategoricalPixels: Categorical,
}


def parameters(config: c.LikelihoodConfig, channels: int) -> int:
    """How many numbers the decoder has to give for each pixel."""
    given = {"components": config.components} if isinstance(config, c.LogisticMixturePixels) else {}
    return _CLASSES[type(config)].parameters(channels, **given)


def from_parameters(config: c.LikelihoodConfig, values: tf.Tensor, channels: int) -> Likelihood:
    """The likelihood that the decoder's output [B, H, W, parameters] stands for."""
    if isinstance(config, c.LogisticMixturePixels):
        return LogisticMixture.from_parameters(values, channels, config.components)
    if isinstance(config, c.CategoricalPixels):
        return Categorical.from_parameters(values, channels)
    return _CLASSES[type(config)].from_parameters(values)
