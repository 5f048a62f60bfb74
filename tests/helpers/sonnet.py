"""The rules of Sonnet v1's quantizers in NumPy, float64, written from its published formulas.

There entries are the columns of a matrix [D, K]; here they are rows [K, D].
"""

import numpy as np


def quantize(z, entries, commitment_cost, ema=False):
    """(codes, quantized, loss, perplexity) of z [..., D] by the entries [K, D]."""
    flat = np.float64(z).reshape(-1, z.shape[-1])
    distance = ((flat[:, None] - np.float64(entries)) ** 2).sum(-1)
    codes = distance.argmin(1)
    quantized = np.float64(entries)[codes]
    squared_error = ((quantized - flat) ** 2).mean()  # over all elements: e_latent_loss, and q_latent_loss too
    loss = commitment_cost * squared_error + (0.0 if ema else squared_error)
    p = np.bincount(codes, minlength=len(entries)) / len(codes)
    perplexity = np.exp(-(p * np.log(p + 1e-10)).sum())
    return codes.reshape(z.shape[:-1]), quantized.reshape(z.shape), loss, perplexity


class EMA:
    """The codebook of VectorQuantizerEMA: `moving_averages.assign_moving_average` with its zero debiasing.

    Attributes:
      entries: float64 [K, D].
    """

    def __init__(self, entries, decay, epsilon=1e-5):
        self.entries, self._decay, self._epsilon = np.float64(entries), decay, epsilon
        self._count, self._sum, self._steps = 0.0, 0.0, 0

    def update(self, z):
        """One call in training."""
        K, D = self.entries.shape
        flat = np.float64(z).reshape(-1, D)
        encodings = np.eye(K)[quantize(flat, self.entries, 1.0)[0]]  # [N, K]
        self._steps += 1
        self._count += (1 - self._decay) * (encodings.sum(0) - self._count)
        self._sum += (1 - self._decay) * (encodings.T @ flat - self._sum)
        debias = 1 - self._decay**self._steps
        count, total = self._count / debias, self._sum / debias
        n = count.sum()
        count = (count + self._epsilon) / (n + K * self._epsilon) * n  # Laplace smoothing
        self.entries = total / count[:, None]
