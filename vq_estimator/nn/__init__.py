"""Layers, networks, quantizers and likelihoods: tensors -> tensors."""
