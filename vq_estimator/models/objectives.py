"""What training minimises, term by term and example by example."""

from typing import NamedTuple

import tensorflow.compat.v1 as tf

from vq_estimator.config import ObjectiveConfig
from vq_estimator.models.vqvae import VQVAEOutput
from vq_estimator.nn.likelihoods import to_unit


class Terms(NamedTuple):
    """The terms of van den Oord et al. (2017), equation 3, each [B].

    Attributes:
      reconstruction: squared error or cross-entropy, mean over the dimensions; moves encoder and decoder.
      codebook: |sg(z_e) - e|^2, summed over D, mean over positions; moves the codebook.
      commitment: |z_e - sg(e)|^2, summed over D, mean over positions; moves the encoder.
      total: reconstruction + codebook + beta * commitment; under EMA without the codebook term, which has no gradient.
      mse: squared error on 0..1 pixels, mean over the dimensions, whatever the loss.
    """

    reconstruction: tf.Tensor
    codebook: tf.Tensor
    commitment: tf.Tensor
    total: tf.Tensor
    mse: tf.Tensor


def terms(images: tf.Tensor, out: VQVAEOutput, config: ObjectiveConfig, codebook_by_gradient: bool) -> Terms:
    """The terms for images uint8 [B, S, S, C] and the model's output for them."""
    unit = to_unit(images)
    mse = out.pixels.squared_error(unit)
    reconstruction = out.pixels.cross_entropy(unit) if config.reconstruction == "cross_entropy" else mse
    q = out.quantized
    total = reconstruction + config.beta * q.commitment
    if codebook_by_gradient:
        total += q.codebook
    return Terms(reconstruction, q.codebook, q.commitment, total, mse)
