"""VQ-VAE on tf.estimator, in graph mode, with normalised likelihoods."""

__version__ = "0.1.0"
