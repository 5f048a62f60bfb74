"""What training minimises, term by term and example by example."""

import math
from typing import Any, Dict, NamedTuple

import tensorflow.compat.v1 as tf

from vq_estimator.config import MSE, ObjectiveConfig
from vq_estimator.models.vqvae import VQVAEOutput
from vq_estimator.nn.likelihoods import to_unit


class LossTerms(NamedTuple):
    """The terms of van den Oord et al. (2017), equation 3, each [B].

    Attributes:
      reconstruction: a mean over the dimensions: the squared error or cross-entropy under the likelihood "mse", else
        -ln p(x | z_q) / dims, in nats; moves encoder and decoder.
      codebook: |sg(z_e) - e|^2, summed over D, mean over positions and codebooks; moves a codebook that has a gradient.
      commitment: |z_e - sg(e)|^2, summed over D, mean over positions and codebooks; moves the encoder.
      total: what is minimised. "original": reconstruction + codebook + beta * commitment. "elbo": the same with the
        codebook and commitment terms summed over the positions and divided by the dimensions, so that each is per
        image, per dimension, like the reconstruction. Without the codebook term where it has no gradient.
      mse: squared error of the mean on 0..1 pixels, mean over the dimensions, whatever the loss.
    """

    reconstruction: tf.Tensor
    codebook: tf.Tensor
    commitment: tf.Tensor
    total: tf.Tensor
    mse: tf.Tensor


def reconstruction_metric(found: LossTerms, model: Any) -> Dict[str, tf.Tensor]:
    """What training shows of the reconstruction, by its name, each [B].

    The squared error, or where a reconstruction can't be compared with the original the bits per sample.
    """
    value = found.mse if model.has_mse else found.reconstruction / math.log(2.0)
    return {model.reconstruction_metric: value}


def terms(images: tf.Tensor, out: VQVAEOutput, config: ObjectiveConfig, model: Any) -> LossTerms:
    """The terms for images uint8 [B, H, W, C] and the output of a `model`, its configuration, for them."""
    unit, q = to_unit(images), out.quantized
    mse = out.likelihood.squared_error(unit)
    if not isinstance(model.likelihood, MSE):
        dims = model.fixed_dims or tf.cast(tf.shape(images)[2], tf.float32)  # recordings differ from batch to batch
        reconstruction = -out.likelihood.log_prob(images) / dims
    elif config.reconstruction == "cross_entropy":
        reconstruction = out.likelihood.cross_entropy(unit)
    else:
        reconstruction = mse
    latent = config.beta * q.commitment_loss
    if model.quantizer.codebook_by_gradient:
        latent += q.codebook_loss
    if config.kind == "elbo":
        latent *= model.codes_per_dim
    return LossTerms(reconstruction, q.codebook_loss, q.commitment_loss, reconstruction + latent, mse)
