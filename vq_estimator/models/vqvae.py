"""The VQ-VAE: x -> z_e -> z_q -> p(x | z_q), of images and of speech.

x is uint8 [B, H, W, C]. A recording is an image of one row: uint8 [B, 1, T, 1], mu-law levels; its T need be no
multiple of what a code stands for, since the encoder appends silence. What the decoder is told of who speaks is
`speakers`, int32 [B]; images have none.
"""

from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

import tensorflow.compat.v1 as tf

from vq_estimator.config import implementation
from vq_estimator.data.audio import SILENCE
from vq_estimator.errors import VQError
from vq_estimator.nn import decoders, quantizers
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
    """Networks of the caller's in the place of the package's; None: the package's.

    Attributes:
      encoder_fn: (images float32 [B, H, W, C] in 0..1, features, training) -> z_e [B, h, w, features], on the grid
        [h, w] of the configuration.
      decoder_fn: (z_q float32 [B, h, w, features], outputs, training) -> the likelihood's parameters
        [B, H, W, outputs]; of factorised decoders.
    """

    encoder_fn: Optional[Callable] = None
    decoder_fn: Optional[Callable] = None


OURS = Networks()


class VQVAE:
    """Encoder, quantizer and decoder of a `ModelConfig`. Makes no op until it is connected; shares its variables after.

    Args:
      config: sizes, networks, quantizer and precision. The quantizer and the likelihood are float32 whatever it says.
      seed: of what training draws: the quantizer's entries, the conditions that are dropped.
      networks: the caller's networks, where the configuration says that it has some.

    Raises:
      VQError: a network that the configuration calls custom is missing, or one is given that it does not.
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
        """images: uint8 [B, H, W, C]; under the factorised decoder also float32 in 0..1."""
        z_e = self.encode_continuous(images, training)
        with tf.name_scope("quantizer"):
            quantized = self.quantizer(z_e, training, step)
        given = self._training_arguments(step) if training else {}
        likelihood = self.likelihood_of_vectors(quantized.z_q, images, speakers, **given)
        return VQVAEOutput(z_e, quantized, likelihood)

    def _training_arguments(self, step) -> Dict[str, Any]:
        """What the decoder's likelihood is told in training."""
        del step
        return {"training": True}

    def unpack_features(self, features: Any) -> Tuple[tf.Tensor, Optional[tf.Tensor]]:
        """x uint8 [B, H, W, C] and the speakers int32 [B], None for images, of a batch as an input function gives it.

        A batch is {"image": x}, with whatever else, or x alone.

        Raises:
          VQError: it is of another type, rank, size or number of channels.
        """
        images = _feature(features, "image")
        check_images("image", images, self.config.shape)
        return images, None

    def encode_continuous(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Images to z_e [B, h, w, P, D], before quantisation."""
        q, (height, width, _) = self.config.quantizer, self.config.grid
        supplied = () if self._networks.encoder_fn is None else (training,)
        z_e = self.encoder(to_unit(images), *supplied)
        return tf.reshape(z_e, [-1, height, width, q.vectors_per_position, q.D])

    def encode(self, images: tf.Tensor) -> tf.Tensor:
        """Images to codes, int32 [B, h, w, L]."""
        return self.quantizer(self.encode_continuous(images), False).codes

    def likelihood(self, codes: tf.Tensor, images: tf.Tensor, speakers: Optional[tf.Tensor] = None) -> Likelihood:
        """p(x | z_q) of codes int32 [B, h, w, L]; `images` uint8 give an autoregressive decoder the pixels before."""
        return self.likelihood_of_vectors(self.quantizer.lookup(codes), images, speakers)

    def likelihood_of_vectors(
        self, z_q: tf.Tensor, images: tf.Tensor, speakers: Optional[tf.Tensor] = None, **of_speech
    ) -> Likelihood:
        """The same from z_q float32 [B, h, w, P, D]; `of_speech`: see `decoders.Waveform.likelihood`."""
        return self.decoder.likelihood(self._flat(z_q), images, speakers, **of_speech)

    def decode(
        self, codes: tf.Tensor, seed=0, shared: bool = False, speakers: Optional[tf.Tensor] = None, **of_speech
    ) -> tf.Tensor:
        """Codes int32 [B, h, w, L] to images uint8 [B, H, W, C], or to sound uint8 [B, 1, T, 1].

        Of a factorised decoder the mean; of an autoregressive one a draw, which `seed` (an int) decides; `shared`: all
        examples are drawn with the same noise; `of_speech`: see `decoders.Waveform.image`.
        """
        return self.decode_vectors(self.quantizer.lookup(codes), seed, shared, speakers, **of_speech)

    def decode_vectors(
        self, z_q: tf.Tensor, seed=0, shared: bool = False, speakers: Optional[tf.Tensor] = None, **of_speech
    ) -> tf.Tensor:
        """The same from z_q float32 [B, h, w, P, D]."""
        return self.decoder.image(self._flat(z_q), seed, shared, speakers, **of_speech)

    def parameters(self, codes: tf.Tensor) -> tf.Tensor:
        """What the likelihoods of all pixels are made of, float32 [B, H, W, outputs]; of a factorised decoder."""
        return self.decoder.parameters(self._flat(self.quantizer.lookup(codes)))

    def scan(self, codes: tf.Tensor, choose: Callable) -> tf.Tensor:
        """Images pixel by pixel, by `decoders.Autoregressive.scan`; of an autoregressive decoder."""
        return self.decoder.scan(self._flat(self.quantizer.lookup(codes)), choose)

    def step_functions(self, codes: tf.Tensor) -> List[Traced]:
        """The functions that decode codes in another runtime, of a decoder that draws; see `nn.stepwise`."""
        return self.decoder.step_functions(codes, self._flat(self.quantizer.lookup(codes)))

    def condition(self, codes: tf.Tensor, speakers: tf.Tensor) -> tf.Tensor:
        """What `decoders.Waveform.scan` knows of codes int32 [B, 1, n, L] and of who speaks; of speech."""
        return self.decoder.condition(self._flat(self.quantizer.lookup(codes)), speakers)

    def _flat(self, z_q: tf.Tensor) -> tf.Tensor:
        height, width, _ = self.config.codes_shape
        features = self.config.quantizer.latent_channels
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
            raise VQError(f"audio: got {describe_tensor(levels)}, expected mu-law levels uint8 [B, T]")
        return levels[:, tf.newaxis, :, tf.newaxis], speakers

    def _training_arguments(self, step) -> Dict[str, Any]:
        if step is None:
            return {}
        seed = tf.stack([tf.constant(~self._seed, tf.int64), tf.cast(step, tf.int64)])  # the quantizer's has no ~
        return {"training_seed": seed}

    def encode_continuous(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Recordings to z_e [B, 1, n, P, D]; silence is appended where T is no multiple of the downsampling factor."""
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
    """The model that a configuration means; see `VQVAE`."""
    return implementation(config)(config, seed, networks)


def _check_networks(config: Any, networks: Networks) -> None:
    """Raises VQError where the caller's networks are not those that a configuration says it has."""
    for name, function in (("encoder", networks.encoder_fn), ("decoder", networks.decoder_fn)):
        label = getattr(config, "custom_" + name, None)
        if label is not None and function is None:
            want = "a Python program that has them: vq.load(run, encoder_fn=..., decoder_fn=...)"
            raise VQError(f"model: got a run of custom networks ({name} {label!r}), expected {want}")
        if label is None and function is not None:
            raise VQError(f"{name}_fn: got a function, expected None: the run's {name} is the package's own")


def _feature(features: Any, name: str, needed: bool = False) -> tf.Tensor:
    """The tensor of a name among the features of a batch, or where it is not needed the tensor that they are."""
    if isinstance(features, dict):
        if name not in features:
            raise VQError(f"features: got {', '.join(map(str, features)) or 'none'}, expected {name!r} among them")
        return features[name]
    if needed or not isinstance(features, tf.Tensor):
        raise VQError(f"features: got {type(features).__name__}, expected a dictionary with {name!r}")
    return features


def describe_tensor(x: tf.Tensor) -> str:
    """Type and shape of a tensor, for a message."""
    known = x.shape.ndims is not None
    return x.dtype.name + (
        " [" + ", ".join("?" if n is None else str(n) for n in static_shape(x)) + "]" if known else ""
    )


def check_images(field: str, images: tf.Tensor, shape: Tuple[int, int, int]) -> None:
    """Raises VQError where a tensor is none of images uint8 [B, *shape], as far as its shape is known."""
    fits = images.dtype == tf.uint8 and images.shape.ndims in (None, 4)
    if fits and images.shape.ndims == 4:
        fits = all(got in (None, want) for got, want in zip(static_shape(images)[1:], shape))
    if not fits:
        want = "uint8 [B, {}, {}, {}], levels 0 to 255".format(*shape)
        raise VQError(f"{field}: got {describe_tensor(images)}, expected {want}")
