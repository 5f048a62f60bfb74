"""VQ-VAE on tf.estimator, in graph mode, with likelihoods that are real."""

__version__ = "0.1.0"
