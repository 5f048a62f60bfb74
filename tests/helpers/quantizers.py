"""Brute-force oracles of the quantizers in NumPy."""

import numpy as np
import tensorflow.compat.v1 as tf

B, H, W = 3, 2, 2


def latents(L, D, seed=0):
    return np.random.RandomState(seed).randn(B, H, W, L, D).astype(np.float32)


def oracle(z_e, codebook):
    """Nearest entries by brute force in float64: codes, entries, and the per-example mean over positions."""
    distance = ((z_e[..., None, :].astype(np.float64) - codebook) ** 2).sum(-1)
    codes = distance.argmin(-1)
    entries = np.stack([codebook[i][codes[..., i]] for i in range(codebook.shape[0])], -2)
    return codes, entries, distance.min(-1).mean((1, 2, 3))


def with_codebook(session, quantizer, value):
    session.run(tf.global_variables_initializer())
    session.run(quantizer.codebook.assign(value))


def residual_oracle(z_e, book):
    """By brute force in float64: codes [B, h, w, L], what each stage quantised ([B, h, w, D] each), and the sum."""
    left, codes, residuals = z_e[..., 0, :].astype(np.float64), [], []
    for entries in book.astype(np.float64):
        residuals.append(left)
        codes.append(((left[..., None, :] - entries) ** 2).sum(-1).argmin(-1))
        left = left - entries[codes[-1]]
    return np.stack(codes, -1), residuals, z_e[..., 0, :] - left
