"""What all decoders share: the likelihood of their networks' outputs, and their variables."""

import tensorflow.compat.v1 as tf

from vq_estimator.nn import likelihoods
from vq_estimator.nn.likelihoods import LEVELS, Likelihood

SEEDS_PER_PIXEL = 256  # seeds that a likelihood may use for the draws of one pixel


class DecoderBase:
    """Base class: the model's configuration, and networks of which the last outputs the likelihood's parameters."""

    _modules = ()

    def __init__(self, config):
        self._config = config
        self._outputs = likelihoods.parameters(config.likelihood, config.channels)

    def _given(self, parameters: tf.Tensor) -> Likelihood:
        """Makes the likelihood with parameters [B, H, W, outputs]."""
        with tf.name_scope("likelihood"):
            return likelihoods.from_parameters(self._config.likelihood, parameters, self._config.channels)

    @property
    def trainable_variables(self):
        """The trainable variables of the networks, once they have been connected."""
        return [v for module in self._modules for v in module.trainable_variables]


def centred(images: tf.Tensor) -> tf.Tensor:
    """Converts uint8 levels to float32 in -1..1."""
    return tf.cast(images, tf.float32) * (2.0 / (LEVELS - 1.0)) - 1.0
