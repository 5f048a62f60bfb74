"""The VQ-VAE: x -> z_e -> z_q -> p(x | z_q), for images and for speech.

x is uint8 [B, H, W, C]. A recording is an image of one row: uint8 [B, 1, T, 1], mu-law levels. T need not be a multiple
of the downsampling factor, because the encoder appends silence. `speakers` int32 [B] condition the decoder; images have
none.
"""

from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

import tensorflow.compat.v1 as tf

from vq_estimator.config import implementation
from vq_estimator.data.audio import SILENCE
from vq_estimator.errors import VQError
from vq_estimator.nn import decoders, quantizers
from vq_estimator.nn.checks import describe
from vq_estimator.nn.likelihoods import Likelihood, to_unit
from vq_estimator.nn.module import static_shape
from vq_estimator.nn.networks import Encoder, SuppliedNetwork
from vq_estimator.nn.quantizers import Quantized
from vq_estimator.nn.stepwise import Traced

DTYPES = {"float32": tf.float32, "bfloat16": tf.bfloat16}


class VQVAEOutput(NamedTuple):
    """One pass over a batch.

    Attributes:
      z_e: float32 [B, h, w, P, D], P vectors per position (`quantizer.vectors_per_position`: L, or 1 under residual).
      quantized: codes, z_q, the two terms and the update.
      likelihood: p(x | z_q); under an autoregressive decoder each pixel's given the pixels of the batch before it.
    """

    z_e: tf.Tensor
    quantized: Quantized
    likelihood: Likelihood


class Networks(NamedTuple):
    """Your networks instead of the package's; None for the package's.

    Attributes:
      encoder_fn: (images float32 [B, H, W, C] in 0..1, features, training) -> z_e [B, h, w, features], on the grid [h,
        w] of the configuration.
      decoder_fn: (z_q float32 [B, h, w, features], outputs, training) -> the likelihood's parameters [B, H, W,
        outputs]; for factorised decoders.
    """

    encoder_fn: Optional[Callable] = None
    decoder_fn: Optional[Callable] = None


OURS = Networks()


