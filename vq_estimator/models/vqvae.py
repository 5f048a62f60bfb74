"""The VQ-VAE: x -> z_e -> z_q -> p(x | z_q)."""

from typing import Callable, NamedTuple

import tensorflow.compat.v1 as tf

from vq_estimator.config import ModelConfig
from vq_estimator.nn import decoders, quantizers
from vq_estimator.nn.likelihoods import Likelihood, to_unit
from vq_estimator.nn.networks import Encoder
from vq_estimator.nn.quantizers import Quantized

DTYPES = {"float32": tf.float32, "bfloat16": tf.bfloat16}


class VQVAEOutput(NamedTuple):
    """One pass over a batch.

    Attributes:
      z_e: float32 [B, h, w, P, D], P vectors at each position (`config.quantizer.vectors`: L, or 1 under residual).
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
      seed: of the quantizer's draws.
    """

    def __init__(self, config: ModelConfig, seed: int = 0):
        q, dtype = config.quantizer, DTYPES[config.precision]
        self.config = config
        self.encoder = Encoder(config.network, q.features, dtype)
        self.quantizer = quantizers.make(q, seed)
        self.decoder = decoders.make(config, dtype)

    def __call__(self, images: tf.Tensor, training: bool = False, step=None) -> VQVAEOutput:
        """images: uint8 [B, S, S, C]; under the factorised decoder also float32 in 0..1."""
        z_e = self.encode_continuous(images)
        with tf.name_scope("quantizer"):
            quantized = self.quantizer(z_e, training, step)
        return VQVAEOutput(z_e, quantized, self.likelihood_of_vectors(quantized.z_q, images))

    def encode_continuous(self, images: tf.Tensor) -> tf.Tensor:
        """Images to z_e [B, h, w, P, D], before quantisation."""
        q, (height, width, _) = self.config.quantizer, self.config.grid
        return tf.reshape(self.encoder(to_unit(images)), [-1, height, width, q.vectors, q.D])

    def encode(self, images: tf.Tensor) -> tf.Tensor:
        """Images to codes, int32 [B, h, w, L]."""
        return self.quantizer(self.encode_continuous(images), False).codes

    def likelihood(self, codes: tf.Tensor, images: tf.Tensor) -> Likelihood:
        """p(x | z_q) of codes int32 [B, h, w, L]; `images` uint8 give an autoregressive decoder the pixels before."""
        return self.likelihood_of_vectors(self.quantizer.lookup(codes), images)

    def likelihood_of_vectors(self, z_q: tf.Tensor, images: tf.Tensor) -> Likelihood:
        """The same from z_q float32 [B, h, w, P, D]."""
        return self.decoder.likelihood(self._flat(z_q), images)

    def decode(self, codes: tf.Tensor, seed=0, shared: bool = False) -> tf.Tensor:
        """Codes int32 [B, h, w, L] to images uint8 [B, S, S, C].

        Of a factorised decoder the mean; of an autoregressive one a draw, which `seed` (an int) decides; `shared`: all
        examples are drawn with the same noise.
        """
        return self.decode_vectors(self.quantizer.lookup(codes), seed, shared)

    def decode_vectors(self, z_q: tf.Tensor, seed=0, shared: bool = False) -> tf.Tensor:
        """The same from z_q float32 [B, h, w, P, D]."""
        return self.decoder.image(self._flat(z_q), seed, shared)

    def parameters(self, codes: tf.Tensor) -> tf.Tensor:
        """What the likelihoods of all pixels are made of, float32 [B, S, S, outputs]; of a factorised decoder."""
        return self.decoder.parameters(self._flat(self.quantizer.lookup(codes)))

    def scan(self, codes: tf.Tensor, choose: Callable) -> tf.Tensor:
        """Images pixel by pixel, by `decoders.Autoregressive.scan`; of an autoregressive decoder."""
        return self.decoder.scan(self._flat(self.quantizer.lookup(codes)), choose)

    def _flat(self, z_q: tf.Tensor) -> tf.Tensor:
        height, width, _ = self.config.grid
        return tf.reshape(z_q, [-1, height, width, self.config.quantizer.features])
