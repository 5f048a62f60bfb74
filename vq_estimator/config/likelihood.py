"""Configurations of the likelihoods p(x | z_q), distributions over the 256 values of each dimension."""

import dataclasses
from typing import Union

from vq_estimator.config.checks import MAX_LAYERS
from vq_estimator.config.fields import DECODER, Settings, setting
from vq_estimator.config.registry import Registry, Row
from vq_estimator.config.values import Integer


@dataclasses.dataclass(frozen=True)
class MSE:
    """tf-vqvae's sigmoid and squared error, evaluated as a discretised Gaussian with one fitted scale."""


@dataclasses.dataclass(frozen=True)
class BernoulliPixels:
    """Binary pixels, for data that `binarize` made binary."""


@dataclasses.dataclass(frozen=True)
class GaussianPixels:
    """A discretised Gaussian with a learned mean and scale for each dimension."""


@dataclasses.dataclass(frozen=True)
class LogisticPixels:
    """A discretised logistic distribution with a learned mean and scale for each dimension."""


@dataclasses.dataclass(frozen=True)
class LogisticMixturePixels(Settings):
    """A mixture of discretised logistics; three channels share a component (Salimans et al. 2017)."""

    components: int = setting(3, Integer(1, MAX_LAYERS), "components of the logistic mixture", DECODER)


@dataclasses.dataclass(frozen=True)
class CategoricalPixels:
    """A softmax over the 256 values of each dimension (van den Oord et al. 2016, PixelRNN)."""


_TENSORFLOW, _NUMPY = "vq_estimator.nn.likelihoods.", "vq_estimator.nn.likelihoods.cumulative:"
LIKELIHOODS = Registry(
    "likelihood",
    "distribution p(x | z_q); mse: squared error, evaluated as a Gaussian with a fitted scale",
    DECODER,
    {
        "mse": Row(MSE, _TENSORFLOW + "sigmoid:SigmoidPixels", _NUMPY + "FittedGaussian"),
        "bernoulli": Row(BernoulliPixels, _TENSORFLOW + "bernoulli:Bernoulli", _NUMPY + "Bernoulli"),
        "gaussian": Row(GaussianPixels, _TENSORFLOW + "gaussian:DiscretizedGaussian", _NUMPY + "Gaussian"),
        "logistic": Row(LogisticPixels, _TENSORFLOW + "logistic:DiscretizedLogistic", _NUMPY + "Logistic"),
        "logistic_mixture": Row(
            LogisticMixturePixels, _TENSORFLOW + "logistic:LogisticMixture", _NUMPY + "LogisticMixture"
        ),
        "categorical": Row(CategoricalPixels, _TENSORFLOW + "categorical:Categorical", _NUMPY + "Categorical"),
    },
)
LikelihoodConfig = Union[MSE, BernoulliPixels, GaussianPixels, LogisticPixels, LogisticMixturePixels, CategoricalPixels]
