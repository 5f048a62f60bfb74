"""Decoders from z_q to p(x | z_q), and to images or sound: the mean of p(x | z_q) or a draw from it."""

from typing import Callable, List, Optional

import tensorflow.compat.v1 as tf

from vq_estimator.config import ModelConfig, SpeechConfig, implementation
from vq_estimator.nn import likelihoods, replicas
from vq_estimator.nn.likelihoods import LEVELS, Likelihood, to_uint8
from vq_estimator.nn.likelihoods.pixels import uniform
from vq_estimator.nn.module import Module
from vq_estimator.nn.networks import Decoder, SuppliedNetwork
from vq_estimator.nn.pixelcnn import PixelCNN
from vq_estimator.nn.stepwise import POSITION, SEED, Traced, seed_inputs
from vq_estimator.nn.waveform import Conditioner, Embedding, repeat
from vq_estimator.nn.wavenet import WaveNet

SEEDS_PER_PIXEL = 256  # seeds that a likelihood may use for the draws of one pixel


class _Decoder:
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


class Factorised(_Decoder):
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


class Autoregressive(_Decoder):
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
        return self._given(self._pixels(_centred(images), self._features(z_q)))

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
            return seeds, _centred(pixel), pixel

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
            return _centred(pixel), pixel

        return self._pixels.scan(self._features(z_q), channels, (channels, tf.uint8), chosen)


