"""The discretised Gaussian, computed by SciPy."""

import numpy as np
from scipy import special


def oracle(mean, scale):
    mean, scale = float(np.float32(mean)), float(np.float32(scale))
    k = np.arange(256)
    low = np.where(k == 0, -np.inf, (k - 0.5 - mean) / scale)
    high = np.where(k == 255, np.inf, (k + 0.5 - mean) / scale)
    flip = low + high > 0
    low, high = np.where(flip, -high, low), np.where(flip, -low, high)
    log_high = special.log_ndtr(high)
    return log_high + np.log(-np.expm1(np.minimum(special.log_ndtr(low) - log_high, -1e-300)))
