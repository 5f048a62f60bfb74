"""Damaged and hostile codec files: the same pixels, or an error in one line; intact chunks can be saved."""

import json
import os
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.codec_runs import images, write_run
from helpers.hostile import damaged, damaged_json, refused, write
from helpers.vqz_files import altered, check_lying_headers, decompressed, packed, parts
from vq_estimator.errors import VQError
from vq_estimator.inference import codec
from vq_estimator.inference.codec import container as container_lib
from vq_estimator.inference.codec import decompression
from vq_estimator.inference.codec import images as images_lib
from vq_estimator.inference.codec.container import MAGIC

pytestmark = pytest.mark.once

LOCAL = dict(decoder="local", decoder_layers=1, decoder_channels=4, decoder_condition_channels=4)
AUTOREGRESSIVE = dict(decoder="autoregressive", decoder_layers=1, decoder_channels=4, decoder_condition_channels=4)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run whose weights are read once: a file is opened thousands of times here."""
    return codec.open_run(write_run(tmp_path_factory.mktemp("run") / "run", classes=2))


@pytest.fixture(scope="module")
def pixels():
    return images(11, 8, 1)


@pytest.fixture(scope="module")
def whole(run, pixels, tmp_path_factory):
    """The bytes of a file of five chunks."""
    path = str(tmp_path_factory.mktemp("whole") / "x.vqz")
    codec.compress(run, pixels, path, batch=3)
    with open(path, "rb") as f:
        return f.read()


@pytest.fixture(scope="module")
def named(run, tmp_path_factory):
    """The bytes of a file of two images with names."""
    folder = tmp_path_factory.mktemp("named")
    from PIL import Image

    for name, shape in (("a.png", (5, 9)), ("b.png", (8, 8))):
        Image.fromarray(np.arange(shape[0] * shape[1], dtype=np.uint8).reshape(shape)).save(str(folder / name))
    codec.compress(run, images_lib.of_folder(str(folder), 1), str(folder / "x.vqz"))
    return (folder / "x.vqz").read_bytes()


def test_the_layout_is_as_it_is_described(whole, run):
    version, header, index, entries, rest = parts(whole)
    assert version == 1 and index == b"" and len(entries) == 4
    assert header["images"] == 11 and header["size"] == [8, 8] and header["batch"] == 3 and header["prior"] == "learned"
    assert sum(e[0] for e in entries) == len(rest)


def check_altered(whole, run, pixels, path, count):
    @altered(count)
    @given(damaged(whole))
    def check(content):
        bad, found = refused(decompressed, run, write(path, content))
        if not bad:  # a change that changes nothing, such as a byte set to what it was
            assert content == whole
            np.testing.assert_array_equal(np.stack(found), pixels)

    check()


def test_300_altered_files_are_refused(whole, run, pixels, tmp_path):
    check_altered(whole, run, pixels, str(tmp_path / "x.vqz"), 300)


@pytest.mark.slow
def test_10000_altered_files_are_refused(whole, run, pixels, tmp_path):
    check_altered(whole, run, pixels, str(tmp_path / "x.vqz"), 10000)


def check_altered_files_of(decoder, pixels, folder, count):
    settings = dict(decoder, likelihood="logistic_mixture", objective="elbo", codebook="ema", L=2)
    other, path = codec.open_run(write_run(folder / "run", classes=2, **settings)), str(folder / "x.vqz")
    codec.compress(other, pixels, path, batch=3)
    with open(path, "rb") as f:
        content = f.read()
    assert parts(content)[0] == (2 if decoder is LOCAL else 1)
    check_altered(content, other, pixels, path, count)


@pytest.mark.slow
@pytest.mark.parametrize("decoder", [AUTOREGRESSIVE, LOCAL], ids=["autoregressive", "local"])
def test_1000_altered_files_of_a_stochastic_decoder_are_refused(decoder, pixels, tmp_path):
    check_altered_files_of(decoder, pixels, tmp_path, 1000)


def test_60_altered_files_of_version_2_are_refused(pixels, tmp_path):
    check_altered_files_of(LOCAL, pixels, tmp_path, 60)


def test_a_header_that_lies_is_refused_or_harmless(whole, run, tmp_path):
    check_lying_headers(whole, run, str(tmp_path / "x.vqz"), 40)


@pytest.mark.slow
def test_many_headers_that_lie(whole, run, tmp_path):
    check_lying_headers(whole, run, str(tmp_path / "x.vqz"), 2000)


def test_chunks_that_lie_give_no_other_pixels(whole, run, pixels, tmp_path):
    version, header, index, entries, rest = parts(whole)
    starts = np.cumsum([0] + [e[0] for e in entries])
    path = str(tmp_path / "x.vqz")

    @altered(8)
    @given(st.integers(0, 3), st.data())
    def check(number, data):
        old = rest[starts[number] : starts[number + 1]]
        new = data.draw(damaged(old))
        changed = [list(e) for e in entries]
        changed[number][:2] = len(new), zlib.crc32(new)
        content = packed(version, header, index, changed, rest.replace(old, new, 1))
        bad, found = refused(decompressed, run, write(path, content))
        if not bad:  # bits after the last symbol
            np.testing.assert_array_equal(np.stack(found), pixels)

    check()


@given(st.data())
def test_an_index_that_lies_writes_nothing_outside(named, run, tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("index")
    version, header, index, entries, rest = parts(named)
    name = data.draw(st.sampled_from(["../out.png", "/etc/x.png", "a/../../b.png", "b.png", "\0.png", "", "x" * 9999]))
    items = json.loads(zlib.decompress(index))
    if data.draw(st.booleans()):
        items[0][0] = name
        new = zlib.compress(json.dumps(items).encode())
    else:
        new = zlib.compress(data.draw(damaged_json(items)))
    if data.draw(st.booleans()):
        new = data.draw(damaged(new))
    path = write(folder / "x.vqz", packed(version, header, new, entries, rest))
    out = str(folder / "inside" / "out")
    os.mkdir(str(folder / "inside"))
    refused(codec.decompress, run, path, out)
    assert sorted(os.listdir(str(folder))) == ["inside", "x.vqz"] and set(os.listdir(str(folder / "inside"))) <= {"out"}
    below = {os.path.join(w, n) for w, _, names in os.walk(out) for n in names}
    assert all(p.endswith(".png") for p in below)


def test_each_way_to_be_wrong_has_its_words(whole, run, tmp_path):
    path = str(tmp_path / "x.vqz")
    version, header, index, entries, rest = parts(whole)
    for content, message in (
        (b"", "is not a .vqz file .wrong magic bytes."),
        (b"PK" + whole[2:], "is not a .vqz file .wrong magic bytes."),
        (whole[:20], "ends within its header"),
        (whole[:200], "ends within its header"),
        (whole[:-5], r"got [\d,]+ bytes, expected [\d,]+ according to its header"),
        (whole + b"x", r"got [\d,]+ bytes, expected [\d,]+ according to its header"),
        (whole[:-1] + bytes([whole[-1] ^ 1]), r"chunk 3 of 4 is damaged \(wrong checksum\)"),
        (whole[:40] + bytes([whole[40] ^ 1]) + whole[41:], r"its header is damaged \(wrong checksum\)"),
        (packed(4, header, index, entries, rest), "got format version 4, expected 1, 2, 3; another vq_estimator"),
        (packed(3, header, index, entries, rest), "got a header of format version 1 in a file of version 3"),
        (packed(2, header, index, entries, rest), "got a header of format version 1 in a file of version 2"),
        (packed(version, dict(header, batch=10), index, entries, rest), "got 4 chunks, expected 2"),
        (packed(version, dict(header, batch=100000), index, entries, rest), "its header has an invalid batch"),
        (
            packed(version, dict(header, images=10**9), index, entries, rest),
            "its header has an invalid number of images",
        ),
        (packed(version, dict(header, K=3), index, entries, rest), "its header has an invalid set of fields"),
        (
            packed(version, dict(header, scale=None), index, entries, rest),
            "got scale None for likelihood mse, expected one for lossless files and mse only",
        ),
        (
            packed(version, dict(header, decoder="x"), index, entries, rest),
            "got decoder x, expected factorised as in the run",
        ),
        (packed(version, dict(header, size=None), b"", entries, rest), "its index is damaged"),
        (packed(version, b"[" * 60000, index, entries, rest), "can't be read .nested too deeply."),
        (packed(version, b"{}", b"x" * 10, entries, rest), "its header has an invalid set of fields"),
    ):
        with pytest.raises(VQError, match=message):
            codec.decompress(run, write(path, content))
    with pytest.raises(VQError, match="can't be read .No such file"):
        codec.decompress(run, str(tmp_path / "none.vqz"))
    start = MAGIC + struct.pack("<HIIII", 1, 2**31, 5, 5, 0)
    with pytest.raises(VQError, match=r"is damaged: got a header and an index of [\d,]+ and 5 bytes"):
        codec.decompress(run, write(path, start))


def test_a_checksum_of_tables_or_pixels_that_is_wrong(whole, run, tmp_path):
    version, header, index, entries, rest = parts(whole)
    for field, message in (
        (2, "chunk 1 of 4 was encoded with probabilities that differ"),
        (3, "chunk 1 of 4 has other pixels"),
    ):
        changed = [list(e) for e in entries]
        changed[1][field] ^= 1
        path = write(tmp_path / "x.vqz", packed(version, header, index, changed, rest))
        with pytest.raises(VQError, match=message):
            codec.decompress(run, path)
        assert codec.decompress(run, path, keep_going=True).lost == [3, 4, 5]


def test_the_rest_of_a_damaged_file_is_saved(whole, run, pixels, named, tmp_path):
    path, size = str(tmp_path / "x.vqz"), sum(e[0] for e in parts(whole)[3][2:])
    content = bytearray(whole)
    content[-size - 1] ^= 4  # in chunk 1
    write(path, bytes(content[:-3]))  # and the last one is cut off
    with pytest.raises(VQError, match="got .* bytes, expected"):
        codec.decompress(run, path)
    out = str(tmp_path / "out.npy")
    found = codec.decompress(run, path, out, keep_going=True)
    assert found.lost == [3, 4, 5, 9, 10] and found.number == 11 and codec.ranges(found.lost) == "3 to 5, 9 to 10"
    want = pixels.copy()
    want[found.lost] = 0
    np.testing.assert_array_equal(np.load(out), want)
    codec.decompress(run, path, str(tmp_path / "folder"), keep_going=True)
    there = sorted(os.listdir(str(tmp_path / "folder")))
    assert there == [f"{i:06d}.png" for i in range(11) if i not in found.lost]
    # Where nothing is left the error stays, and nothing is written.
    alone = bytearray(named)
    alone[-1] ^= 1
    with pytest.raises(VQError, match="chunk 0 of 1 is damaged"):
        codec.decompress(run, write(path, bytes(alone)), str(tmp_path / "none"), keep_going=True)
    assert sorted(os.listdir(str(tmp_path))) == ["folder", "out.npy", "x.vqz"]


def test_a_damaged_chunk_is_known_before_any_work(whole, run, tmp_path, monkeypatch):
    def never(*given):
        raise AssertionError("the model was opened")

    monkeypatch.setattr(decompression, "Network", never)
    content = bytearray(whole)
    content[-1] ^= 1
    with pytest.raises(VQError, match="chunk 3 of 4 is damaged"):
        codec.decompress(run, write(tmp_path / "x.vqz", bytes(content)))


def test_a_small_file_can_not_ask_for_much(whole):
    header = parts(whole)[1]
    bomb = zlib.compress(b"[" + b'["",1,1],' * (1 << 20) + b'["",1,1]]')
    with pytest.raises(ValueError, match="its index is damaged"):
        container_lib._items(bomb, container_lib.Header(**dict(header, size=None)))
