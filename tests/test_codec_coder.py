"""Integer tables and constriction's use of them: exact, of the promised length, and damage is detected."""

import math

import numpy as np
import pytest

from vq_estimator.errors import VQError
from vq_estimator.inference.codec import coder
from vq_estimator.inference.codec.coder import Damaged, Decoder, Encoder
from vq_estimator.inference.codec.tables import TOTAL, table


def cumulative(K, n, concentration=0.3, seed=0):
    p = np.random.RandomState(seed).gamma(concentration, size=(K, n)) + 1e-300
    total = np.cumsum(p, 0)
    return total[:-1] / total[-1]


@pytest.mark.parametrize("K", [2, 3, 20, 256])
def test_every_symbol_has_a_count_and_they_sum_to_the_total(K):
    tables = table(cumulative(K, 50, 0.02))
    counts = tables.weights + 1
    assert counts.min() >= 1 and (counts.sum(1) == TOTAL).all() and (counts == np.floor(counts)).all()
    np.testing.assert_array_equal(np.diff(tables.bounds, axis=0).T, tables.weights)


def test_rounding_errors_of_a_distribution_are_corrected_and_nan_is_an_error():
    below = np.array([[0.1, 0.2], [0.1 - 1e-3, 0.3], [1.0 + 1e-9, 1.0]])
    tables = table(below)
    assert tables.weights.min() >= 0 and ((tables.weights + 1).sum(1) == TOTAL).all()
    with pytest.raises(VQError, match="NaN or infinite"):
        table(np.array([[0.1, np.nan]]))


@pytest.mark.parametrize("K", [2, 5, 256])
def test_the_library_takes_the_counts_as_they_are(K):
    # The coder's state after one symbol is its interval, in units of the first range over the total.
    library = coder.library()
    unit = (2**64 - 1) >> 24
    tables = table(cumulative(K, 6, 0.1))
    for row in range(6):
        for symbol in {0, K // 2, K - 1}:
            encoder = library.queue.RangeEncoder()
            weights = library.weights(tables.weights[row : row + 1])
            encoder.encode(np.array([symbol], np.int32), library.model(), weights)
            low, size = encoder.pos()[1]
            assert (low, size) == (
                unit * (int(tables.bounds[symbol, row]) + symbol),
                unit * (int(tables.weights[row, symbol]) + 1),
            )


def test_what_is_written_is_read_and_is_as_long_as_it_should_be():
    below = cumulative(40, 3000)
    p = np.diff(np.concatenate([np.zeros([1, 3000]), below, np.ones([1, 3000])]), axis=0)
    symbols = np.array([np.random.RandomState(i).choice(40, p=p[:, i] / p[:, i].sum()) for i in range(3000)], np.int32)
    alike = np.arange(700).astype(np.int32) % 40
    encoder = Encoder()
    encoder.code(below[:, :1000], symbols[:1000])
    encoder.code_alike(below[:, 0], alike)
    encoder.code(below[:, 1000:], symbols[1000:])
    payload = encoder.payload()
    decoder = Decoder(payload)
    nothing = np.zeros(3000, np.int32)
    np.testing.assert_array_equal(decoder.code(below[:, :1000], nothing[:1000]), symbols[:1000])
    np.testing.assert_array_equal(decoder.code_alike(below[:, 0], nothing[:700]), alike)
    np.testing.assert_array_equal(decoder.code(below[:, 1000:], nothing[1000:]), symbols[1000:])
    assert encoder.tables_crc == decoder.tables_crc != 0
    counts = (table(below).weights + 1) / TOTAL, (table(below[:, :1]).weights[0] + 1) / TOTAL
    bits = -np.log2(counts[0][np.arange(3000), symbols]).sum() - np.log2(counts[1][alike]).sum()
    assert bits <= 8 * len(payload) <= bits * 1.0001 + 96


def test_other_tables_have_another_checksum():
    below, symbols = cumulative(20, 100), np.arange(100).astype(np.int32) % 20
    encoder = Encoder()
    encoder.code(below, symbols)
    other = below.copy()
    other[3, 3] += 1e-5  # the upper end of symbol 3, the symbol of this column
    decoder = Decoder(encoder.payload())
    decoder.code(other, np.zeros(100, np.int32))
    assert decoder.tables_crc != encoder.tables_crc


def test_one_symbol_alone_costs_nothing():
    encoder = Encoder()
    np.testing.assert_array_equal(encoder.code(np.zeros([0, 5]), np.zeros(5, np.int32)), 0)
    np.testing.assert_array_equal(encoder.code_alike(np.zeros([0]), np.zeros(5, np.int32)), 0)
    assert len(encoder.payload()) <= 4 and encoder.tables_crc == 0


def test_what_no_encoder_wrote_is_damaged_or_other_symbols():
    below = cumulative(7, 200, 3.0)
    for seed in range(50):
        rng = np.random.RandomState(seed)
        try:
            found = Decoder(rng.bytes(4 * rng.randint(0, 100))).code(below, np.zeros(200, np.int32))
            assert found.shape == (200,) and found.min() >= 0 and found.max() < 7
        except Damaged:
            pass
    with pytest.raises(Damaged, match="multiple of 4"):
        Decoder(b"abc")


def test_without_the_library_it_is_one_line(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "constriction", None)
    coder.library.cache_clear()
    try:
        with pytest.raises(VQError, match=r"constriction: can't be imported .*, expected the extra .codec."):
            Encoder()
    finally:
        coder.library.cache_clear()


def test_a_count_costs_what_its_probability_says():
    below = cumulative(256, 1000, 1.0)
    p = np.diff(np.concatenate([np.zeros([1, 1000]), below, np.ones([1, 1000])]), axis=0).T
    q = (table(below).weights + 1) / TOTAL
    lost = (p * (np.log(p) - np.log(q))).sum(1)
    assert lost.max() < 256 / TOTAL * (1 + 1e-3) and math.isclose(q.sum(), 1000)
