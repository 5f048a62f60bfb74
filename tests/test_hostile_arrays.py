"""Damaged and hostile arrays and codes: no more memory than the file has, and no pickle."""

import io
import os
import pickle
import zipfile

import numpy as np
import pytest
from hostile import damaged, write
from hypothesis import given
from hypothesis import strategies as st

from vq_estimator.data import (
    codes,
    numpy_files,
)
from vq_estimator.data.codes import Codes

pytestmark = pytest.mark.usefixtures("quiet")


def test_a_property_has_the_examples_that_its_profile_says(request):
    seen = []

    @given(st.integers())
    def check(n):
        seen.append(n)

    check()
    profile = request.config.getoption("hypothesis_profile") or "fast"
    assert len(seen) >= {"fast": 20, "full": 1000}[profile]


def npz(**arrays):
    out = io.BytesIO()
    np.savez_compressed(out, **arrays)
    return out.getvalue()


def npy(array):
    out = io.BytesIO()
    np.save(out, array, allow_pickle=array.dtype.hasobject)
    return out.getvalue()


@given(damaged(npy(np.arange(60, dtype=np.uint16).reshape(5, 3, 4))))
def test_a_damaged_array_is_no_larger_than_its_file(tmp_path_factory, content):
    path = write(tmp_path_factory.mktemp("array") / "a.npy", content)
    try:
        found = numpy_files.load_npy(path)
    except ValueError as e:
        assert str(e)
    else:
        assert found.nbytes <= len(content) and not found.dtype.hasobject
        found.sum() if found.dtype.kind in "iuf" else found.tolist()


def some_codes():
    rng = np.random.RandomState(0)
    return Codes(rng.randint(0, 300, [10, 2, 3, 2]).astype(np.int32), rng.randint(0, 10, 10).astype(np.int32))


@given(st.data())
def test_damaged_codes_are_the_same_or_none(tmp_path_factory, data):
    path, kept = str(tmp_path_factory.mktemp("codes") / "train.npz"), some_codes()
    codes.save(path, kept, {"K": 300})
    with open(path, "rb") as f:
        whole = f.read()
    if data.draw(st.booleans()):
        write(path, data.draw(damaged(whole)))
    else:  # a member is damaged, and its checksum right again
        name = data.draw(st.sampled_from(codes.NAMES)) + ".npy"
        with zipfile.ZipFile(io.BytesIO(whole)) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
            for n in old.namelist():
                new.writestr(n, data.draw(damaged(old.read(n))) if n == name else old.read(n))
    found = codes.load(path, {"K": 300}, kept.codes.shape, 300)
    assert found is None or all(np.array_equal(a, b) for a, b in zip(found, kept))


class Writes:
    """Unpickled, it writes a file."""

    def __init__(self, path):
        self._path = path

    def __reduce__(self):
        return open, (self._path, "w")


def test_no_pickle_is_ever_loaded(tmp_path):
    evil = np.array([Writes(str(tmp_path / "evil"))], object)
    pickle.loads(pickle.dumps(evil))  # it would work
    os.remove(str(tmp_path / "evil"))
    write(tmp_path / "a.npy", npy(evil))
    write(tmp_path / "a.npz", npz(codes=evil, labels=evil, origin=evil))
    write(tmp_path / "b.npy", pickle.dumps(evil))
    for name in ("a.npy", "b.npy"):
        with pytest.raises(ValueError):
            numpy_files.load_npy(str(tmp_path / name))
    with pytest.raises(ValueError, match="would be a pickle, which is not read"):
        numpy_files.load_npz(str(tmp_path / "a.npz"), ["codes"], 1000)
    assert codes.load(str(tmp_path / "a.npz"), {}, (1, 1, 1, 1), 2) is None
    assert not (tmp_path / "evil").exists()


def test_an_array_can_not_ask_for_memory(tmp_path):
    small = npy(np.zeros(1000, np.uint8))
    large = small.replace(b"(1000,)", b"(2000000000, 2000000000)").replace(b" " * 17 + b"\n", b"\n")
    with pytest.raises(ValueError, match="it has 1000 bytes for an array of 4000000000000000000"):
        numpy_files.load_npy(write(tmp_path / "a.npy", large))
    packed_array = npz(codes=np.zeros(10 << 20, np.uint8))
    path = write(tmp_path / "a.npz", packed_array)
    assert len(packed_array) < 20000
    with pytest.raises(ValueError, match="has 10485760 bytes, expected at most 1000000"):
        numpy_files.load_npz(path, ["codes"], 10**6)
    assert numpy_files.load_npz(path, ["codes"], 11 << 20)["codes"].nbytes == 10 << 20
