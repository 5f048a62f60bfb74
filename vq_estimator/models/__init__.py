"""Models composed of `nn`: the VQ-VAE and its objective."""
