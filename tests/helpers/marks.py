"""Pytest marks for slow tests and for tests that need bfloat16."""

import pytest

from vq_estimator.errors import VQError
from vq_estimator.training import precision


def slow(*values):
    """Values of a parametrized test that `make test` leaves out and `make test-all` has."""
    return pytest.param(*values, marks=pytest.mark.slow)


def _bfloat16_here():
    try:
        precision.check("bfloat16")
    except VQError:
        return False
    return True


needs_bfloat16 = pytest.mark.skipif(not _bfloat16_here(), reason="no bfloat16 on this machine")
