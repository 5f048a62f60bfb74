"""Decoders whose pixels are independent given z_q."""

from typing import Callable

import tensorflow.compat.v1 as tf

from vq_estimator.config import ModelConfig
from vq_estimator.nn.decoders.base import DecoderBase
from vq_estimator.nn.likelihoods import Likelihood, to_uint8
from vq_estimator.nn.module import Module
from vq_estimator.nn.networks import Decoder, SuppliedNetwork


class Factorised(DecoderBase):
    """A decoder whose pixels are independent given z_q; it decodes to the mean."""

    def __init__(self, config: ModelConfig, dtype):
        super().__init__(config)
        self._network = self.make_network(config, self._outputs, dtype)
        self._modules = (self._network,)

    def make_network(self, config: ModelConfig, outputs: int, dtype) -> Module:
        """Makes the network from z_q [B, h, w, features] to the likelihood's parameters, float32 [B, H, W, outputs]."""
        return Decoder(config.network, outputs, dtype)

    def likelihood(self, z_q: tf.Tensor, images: tf.Tensor, speakers=None, training: bool = False) -> Likelihood:
        """Returns p(x | z_q) for z_q float32 [B, h, w, features]; `images` are ignored."""
        del images, speakers
        return self._given(self.parameters(z_q, training))

    def image(self, z_q: tf.Tensor, seed, shared: bool = False, speakers=None, **of_speech) -> tf.Tensor:
        """Returns the mean of p(x | z_q), uint8 [B, H, W, C]; the other arguments are ignored."""
        del seed, shared, speakers, of_speech
        return to_uint8(self._given(self.parameters(z_q)).mean())

    def parameters(self, z_q: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Returns the likelihood's parameters of every pixel, float32 [B, H, W, outputs]."""
        del training  # nothing in our networks depends on it
        return self._network(z_q)


class Supplied(Factorised):
    """The same with a caller's function as its network."""

    def __init__(self, config: ModelConfig, function: Callable):
        self._function = function
        super().__init__(config, tf.float32)

    def make_network(self, config: ModelConfig, outputs: int, dtype) -> Module:
        return SuppliedNetwork(self._function, (*config.size, outputs), "decoder_fn", "decoder")

    def parameters(self, z_q: tf.Tensor, training: bool = False) -> tf.Tensor:
        return self._network(z_q, training)
