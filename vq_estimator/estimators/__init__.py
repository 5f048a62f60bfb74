"""The Estimators: `tf.estimator.Estimator`s of a VQ-VAE and of the prior over its codes.

They train in a run directory as `vq-train` makes it, which every command and `vq.load` accept. They change nothing in
the process: no signal handlers, no log levels, no global modes.

    >>> import vq_estimator as vq
    >>> estimator = vq.VQVAEEstimator(vq.make_config("mnist"), "run")
"""

from vq_estimator.estimators.loading import load
from vq_estimator.estimators.prior import PriorEstimator
from vq_estimator.estimators.vqvae import VQVAEEstimator
from vq_estimator.training.model_fns import vqvae_model_fn

__all__ = ["PriorEstimator", "VQVAEEstimator", "load", "model_fn"]

model_fn = vqvae_model_fn  # for a plain Estimator
