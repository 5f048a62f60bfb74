"""The functions that Numba compiles for the codec have the bits of their twins in NumPy."""

import os
import sys

import numpy as np
import pytest

from vq_estimator.errors import VQError
from vq_estimator.inference.codec import tables
from vq_estimator.nn import compiled as compiled_lib
from vq_estimator.nn.likelihoods import grouped
from vq_estimator.nn.likelihoods.logistic import mixture_sizes


class Recorder:
    """A coder that keeps the cumulative distributions."""

    def __init__(self):
        self.cumulative = []

    def code(self, cumulative, symbols):
        self.cumulative.append(cumulative)
        return symbols


def recorded(kind, parameters, pixels, components):
    """The cumulative distributions of all symbols of pixels uint8 [n, C]."""
    recorder = Recorder()
    p = kind(parameters, channels=pixels.shape[1], components=components)
    for channel, x in enumerate(pixels.T):
        assert (p.code(recorder, channel, x.astype(np.int32)) == x).all()
        p.observe(channel, x)
    return recorder.cumulative


def test_the_cache_of_compiled_functions_is_not_in_the_package():
    numba = pytest.importorskip("numba")
    before = numba.config.CACHE_DIR
    path = compiled_lib.compiled(compiled_lib.inlined)._cache.cache_path  # a function of the package
    assert not path.startswith(os.path.dirname(compiled_lib.__file__)) and before == numba.config.CACHE_DIR


@pytest.mark.parametrize("channels, components", [(3, 10), (3, 1), (1, 5), (2, 3)])
@pytest.mark.parametrize("n", [1, 8, 300])
def test_the_compiled_mixture_is_equal_bit_for_bit(channels, components, n):
    pytest.importorskip("numba")
    compiled, rng = grouped.implementation(), np.random.default_rng(n)
    assert compiled is not grouped.GroupedMixture
    for scale in (0.3, 3.0, 30.0):  # the last one reaches the ends of all ranges
        parameters = (scale * rng.normal(size=[n, components * sum(mixture_sizes(channels))])).astype(np.float32)
        pixels = rng.integers(-60, 316, [n, channels]).clip(0, 255).astype(np.uint8)  # many are 0 or 255
        given = (parameters, pixels, components)
        pairs = list(zip(recorded(compiled, *given), recorded(grouped.GroupedMixture, *given)))
        assert len(pairs) == 2 * channels
        for ours, numpy in pairs:
            np.testing.assert_array_equal(ours, numpy)


def cases():
    rng = np.random.default_rng(0)
    rising = np.cumsum(rng.random([16, 40]), 0)
    return {
        "rising": rising[:-1] / rising[-1],
        "flat": np.zeros([15, 3]),
        "falling by rounding": np.array([[0.5, 0.2], [0.4999999, 0.2], [1.0000001, 0.1]]),
        "binary": rng.random([1, 7]),
    }


@pytest.mark.parametrize("name", sorted(cases()))
def test_the_compiled_tables_are_equal_bit_for_bit(name, monkeypatch):
    pytest.importorskip("numba")
    cumulative = cases()[name]
    symbols = np.random.default_rng(1).integers(0, len(cumulative) + 1, cumulative.shape[1]).astype(np.int32)

    def made():
        table = tables.table(cumulative)
        return [*table, table.intervals(symbols), tables.table(cumulative[:, :1]).intervals(symbols)]

    ours = made()
    monkeypatch.setattr("vq_estimator.nn.compiled.twin", lambda module: None)
    for a, b in zip(ours, made()):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("compiled", [True, False])
def test_tables_of_no_numbers_are_an_error(bad, compiled, monkeypatch):
    if compiled:
        pytest.importorskip("numba")
    else:
        monkeypatch.setattr("vq_estimator.nn.compiled.twin", lambda module: None)
    with pytest.raises(VQError, match="likelihoods that are NaN or infinite"):
        tables.table(np.array([[0.1], [bad], [0.9]]))


def test_numpy_computes_without_numba(monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    monkeypatch.setattr(compiled_lib, "twin", compiled_lib.twin.__wrapped__)  # without its cache
    assert grouped.implementation() is grouped.GroupedMixture
    assert tables.table(np.array([[0.5]])).bounds[1] == (tables.TOTAL - 2) / 2