class Waveform(_Decoder):
    """A WaveNet decoder: each sample depends on z_q, on the speaker and on the samples before it.

    Sound is uint8 [B, 1, T, 1], mu-law levels. The decoder decodes to a draw.

    #### References
    van den Oord et al. (2017), arXiv 1711.00937, section 4.3.
    """

    def __init__(self, config: SpeechConfig, dtype):
        super().__init__(config)
        d, stride = config.decoder, config.network.stride
        self._conditioner = Conditioner(d.condition_channels, len(config.speakers), stride, dtype)
        self._embedding = Embedding(d.channels, name="decoder_levels")
        self._samples = WaveNet(
            *(d.stacks, d.layers, d.channels, LEVELS, d.skip_channels, repeat(stride), dtype), name="decoder_samples"
        )
        self._modules = (self._conditioner, self._embedding, self._samples)

    @property
    def receptive_field(self) -> int:
        """Number of earlier samples that a sample's distribution depends on."""
        return self._samples.receptive_field

    def likelihood(self, z_q: tf.Tensor, images: tf.Tensor, speakers=None, training_seed=None) -> Likelihood:
        """Returns the distribution of each sample given z_q, the speaker and the earlier samples of `images`.

        Args:
          z_q: float32 [B, 1, n, features], n codes for at least T samples.
          images: uint8 [B, 1, T, 1].
          speakers: int32 [B].
          training_seed: int [2], the seed of conditioning dropout: for the selected examples the distribution is p(x);
            None disables it.
        """
        before = tf.gather(self._embedding(), tf.cast(images[..., 0], tf.int32))  # [B, 1, T, maps]
        condition = self._conditioner(z_q, speakers)
        share = self._config.decoder.condition_dropout
        if training_seed is not None and share:
            whole = tf.shape(condition)[0] * replicas.count()
            kept = uniform(tf.stack([whole, 1, 1, 1]), training_seed) >= share
            condition *= tf.cast(replicas.own(kept), tf.float32)
        return self._given(self._samples(before, condition))

    def image(
        self,
        z_q: tf.Tensor,
        seed,
        shared: bool = False,
        speakers=None,
        compiled: bool = False,
        temperature=1.0,
        guidance=None,
    ) -> tf.Tensor:
        """Draws sound by incremental sampling.

        Args:
          z_q: float32 [B, 1, n, features].
          seed: int; the same batch and seed give the same sound. Or int64 [B], a seed per example: each example is then
            what a batch of it alone would be with its seed.
          shared: use the same noise for all examples.
          speakers: int32 [B].
          compiled: see `WaveNet.scan`.
          temperature: float above 0 that divides the logits; below 1 the sound is less noisy than a draw.
          guidance: g draws each sample x_t in proportion to p(x_t) (p(x_t | z_q, speaker) / p(x_t))^g, all given the
            samples before it: classifier-free guidance (Ho and Salimans 2022, arXiv 2207.12598, in logits and with
            1 + w = g). It needs a model trained with `condition_dropout` and doubles the work. None: no guidance.

        Returns:
          uint8 [B, 1, T, 1], T = n * stride.
        """
        steps = tf.shape(z_q)[2] * self._config.network.stride
        seeds = tf.cast(seed, tf.int64)

        def of(one, width):
            return uniform(tf.stack([steps, width]), tf.stack([one, tf.constant(0, tf.int64)]))

        if seeds.shape.ndims:
            each = tf.map_fn(lambda one: of(one, 1), seeds, tf.float32)  # [B, T, 1]
            noise = tf.transpose(tf.squeeze(each, -1))
        else:
            noise = of(seeds, tf.constant(1) if shared else tf.shape(z_q)[0])  # [T, 1 or B]

        def draw(logits, i, t):
            del i
            if guidance is not None:
                given, without = tf.split(logits, 2)
                logits = without + guidance * (given - without)
            level = self._draw(logits, temperature, noise[t])
            return level if guidance is None else tf.concat([level, level], 0)

        condition = self.condition(z_q, speakers)
        if guidance is None:
            return self.scan(condition, draw, compiled)
        # The second half of the batch has no condition and uses the samples of the first half.
        both = self.scan(tf.concat([condition, tf.zeros_like(condition)], 0), draw, compiled)
        return both[: tf.shape(z_q)[0]]

    @staticmethod
    def _draw(logits: tf.Tensor, temperature, noise: tf.Tensor) -> tf.Tensor:
        """Draws levels int32 [B, 1] by inversion of the cumulative distribution; `noise` float32 [B] is uniform."""
        below = tf.cumsum(tf.nn.softmax(logits / temperature), -1) < noise[:, tf.newaxis]
        return tf.minimum(tf.reduce_sum(tf.cast(below, tf.int32), -1, keepdims=True), LEVELS - 1)

    def step_functions(self, codes: tf.Tensor, z_q: tf.Tensor) -> List[Traced]:
        """Makes the functions that draw sound sample by sample in another runtime; see `nn.stepwise`.

        The noise of a step is an input, uniform numbers float32 [B].
        """
        speakers, embedding = tf.placeholder(tf.int32, [None]), self._embedding()
        further = {"noise": tf.placeholder(tf.float32, [None]), "temperature": tf.placeholder(tf.float32, [])}

        def choose(logits):
            level = self._draw(logits, further["temperature"], further["noise"])
            return further, tf.gather(embedding, level[:, 0]), tf.cast(level, tf.uint8)

        given, channels = {"codes": codes, "speakers": speakers}, self._config.decoder.channels
        return self._samples.step_functions("decode", self.condition(z_q, speakers), given, channels, choose)

    def condition(self, z_q: tf.Tensor, speakers: tf.Tensor) -> tf.Tensor:
        """Computes the condition of `scan`, float32 [B, 1, m, features], one vector per `repeat(stride)` samples."""
        return self._conditioner(z_q, speakers)

    def scan(self, condition: tf.Tensor, choose: Callable, compiled: bool = False) -> tf.Tensor:
        """Generates sound uint8 [B, 1, T, 1], each sample given its condition and the samples before it.

        Args:
          condition: see `condition`.
          choose: a function (logits float32 [B, 256], 0, t) -> the level, int32 [B, 1].
          compiled: see `WaveNet.scan`.
        """
        embedding = self._embedding()

        def chosen(logits, i, t):
            level = choose(logits, i, t)
            return tf.gather(embedding, level[:, 0]), tf.cast(level, tf.uint8)

        return self._samples.scan(condition, self._config.decoder.channels, (1, tf.uint8), chosen, compiled)


def _centred(images: tf.Tensor) -> tf.Tensor:
    """Converts uint8 levels to float32 in -1..1."""
    return tf.cast(images, tf.float32) * (2.0 / (LEVELS - 1.0)) - 1.0


def make(config, dtype, supplied: Optional[Callable] = None):
    """Makes the decoder of a model's configuration; `supplied` takes the place of its network."""
    return implementation(config.decoder)(config, dtype) if supplied is None else Supplied(config, supplied)
