"""Damaged and hostile arrays and codes: no more memory than the file has bytes, and no pickle."""

import io
import os
import pickle
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.arrays import Writes, npy, npz
from helpers.hostile import damaged, write
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


def npy_of(header, content=b"", version=1):
    """A file with a header of some text."""
    text = header.encode("utf-8")
    width = 2 if version == 1 else 4
    return b"\x93NUMPY" + bytes([version, 0]) + len(text).to_bytes(width, "little") + text + content


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '|u1', 'fortran_order': False, 'shape': (6L,), }",  # Python 2
        "{'shape': (6,), 'fortran_order': False, 'descr': '|u1'}",
        '{"descr": "|u1", "fortran_order": False, "shape": (6,)}',
        "{ 'descr' : 'u1' , 'fortran_order' : False , 'shape' : ( 6 , ) }\n",
        "{'descr': '<u1', 'fortran_order': True, 'shape': (2, 3)}",
        "{'descr': 'B',\t'fortran_order': False,\n 'shape': (0x6,)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (6L, 1L), }   \n",
    ],
)
@pytest.mark.parametrize("version", [1, 2, 3])
def test_every_header_that_numpy_reads_is_read(tmp_path, header, version, recwarn):
    if version == 3 and "L" in header:
        header = header.replace("L", "")  # NumPy reads those of Python 2 in files of its time alone
    content = bytes(range(6))
    path = write(tmp_path / "a.npy", npy_of(header, content, version))
    found = numpy_files.load_npy(path)
    assert not recwarn.list
    np.testing.assert_array_equal(found, np.load(path))
    with zipfile.ZipFile(str(tmp_path / "a.npz"), "w") as archive:
        archive.write(path, "codes.npy")
    np.testing.assert_array_equal(numpy_files.load_npz(str(tmp_path / "a.npz"), ["codes"], 100)["codes"], found)


@pytest.mark.parametrize("dtype", ["<i2", ">i2", ">u4", "<f2", ">f8", "|b1", "<U5", ">U5", "|i1", "<u8"])
@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_plain_arrays_of_any_byte_order_memory_order_and_version(tmp_path, dtype, version):
    array = np.arange(24).reshape(2, 3, 4).astype(dtype)
    for number, one in enumerate([array, np.asfortranarray(array), array[:0], array[0, 0, 0]]):
        path = str(tmp_path / f"{number}.npy")
        with open(path, "wb") as f:
            np.lib.format.write_array(f, np.asanyarray(one), version)
        found = numpy_files.load_npy(path)
        np.testing.assert_array_equal(found, one)
        assert found.dtype == one.dtype and found.shape == one.shape


@pytest.mark.parametrize(
    "header",
    [
        *("(" * 3000, "-" * 3000 + "1", "[" * 90 + "]" * 90, "1+" * 1500 + "1", "9" * 4400, "~" * 4000 + "0"),
        *("", "None", "'" * 3, "{'descr'", "\\\n \\", "{", "}", "\x0c  x", "a:\n  b\n c", "{**{}}", "x()", "\u00e9"),
        "{'descr': '|u1', 'fortran_order': False, 'shape': (-1,)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (6.0,)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': 6}",
        "{'descr': '|u1', 'fortran_order': 0, 'shape': (6,)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (6,), 'more': 1}",
        "{'descr': '|u1', 'fortran_order': False}",
        "{'descr': '|O', 'fortran_order': False, 'shape': (6,)}",
        "{'descr': '|V1', 'fortran_order': False, 'shape': (6,)}",
        "{'descr': '|S1', 'fortran_order': False, 'shape': (6,)}",
        "{'descr': '<M8[s]', 'fortran_order': False, 'shape': (6,)}",
        "{'descr': '<c8', 'fortran_order': False, 'shape': (6,)}",
        "{'descr': '<f16', 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '(2,3)u1', 'fortran_order': False, 'shape': (1,)}",
        "{'descr': ('|u1', (6,)), 'fortran_order': False, 'shape': (1,)}",
        "{'descr': [('a', '|u1'), ('b', '|O')], 'fortran_order': False, 'shape': (1,)}",
        "{'descr': [], 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '<U0', 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '', 'fortran_order': False, 'shape': (1,)}",
        "{'descr': None, 'fortran_order': False, 'shape': (1,)}",
        "{'descr': 'datetime', 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '<U99999999999', 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1)}",
    ],
)
@pytest.mark.parametrize("version", [1, 2, 3])
def test_hostile_headers_are_one_line(tmp_path, header, version, recwarn, capfd):
    path = write(tmp_path / "a.npy", npy_of(header, bytes(64), version))
    with pytest.raises(ValueError) as e:
        numpy_files.load_npy(path)
    assert str(e.value).isprintable() and len(str(e.value)) < 200
    assert not recwarn.list and capfd.readouterr() == ("", "")


def test_the_length_of_a_header_asks_for_no_memory(tmp_path):
    for length in (2**32 - 1, 10001):
        content = b"\x93NUMPY\2\0" + length.to_bytes(4, "little") + b" " * 20000
        with pytest.raises(ValueError, match="its header of"):
            numpy_files.load_npy(write(tmp_path / "a.npy", content))
