"""Distributions over the 256 values of a pixel: normalised, including the end values, and stable in float32."""

from vq_estimator.nn.likelihoods.base import Likelihood
from vq_estimator.nn.likelihoods.bernoulli import Bernoulli
from vq_estimator.nn.likelihoods.categorical import Categorical
from vq_estimator.nn.likelihoods.factory import from_parameters, num_uniforms, parameters
from vq_estimator.nn.likelihoods.gaussian import DiscretizedGaussian
from vq_estimator.nn.likelihoods.logistic import DiscretizedLogistic, LogisticMixture
from vq_estimator.nn.likelihoods.pixels import LEVELS, to_uint8, to_unit
from vq_estimator.nn.likelihoods.sigmoid import SigmoidPixels
from vq_estimator.nn.likelihoods.subset import Subset
