"""exp and what is made of it, in float64, by additions, multiplications and divisions alone.

IEEE 754 rounds each of these, and floor and rint, to one result. NumPy's own exp, tanh and erf differ in the last bits
between processors and versions; what a file is decoded with must not. Nothing here sums by pairs either: sums are
`cumsum`, one number after the other.
"""

import functools
import math
from typing import Tuple

import numpy as np

LARGEST = 708.0  # |x| of exp; e^708 is within float64's normal numbers, and so is its inverse
LOG2_E = 1.4426950408889634
LN2_HIGH, LN2_LOW = 0.6931471803691238, 1.9082149292705877e-10  # their sum is ln 2; products with small integers exact
COEFFICIENTS = [1.0 / math.factorial(k) for k in range(8)]

STEPS = 64  # of the table of the normal distribution, per unit
REACH = 9.0


def exp(x: np.ndarray) -> np.ndarray:
    """e^x, relative error below 1e-12; |x| is clipped to LARGEST."""
    r = np.minimum(np.maximum(x, -LARGEST), LARGEST)
    n = np.rint(r * LOG2_E)
    r -= n * LN2_HIGH
    r -= n * LN2_LOW
    r *= 0.125  # |r| < 0.044; the polynomial's rest is below 1e-13 of the sum, and after three squares below 1e-12
    y = r * COEFFICIENTS[-1]
    for coefficient in COEFFICIENTS[-2:0:-1]:
        y += coefficient
        y *= r
    y += 1.0
    for _ in range(3):
        y *= y
    y *= ((n.astype(np.int64) + 1023) << 52).view(np.float64)  # 2^n by its bits
    return y


def exps(*arrays: np.ndarray) -> Tuple[np.ndarray, ...]:
    """`exp` of arrays that differ in their first axis, in one pass: of small arrays the calls are what costs."""
    ends = np.cumsum([len(a) for a in arrays])
    return tuple(np.split(exp(np.concatenate(arrays)), ends[:-1]))


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + e^-x)."""
    return 1.0 / (1.0 + exp(-x))


def normal_cdf(x: np.ndarray) -> np.ndarray:
    """The standard normal's CDF, absolute error below 1e-10: cubics between the values and slopes of a table.

    From REACH on it is 0 or 1, to float64's precision.
    """
    table = _normal_table()
    t = np.minimum(np.maximum((x + REACH) * STEPS, 0.0), 2 * REACH * STEPS - 1e-6)
    i = t.astype(np.int64)
    t -= i
    y = table[3].take(i)
    for coefficient in table[2::-1]:
        y *= t
        y += coefficient.take(i)
    return y


@functools.lru_cache(maxsize=None)
def _normal_table() -> Tuple[np.ndarray, ...]:
    """Coefficients of t^0 .. t^3 of each of the table's intervals."""
    x = np.arange(-REACH * STEPS, REACH * STEPS + 1) / STEPS
    density = exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi)
    # Phi(x) = 1/2 + density (x + x^3/3 + x^5/15 + ...), Marsaglia (2004), Evaluating the normal distribution.
    term, total = x.copy(), x.copy()
    for n in range(3, 301, 2):
        term = term * x * x / n
        total += term
    value = np.clip(0.5 + density * total, 0.0, 1.0)
    rise, slope = np.diff(value), density / STEPS
    left, right = slope[:-1], slope[1:]
    return value[:-1], left, 3.0 * rise - 2.0 * left - right, left + right - 2.0 * rise
