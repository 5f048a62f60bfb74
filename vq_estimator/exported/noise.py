"""The noise of TensorFlow's stateless random ops, in NumPy.

#### References
Salmon et al. (2011), Parallel random numbers: as easy as 1, 2, 3 (Philox 4x32-10).
"""

from typing import Sequence

import numpy as np

_MULTIPLIERS = np.array([0xD2511F53, 0xCD9E8D57], np.uint64)
_WEYL = np.array([0x9E3779B9, 0xBB67AE85], np.uint32)
_LOW = np.uint64(0xFFFFFFFF)


def uniform(shape: Sequence[int], seed: Sequence[int]) -> np.ndarray:
    """Returns what tf.raw_ops.StatelessRandomUniform gives: float32 in [0, 1), to the bit.

    Args:
      shape: of the result.
      seed: two integers of 64 bits.
    """
    bits = _bits(int(np.prod(shape)), seed)
    unit = ((bits & np.uint32(0x7FFFFF)) | np.uint32(127 << 23)).view(np.float32) - np.float32(1.0)
    return unit.reshape(shape)


def normal(shape: Sequence[int], seed: Sequence[int]) -> np.ndarray:
    """Returns what tf.raw_ops.StatelessRandomNormal gives, float32, but for the last bits of logarithm and sine."""
    n = int(np.prod(shape))
    pairs = _bits(n + n % 2, seed).reshape(-1, 2)
    unit = ((pairs & np.uint32(0x7FFFFF)) | np.uint32(127 << 23)).view(np.float32) - np.float32(1.0)
    radius = np.sqrt(np.float32(-2.0) * np.log(np.maximum(unit[:, 0], np.float32(1e-7))))  # Box-Muller
    angle = np.float32(2.0 * np.pi) * unit[:, 1]
    found = np.stack([np.sin(angle) * radius, np.cos(angle) * radius], -1).astype(np.float32)
    return found.reshape(-1)[:n].reshape(shape)


KINDS = {"uniform": uniform, "normal": normal}


def part_seed(seed: int, number: int) -> int:
    """The seed of batch or recording `number` of what is drawn with `seed`; the first one's is `seed` itself."""
    return seed + (number << 32)


def _bits(n: int, seed: Sequence[int]) -> np.ndarray:
    """Returns n random uint32 as TensorFlow makes them of a seed, which it scrambles to a key and a counter."""
    halves = [(int(part) >> shift) & 0xFFFFFFFF for part in seed for shift in (0, 32)]
    start = np.array([halves], np.uint32)
    mixed = _philox(start, np.array([0x3EC8F720, 0x02461E29], np.uint32))[0]
    groups = -(-n // 4)
    counters = np.zeros([groups, 4], np.uint32)
    counters[:, 0] = np.arange(groups)
    counters[:, 2:] = mixed[2:]
    return _philox(counters, mixed[:2]).reshape(-1)[:n]


def _philox(counters: np.ndarray, key: np.ndarray) -> np.ndarray:
    """Philox 4x32 with ten rounds: counters uint32 [n, 4], key uint32 [2] -> uint32 [n, 4]."""
    x = counters.astype(np.uint64)
    for i in range(10):
        k = (key.astype(np.uint64) + np.uint64(i) * _WEYL.astype(np.uint64)) & _LOW
        low, high = x[:, 0] * _MULTIPLIERS[0], x[:, 2] * _MULTIPLIERS[1]
        x = np.stack(
            [
                (high >> np.uint64(32)) ^ x[:, 1] ^ k[0],
                high & _LOW,
                (low >> np.uint64(32)) ^ x[:, 3] ^ k[1],
                low & _LOW,
            ],
            -1,
        )
    return x.astype(np.uint32)
