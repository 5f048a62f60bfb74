"""The VQ-VAE: x -> z_e -> z_q -> p(x | z_q), of images and of speech.

x is uint8 [B, H, W, C]. A recording is an image of one row: uint8 [B, 1, T, 1], mu-law levels; its T need be no
multiple of what a code stands for, since the encoder appends silence. What the decoder is told of who speaks is
`speakers`, int32 [B]; images have none.
"""

from typing import Any, Callable, Dict, NamedTuple, Optional, Tuple

import tensorflow.compat.v1 as tf

from vq_estimator.config import implementation
from vq_estimator.data.audio import SILENCE
from vq_estimator.nn import decoders, quantizers
from vq_estimator.nn.likelihoods import Likelihood, to_unit
from vq_estimator.nn.module import static_shape
from vq_estimator.nn.networks import Encoder
from vq_estimator.nn.quantizers import Quantized

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


class VQVAE:
    """Encoder, quantizer and decoder of a `ModelConfig`. Makes no op until it is connected; shares its variables after.

    Args:
      config: sizes, networks, quantizer and precision. The quantizer and the likelihood are float32 whatever it says.
      seed: of what training draws: the quantizer's entries, the conditions that are dropped.
    """

    def __init__(self, config: Any, seed: int = 0):
        q, dtype = config.quantizer, DTYPES[config.precision]
        self.config, self._seed = config, seed
        self.encoder = Encoder(config.network, q.latent_channels, dtype, config.has_one_row)
        self.quantizer = quantizers.make(q, seed)
        self.decoder = decoders.make(config, dtype)

    def __call__(
        self, images: tf.Tensor, training: bool = False, step=None, speakers: Optional[tf.Tensor] = None
    ) -> VQVAEOutput:
        """images: uint8 [B, H, W, C]; under the factorised decoder also float32 in 0..1."""
        z_e = self.encode_continuous(images)
        with tf.name_scope("quantizer"):
            quantized = self.quantizer(z_e, training, step)
        dropout = self._condition_dropout_seed(step) if training and step is not None else {}
        likelihood = self.likelihood_of_vectors(quantized.z_q, images, speakers, **dropout)
        return VQVAEOutput(z_e, quantized, likelihood)

    def _condition_dropout_seed(self, step) -> Dict[str, tf.Tensor]:
        """The seed of what training drops of the decoder's condition, where it drops some."""
        del step
        return {}

    def unpack_features(self, features: Dict[str, tf.Tensor]) -> Tuple[tf.Tensor, Optional[tf.Tensor]]:
        """x uint8 [B, H, W, C] and the speakers int32 [B], None for images, of a batch as the pipelines give it."""
        return features["image"], None

    def encode_continuous(self, images: tf.Tensor) -> tf.Tensor:
        """Images to z_e [B, h, w, P, D], before quantisation."""
        q, (height, width, _) = self.config.quantizer, self.config.grid
        return tf.reshape(self.encoder(to_unit(images)), [-1, height, width, q.vectors_per_position, q.D])

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

    def unpack_features(self, features: Dict[str, tf.Tensor]) -> Tuple[tf.Tensor, Optional[tf.Tensor]]:
        """x and the speakers of {"audio": uint8 [B, T], "speaker": int32 [B]}."""
        return features["audio"][:, tf.newaxis, :, tf.newaxis], features["speaker"]

    def _condition_dropout_seed(self, step) -> Dict[str, tf.Tensor]:
        seed = tf.stack([tf.constant(~self._seed, tf.int64), tf.cast(step, tf.int64)])  # the quantizer's has no ~
        return {"training_seed": seed}

    def encode_continuous(self, images: tf.Tensor) -> tf.Tensor:
        """Recordings to z_e [B, 1, n, P, D]; silence is appended where T is no multiple of the downsampling factor."""
        q = self.config.quantizer
        missing = -tf.shape(images)[2] % self.config.network.stride
        whole = tf.pad(images, [[0, 0], [0, 0], [0, missing], [0, 0]], constant_values=SILENCE)
        known = static_shape(images)[2]
        whole.set_shape([None, 1, None if known is None else known + -known % self.config.network.stride, 1])
        z = self.encoder(2.0 * to_unit(whole) - 1.0)
        n = static_shape(z)[2]
        z_e = tf.reshape(z, tf.stack([tf.shape(z)[0], 1, tf.shape(z)[2], q.vectors_per_position, q.D]))
        z_e.set_shape([None, 1, n, q.vectors_per_position, q.D])
        return z_e


def make(config: Any, seed: int = 0) -> VQVAE:
    """The model that a configuration means."""
    return implementation(config)(config, seed)
