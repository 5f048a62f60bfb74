"""A decoder whose pixels depend on all pixels before them in raster order."""

from typing import Callable, List

import tensorflow.compat.v1 as tf

from vq_estimator.config import ModelConfig
from vq_estimator.nn.decoders.base import SEEDS_PER_PIXEL, DecoderBase, centred
from vq_estimator.nn.likelihoods import Likelihood
from vq_estimator.nn.networks import Decoder
from vq_estimator.nn.pixelcnn import PixelCNN
from vq_estimator.nn.stepwise import POSITION, SEED, Traced, seed_inputs


class Autoregressive(DecoderBase):
    """A decoder whose pixels depend on z_q and on the pixels before them in raster order; it decodes to a draw.

    #### References
    van den Oord et al. (2017), arXiv 1711.00937, section 4.2 (a PixelCNN decoder).
    """

    def __init__(self, config: ModelConfig, dtype):
        super().__init__(config)
        d = config.decoder
        self._features = Decoder(config.network, d.condition_channels, dtype)
        self._pixels = PixelCNN(d.layers, d.channels, self._outputs, d.kind, dtype, name="decoder_pixels")
        self._modules = (self._features, self._pixels)

    def likelihood(self, z_q: tf.Tensor, images: tf.Tensor, speakers=None, training: bool = False) -> Likelihood:
        """Returns the distribution of each pixel given z_q and the earlier pixels of `images`, uint8 [B, H, W, C]."""
        del speakers, training
        return self._given(self._pixels(centred(images), self._features(z_q)))

    def image(self, z_q: tf.Tensor, seed, shared: bool = False, speakers=None, **of_speech) -> tf.Tensor:
        """Draws images from p(x | z_q) by incremental sampling.

        Args:
          z_q: float32 [B, h, w, features].
          seed: int; the same batch and seed give the same images.
          shared: use the same noise for all examples, so that equal z_q give equal images.

        Returns:
          uint8 [B, H, W, C].
        """
        del speakers, of_speech

        def draw(parameters, i, j):
            return self._draw(parameters, first, i * self._config.size[1] + j, shared)

        first = tf.cast(seed, tf.int64)
        return self.scan(z_q, draw)

    def _draw(self, parameters, seed, position, shared: bool = False) -> tf.Tensor:
        """Draws a pixel, uint8 [B, C], at index `position` in raster order."""
        place = tf.cast(position, tf.int64) * SEEDS_PER_PIXEL
        return self._given(parameters[:, tf.newaxis, tf.newaxis]).sample(tf.stack([seed, place]), shared)[:, 0, 0]

    def step_functions(self, codes: tf.Tensor, z_q: tf.Tensor) -> List[Traced]:
        """Makes the functions that draw an image pixel by pixel in another runtime; see `nn.stepwise`."""
        condition, seeds = self._features(z_q), seed_inputs()

        def choose(parameters):
            pixel = self._draw(parameters, seeds[SEED], seeds[POSITION])
            return seeds, centred(pixel), pixel

        first = Traced("decode_condition", {"codes": codes}, {"condition": tf.cast(condition, tf.float32)})
        return [first, *self._pixels.step_functions("decode", condition, self._config.channels, choose)]

    def scan(self, z_q: tf.Tensor, choose: Callable) -> tf.Tensor:
        """Generates images in raster order, each pixel given the pixels before it.

        Args:
          z_q: float32 [B, h, w, features].
          choose: a function (the pixel's likelihood parameters, float32 [B, outputs], row, column) -> the pixel, uint8
            [B, C].

        Returns:
          uint8 [B, H, W, C].
        """
        channels = self._config.channels

        def chosen(parameters, i, j):
            pixel = choose(parameters, i, j)
            return centred(pixel), pixel

        return self._pixels.scan(self._features(z_q), channels, (channels, tf.uint8), chosen)
