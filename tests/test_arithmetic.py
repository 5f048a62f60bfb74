"""exp and the normal CDF by basic operations: close to NumPy's and SciPy's, and the same bits everywhere."""

import zlib

import numpy as np
from scipy import special

from vq_estimator.nn import arithmetic


def test_exp():
    x = np.random.RandomState(0).uniform(-708, 708, 200000)
    np.testing.assert_allclose(arithmetic.exp(x), np.exp(x), rtol=1e-13)
    np.testing.assert_array_equal(arithmetic.exp(np.array([0.0, -0.0])), 1.0)
    assert np.isfinite(arithmetic.exp(np.array([-1e300, 1e300, -np.inf, np.inf]))).all()
    one, two = arithmetic.exps(x[:100].reshape(10, 10), x[100:130].reshape(3, 10))
    np.testing.assert_array_equal(one, arithmetic.exp(x[:100].reshape(10, 10)))
    np.testing.assert_array_equal(two, arithmetic.exp(x[100:130].reshape(3, 10)))


def test_sigmoid():
    x = np.random.RandomState(1).randn(1000) * 20
    np.testing.assert_allclose(arithmetic.sigmoid(x), special.expit(x), rtol=1e-12)


def test_normal_cdf():
    x = np.random.RandomState(2).uniform(-12, 12, 500000)
    np.testing.assert_allclose(arithmetic.normal_cdf(x), special.ndtr(x), atol=1e-10)
    ends = arithmetic.normal_cdf(np.array([-1e300, -10.0, 10.0, 1e300]))
    np.testing.assert_allclose(ends, [0, 0, 1, 1], atol=1e-15)


def test_the_bits_are_those_of_every_other_machine():
    # Frozen: a file that was written with these must be read with these.
    x = np.arange(-7000, 7000, 3) / 10.0
    assert zlib.crc32(arithmetic.exp(x).tobytes()) == EXP
    assert zlib.crc32(arithmetic.normal_cdf(0.01 * x).tobytes()) == CDF


EXP, CDF = 2506323017, 3417142828
