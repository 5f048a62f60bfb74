"""A decoder whose pixels depend on near pixels, and which generates a wavefront of pixels at once."""

from typing import Callable, List

import tensorflow.compat.v1 as tf

from vq_estimator.config import LogisticMixturePixels, ModelConfig
from vq_estimator.nn import likelihoods
from vq_estimator.nn.decoders.base import DecoderBase, centred
from vq_estimator.nn.likelihoods import Likelihood, Subset
from vq_estimator.nn.likelihoods.logistic import couple_residuals, couples
from vq_estimator.nn.likelihoods.pixels import uniform
from vq_estimator.nn.local import LocalPixels
from vq_estimator.nn.networks import SubpixelDecoder
from vq_estimator.nn.places import Places
from vq_estimator.nn.stepwise import Traced


def couples_residuals(config: ModelConfig) -> bool:
    """Returns whether the means in the outputs of a local decoder must be converted; see `couple_residuals`."""
    mixture = isinstance(config.likelihood, LogisticMixturePixels)
    return config.decoder.residual_coupling and mixture and couples(config.channels)


class Local(DecoderBase):
    """A decoder whose pixels depend on z_q and on near pixels before them; it decodes to a draw.

    #### References
    Zhang et al. (2021), arXiv 2109.02639, section 4.
    """

    def __init__(self, config: ModelConfig, dtype):
        super().__init__(config)
        d = config.decoder
        self._features = SubpixelDecoder(config.network, d.condition_channels, dtype)
        sizes = (d.reach, d.layers, d.channels, self._outputs)
        read = (d.embedded_neighbours, d.contrasts)
        self._pixels = LocalPixels(*sizes, dtype, *read, self._finish, name="decoder_pixels")
        self._modules = (self._features, self._pixels)

    def _finish(self, parameters: tf.Tensor) -> tf.Tensor:
        """Converts the network's outputs [n, outputs] to the likelihood's parameters."""
        if not couples_residuals(self._config):
            return parameters
        return couple_residuals(parameters, self._config.likelihood.components)

    def likelihood(self, z_q: tf.Tensor, images: tf.Tensor, speakers=None, training: bool = False, training_seed=None):
        """Returns the distribution of each pixel given z_q and the earlier pixels of `images`, uint8 [B, H, W, C]."""
        del speakers
        d, places = self._config.decoder, None
        if training and training_seed is not None and d.training_stride > 1:
            if d.training_focus > 1.0:
                places = Places.draw_focused(images, d.training_stride, d.training_focus, training_seed)
            else:
                places = Places.draw(tf.shape(images)[0], self._config.size, d.training_stride, training_seed)
        parameters = self._pixels(centred(images), self._features(z_q), places)
        if places is None:
            return self._given(parameters)
        each = tf.reshape(parameters, [-1, 1, 1, self._outputs])
        return Subset(self._given(each), places.of, places.weights)

    def image(self, z_q: tf.Tensor, seed, shared: bool = False, speakers=None, compiled: bool = False) -> tf.Tensor:
        """Draws images from p(x | z_q), wavefront by wavefront.

        Args:
          z_q: float32 [B, h, w, features].
          seed: int; the same batch and seed give the same images.
          shared: use the same noise for all examples, so that equal z_q give equal images.
          compiled: see `WaveNet.scan`.

        Returns:
          uint8 [B, H, W, C].
        """
        del speakers
        (height, width), likelihood = self._config.size, self._config.likelihood
        n = likelihoods.num_uniforms(likelihood, self._config.channels)
        batch = tf.constant(1) if shared else tf.shape(z_q)[0]
        # Drawn before the loop: XLA draws other numbers.
        noise = uniform(tf.stack([batch, height * width, n]), tf.stack([tf.cast(seed, tf.int64), 0]))
        noise.set_shape([None, height * width, n])

        def draw(parameters, t, place):
            del t
            u = tf.gather(noise, place, axis=1) + tf.zeros_like(parameters[..., :1])  # [B, n, uniforms]
            return self._given(parameters[:, tf.newaxis]).sample_from(u[:, tf.newaxis])[:, 0]

        return self.scan(z_q, draw, compiled)

    def step_functions(self, codes: tf.Tensor, z_q: tf.Tensor) -> List[Traced]:
        """Makes the functions that draw an image wavefront by wavefront in another runtime; see `nn.stepwise`.

        The noise of a step is an input, uniform numbers float32 [B, n, uniforms].
        """
        channels = self._config.channels
        n = likelihoods.num_uniforms(self._config.likelihood, channels)
        noise = tf.placeholder(tf.float32, (None, None, n))

        def choose(parameters):
            pixels = self._given(parameters[:, tf.newaxis]).sample_from(noise[:, tf.newaxis])[:, 0]
            return {"noise": noise}, centred(pixels), pixels

        return self._pixels.step_functions("decode", codes, self._features(z_q), channels, choose)

    def condition(self, z_q: tf.Tensor) -> tf.Tensor:
        """Computes the condition of each pixel, float32 [B, H, W, D], from z_q [B, h, w, features] of any size."""
        return tf.cast(self._features(z_q), tf.float32)

    def likelihood_of(self, parameters: tf.Tensor) -> Likelihood:
        """Returns the distributions of n pixels, those of one row, given their parameters [n, outputs]."""
        return self._given(parameters[tf.newaxis, tf.newaxis])

    def parameters_at(self, near: tf.Tensor, condition: tf.Tensor) -> tf.Tensor:
        """Computes the likelihood parameters [n, outputs] of n pixels; see `LocalPixels.at`."""
        return self._pixels.at(near, condition)

    def scan(self, z_q: tf.Tensor, choose: Callable, compiled: bool = False) -> tf.Tensor:
        """Generates images wavefront by wavefront, each pixel given the near pixels before it.

        Args:
          z_q: float32 [B, h, w, features].
          choose: a function (likelihood parameters float32 [B, n, outputs], t, place) -> the pixels of step t, uint8
            [B, n, C]; see `LocalPixels.scan`.
          compiled: see `WaveNet.scan`.

        Returns:
          uint8 [B, H, W, C].
        """
        channels = self._config.channels

        def chosen(*step):
            pixels = choose(*step)
            return centred(pixels), pixels

        return self._pixels.scan(self._features(z_q), channels, (channels, tf.uint8), chosen, compiled)