class VQVAE:
    """Encoder, quantizer and decoder of a `ModelConfig`. Constructing it adds no op; all calls share its variables.

    Args:
      config: sizes, networks, quantizer and precision. The quantizer and the likelihood always use float32.
      seed: seed of random numbers in training: k-means starts, resets of entries, conditioning dropout.
      networks: your networks, if the configuration has custom ones.

    Raises:
      VQError: a custom network of the configuration is missing, or one is passed that the configuration does not have.
    """

    def __init__(self, config: Any, seed: int = 0, networks: Networks = OURS):
        q, dtype = config.quantizer, DTYPES[config.precision]
        self.config, self._seed, self._networks = config, seed, networks
        _check_networks(config, networks)
        if networks.encoder_fn is None:
            self.encoder = Encoder(config.network, q.latent_channels, dtype, config.has_one_row)
        else:
            shape = (*config.grid[:2], q.latent_channels)
            self.encoder = SuppliedNetwork(networks.encoder_fn, shape, "encoder_fn", "encoder")
        self.quantizer = quantizers.make(q, seed)
        self.decoder = decoders.make(config, dtype, networks.decoder_fn)

    def __call__(
        self, images: tf.Tensor, training: bool = False, step=None, speakers: Optional[tf.Tensor] = None
    ) -> VQVAEOutput:
        """images: uint8 [B, H, W, C]; with the factorised decoder also float32 in 0..1."""
        z_e = self.encode_continuous(images, training)
        if training and self.config.quantizer.ignores_encoder:
            z_e = _zeros(z_e, tf.shape(images)[0])
        with tf.name_scope("quantizer"):
            quantized = self.quantizer(z_e, training, step)
        given = self._training_arguments(step) if training else {}
        likelihood = self.likelihood_of_vectors(quantized.z_q, images, speakers, **given)
        return VQVAEOutput(z_e, quantized, likelihood)

    def _training_arguments(self, step) -> Dict[str, Any]:
        """The further inputs of the decoder's likelihood in training."""
        return {"training": True, **({} if self.config.decoder.training_stride == 1 else self._training_seed(step))}

    def _training_seed(self, step) -> Dict[str, Any]:
        """The seed of a decoder that draws in training."""
        if step is None:
            return {}
        seed = tf.stack([tf.constant(~self._seed, tf.int64), tf.cast(step, tf.int64)])  # the quantizer's has no ~
        return {"training_seed": seed}

    def unpack_features(self, features: Any) -> Tuple[tf.Tensor, Optional[tf.Tensor]]:
        """Unpacks a batch of an input function: x uint8 [B, H, W, C], and the speakers int32 [B] (None for images).

        A batch is a dictionary with {"image": x}, or x itself.

        Raises:
          VQError: it has another type, rank, size or number of channels.
        """
        images = _feature(features, "image")
        check_images("image", images, self.config.shape)
        return images, None

    def encode_continuous(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Encodes images to z_e [B, h, w, P, D], before quantization."""
        q, (height, width, _) = self.config.quantizer, self.config.grid
        supplied = () if self._networks.encoder_fn is None else (training,)
        z_e = self.encoder(to_unit(images), *supplied)
        if None in static_shape(images)[1:3]:  # of any size
            z_e = tf.reshape(z_e, tf.concat([tf.shape(z_e)[:3], [q.vectors_per_position, q.D]], 0))
            z_e.set_shape([None, None, None, q.vectors_per_position, q.D])
            return z_e
        return tf.reshape(z_e, [-1, height, width, q.vectors_per_position, q.D])

    def encode(self, images: tf.Tensor) -> tf.Tensor:
        """Encodes images to codes, int32 [B, h, w, L]."""
        return self.quantizer(self.encode_continuous(images), False).codes

    def likelihood(self, codes: tf.Tensor, images: tf.Tensor, speakers: Optional[tf.Tensor] = None) -> Likelihood:
        """p(x | z_q) of codes int32 [B, h, w, L]. An autoregressive decoder gets earlier pixels from `images` uint8."""
        return self.likelihood_of_vectors(self.quantizer.lookup(codes), images, speakers)

    def likelihood_of_vectors(
        self, z_q: tf.Tensor, images: tf.Tensor, speakers: Optional[tf.Tensor] = None, **of_speech
    ) -> Likelihood:
        """The same from z_q float32 [B, h, w, P, D]. `of_speech`: see `decoders.Waveform.likelihood`."""
        return self.decoder.likelihood(self._flat(z_q), images, speakers, **of_speech)

    def decode(
        self, codes: tf.Tensor, seed=0, shared: bool = False, speakers: Optional[tf.Tensor] = None, **of_speech
    ) -> tf.Tensor:
        """Decodes codes int32 [B, h, w, L] to images uint8 [B, H, W, C], or to sound uint8 [B, 1, T, 1].

        A factorised decoder returns the mean. An autoregressive decoder returns a draw with the integer `seed`;
        `shared` draws all examples with the same random numbers. `of_speech`: see `decoders.Waveform.image`.
        """
        return self.decode_vectors(self.quantizer.lookup(codes), seed, shared, speakers, **of_speech)

    def decode_vectors(
        self, z_q: tf.Tensor, seed=0, shared: bool = False, speakers: Optional[tf.Tensor] = None, **of_speech
    ) -> tf.Tensor:
        """The same from z_q float32 [B, h, w, P, D]."""
        return self.decoder.image(self._flat(z_q), seed, shared, speakers, **of_speech)

    def parameters(self, codes: tf.Tensor) -> tf.Tensor:
        """The likelihood parameters of every pixel, float32 [B, H, W, outputs], of a factorised decoder."""
        return self.decoder.parameters(self._flat(self.quantizer.lookup(codes)))

    def scan(self, codes: tf.Tensor, choose: Callable) -> tf.Tensor:
        """Visits an image pixel by pixel with `decoders.Autoregressive.scan`, for an autoregressive decoder."""
        return self.decoder.scan(self._flat(self.quantizer.lookup(codes)), choose)

    def step_functions(self, codes: tf.Tensor) -> List[Traced]:
        """The functions that decode codes in another runtime, of a decoder that draws; see `nn.stepwise`."""
        return self.decoder.step_functions(codes, self._flat(self.quantizer.lookup(codes)))

    def pixel_condition(self, codes: tf.Tensor) -> tf.Tensor:
        """The condition of each pixel for codes int32 [B, h, w, L] of any size, for a local decoder."""
        return self.decoder.condition(self._flat(self.quantizer.lookup(codes)))

    def condition(self, codes: tf.Tensor, speakers: tf.Tensor) -> tf.Tensor:
        """The inputs of `decoders.Waveform.scan` for codes int32 [B, 1, n, L] and speakers, for speech models."""
        return self.decoder.condition(self._flat(self.quantizer.lookup(codes)), speakers)

    def _flat(self, z_q: tf.Tensor) -> tf.Tensor:
        height, width, _ = self.config.codes_shape
        features = self.config.quantizer.latent_channels
        if None in static_shape(z_q)[1:3] and not self.config.has_one_row:  # of any size
            flat = tf.reshape(z_q, tf.concat([tf.shape(z_q)[:3], [features]], 0))
            flat.set_shape([None, None, None, features])
            return flat
        if width is not None:
            return tf.reshape(z_q, [-1, height, width, features])
        flat = tf.reshape(z_q, tf.stack([tf.shape(z_q)[0], 1, tf.shape(z_q)[2], features]))
        flat.set_shape([None, 1, static_shape(z_q)[2], features])
        return flat


class SpeechVQVAE(VQVAE):
    """The VQ-VAE of a `SpeechConfig`: x is uint8 [B, 1, T, 1], mu-law levels, and T differs from batch to batch."""

    def unpack_features(self, features: Any) -> Tuple[tf.Tensor, Optional[tf.Tensor]]:
        """x and the speakers of {"audio": uint8 [B, T], "speaker": int32 [B]}."""
        levels, speakers = (_feature(features, name, needed=True) for name in ("audio", "speaker"))
        if levels.dtype != tf.uint8 or levels.shape.ndims not in (None, 2):
            raise VQError(f"audio: got {describe(levels)}, expected mu-law levels uint8 [B, T]")
        return levels[:, tf.newaxis, :, tf.newaxis], speakers

    def _training_arguments(self, step) -> Dict[str, Any]:
        return self._training_seed(step)

    def encode_continuous(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Encodes recordings to z_e [B, 1, n, P, D]. Silence is appended if T is not a multiple of the downsampling
        factor.
        """
        del training
        q = self.config.quantizer
        stride = self.config.network.stride
        # tf2onnx 1.17.0 converts neither the modulus of a negative number nor tf.pad of uint8 correctly.
        missing = (stride - tf.shape(images)[2] % stride) % stride
        silence = tf.fill(tf.stack([tf.shape(images)[0], 1, missing, 1]), tf.constant(SILENCE, images.dtype))
        whole = tf.concat([images, silence], 2)
        known = static_shape(images)[2]
        whole.set_shape([None, 1, None if known is None else known + -known % stride, 1])
        z = self.encoder(2.0 * to_unit(whole) - 1.0)
        n = static_shape(z)[2]
        z_e = tf.reshape(z, tf.stack([tf.shape(z)[0], 1, tf.shape(z)[2], q.vectors_per_position, q.D]))
        z_e.set_shape([None, 1, n, q.vectors_per_position, q.D])
        return z_e


def make(config: Any, seed: int = 0, networks: Networks = OURS) -> VQVAE:
    """Makes the model of a configuration; see `VQVAE`."""
    return implementation(config)(config, seed, networks)


def _zeros(z_e: tf.Tensor, batch: tf.Tensor) -> tf.Tensor:
    """Zeros of the shape of z_e, which nothing has to compute; z_e itself if its size is not known in the graph."""
    sizes = static_shape(z_e)[1:]
    if None in sizes:
        return z_e
    zeros = tf.zeros(tf.stack([batch, *sizes]), z_e.dtype)
    zeros.set_shape(z_e.shape)
    return zeros


def _check_networks(config: Any, networks: Networks) -> None:
    """Raises a VQError if the passed networks are not those that the configuration has."""
    for name, function in (("encoder", networks.encoder_fn), ("decoder", networks.decoder_fn)):
        label = getattr(config, "custom_" + name, None)
        if label is not None and function is None:
            want = "a Python program that has them: vq.load(run, encoder_fn=..., decoder_fn=...)"
            raise VQError(f"model: got a run of custom networks ({name} {label!r}), expected {want}")
        if label is None and function is not None:
            raise VQError(f"{name}_fn: got a function, expected None: the run's {name} is the package's own")


def _feature(features: Any, name: str, needed: bool = False) -> tf.Tensor:
    """The tensor of a name among the features of a batch, or the features themselves if they are a tensor."""
    if isinstance(features, dict):
        if name not in features:
            raise VQError(f"features: got {', '.join(map(str, features)) or 'none'}, expected {name!r} among them")
        return features[name]
    if needed or not isinstance(features, tf.Tensor):
        raise VQError(f"features: got {type(features).__name__}, expected a dictionary with {name!r}")
    return features


def check_images(field: str, images: tf.Tensor, shape: Tuple[int, int, int]) -> None:
    """Raises a VQError unless a tensor is images uint8 [B, *shape], as far as its shape is known."""
    fits = images.dtype == tf.uint8 and images.shape.ndims in (None, 4)
    if fits and images.shape.ndims == 4:
        fits = all(got in (None, want) for got, want in zip(static_shape(images)[1:], shape))
    if not fits:
        want = "uint8 [B, {}, {}, {}], levels 0 to 255".format(*shape)
        raise VQError(f"{field}: got {describe(images)}, expected {want}")
