"""Damaged and hostile data sets, archives and shards: the requested data, or an error in one line."""

import contextlib
import functools
import gzip
import hashlib
import json
import os
import shutil
import struct
import tarfile

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from hypothesis import given
from hypothesis import strategies as st

from helpers.hostile import damaged, damaged_json, everything_below, fewer, refused, write
from helpers.sources import archive, no_network, spec_of, writer
from vq_estimator.config import SPLITS, catalogue
from vq_estimator.data import (
    downloads,
    files,
    images,
    pipeline,
    shards,
    sources,
)
from vq_estimator.data.files import FileSpec
from vq_estimator.data.images import Wanted

pytestmark = pytest.mark.usefixtures("quiet")


def small_set(layout):
    """A data set of few images in a published layout: its specification and the content of its files."""
    rng = np.random.RandomState(0)
    if layout == "idx":
        train, test = 6, 2
        contents = []
        for n in (train, test):
            contents.append(struct.pack(">4i", 2051, n, 28, 28) + rng.bytes(784 * n))
            contents.append(struct.pack(">2i", 2049, n) + bytes(rng.randint(0, 10, n).tolist()))
        base, names = catalogue.MNIST, ("images", "labels", "test-images", "test-labels")
        paths = ["small/%s.gz" % name for name in names]
    else:
        train, test = 4, 2
        contents = [
            b"".join(bytes([k % 10]) + rng.bytes(3072) for k in range(n)) for n in (train // 2, train // 2, test)
        ]
        base, paths = catalogue.CIFAR10, ["small/bin/%d.bin" % i for i in range(3)]
    specs = tuple(FileSpec(p, len(c), hashlib.sha256(c).hexdigest()) for p, c in zip(paths, contents))
    spec = base._replace(name="small", files=specs, train=train, test=test, validation=2, mirrors=("http://a/",))
    return spec, contents


def packed(path, content):
    return gzip.compress(content) if path.endswith(".gz") else content


def everything_of(source):
    found = []
    for split in SPLITS:
        with tf.Graph().as_default(), tf.Session() as session:
            dataset = pipeline.evaluation_dataset(source, split, (24, 24), 100)
            batch = session.run(tf.data.make_one_shot_iterator(dataset).get_next())
            found += [batch[key].tobytes() for key in ("image", "label")]
    return found


@pytest.mark.parametrize("layout", ["idx", "cifar"])
def test_a_damaged_data_set_is_whole_or_refused(layout, tmp_path, monkeypatch):
    spec, contents = small_set(layout)
    monkeypatch.setitem(catalogue.DATASETS, "small", spec)
    good = [packed(f.path, c) for f, c in zip(spec.files, contents)]

    def put(which, content):
        for i, (file, whole) in enumerate(zip(spec.files, good)):
            path = tmp_path / "data" / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            write(path, content if i == which else whole)

    def locate():
        return sources.locate("small", str(tmp_path / "data"), str(tmp_path / "cache"), fetcher=no_network)

    put(None, b"")
    want = everything_of(locate())

    @given(st.data())
    def check(data):
        which = data.draw(st.integers(0, len(good) - 1))
        content = data.draw(damaged(good[which]))
        shutil.rmtree(str(tmp_path / "cache"))  # which knows a file by its time of change
        put(which, content)
        bad, source = refused(locate)
        assert bad or everything_of(source) == want
        put(None, b"")
        locate()

    check()


def test_a_gzip_file_of_two_parts_is_refused(tmp_path):
    """TensorFlow 1.15 would read the first part alone."""
    content = bytes(range(200))
    path = write(tmp_path / "a.gz", gzip.compress(content[:100]) + gzip.compress(content[100:]))
    assert "more than one gzip stream" in files.content_error(path, spec_of(content, "a.gz"))
    write(path, gzip.compress(content) + bytes(512))  # padding is not a second member
    assert files.content_error(path, spec_of(content, "a.gz")) == ""


@given(damaged_json({"/a/b": [1, 2, "0" * 64]}))
def test_a_damaged_cache_of_checksums_does_not_matter(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("checksums")
    write(folder / "checksums.json", content)
    path = write(folder / "a.bin", b"good")
    assert files.ChecksumCache(str(folder)).error(path, spec_of(b"good")) == ""


# Archives

SPECS = [spec_of(b"one" * 300, "cifar10/batches/a.bin"), spec_of(b"two", "cifar10/batches/b.bin")]
MEMBERS = [("batches/readme", b"x"), ("batches/a.bin", b"one" * 300), ("batches/b.bin", b"two")]


def download(folder, content):
    """Whether the archive was refused; nothing but the files that are asked for may be there afterwards."""
    try:
        downloads.download_tar(SPECS, ["http://a"], str(folder / "data"), writer(content))
        bad = False
    except OSError as e:
        bad = True
        assert str(e).startswith("http://a")
    names = ["data/cifar10/batches/a.bin", "data/cifar10/batches/b.bin"]
    found = everything_below(folder)
    if not bad:
        assert found == dict(zip(names, (b"one" * 300, b"two")))
    assert set(found) <= set(names)
    return bad


@given(st.data())
def test_a_damaged_archive_gives_its_files_or_nothing(tmp_path_factory, data):
    whole = archive(MEMBERS)
    if data.draw(st.booleans()):
        content = data.draw(damaged(whole))
    else:
        content = gzip.compress(data.draw(damaged(gzip.decompress(whole))))
    download(tmp_path_factory.mktemp("archive"), content)


def member(name, kind=tarfile.REGTYPE, target="", size=0):
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, size, target
    return info


def header(info):
    return info.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize(
    "content",
    [
        archive([("../evil", b"x"), ("/evil", b"x"), ("batches/../../evil", b"x"), ("batches/b.bin/../../e", b"x")]),
        archive([(member("batches/a.bin", kind, "/etc/passwd"), b"") for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE)]),
        archive([(member("batches/a.bin", kind), b"") for kind in (tarfile.CHRTYPE, tarfile.FIFOTYPE)]),
        gzip.compress(header(member("x", tarfile.XHDTYPE, size=8 << 30)) + bytes(1000)),  # tarfile has it in memory
        gzip.compress(header(member("x", tarfile.GNUTYPE_LONGNAME, size=2**80)) + bytes(1000)),
        gzip.compress(header(member("x", size=-512)) * 3),  # and goes round in this
        gzip.compress(header(member("x", size=79 << 20)) + bytes(80 << 20)),
        gzip.compress(b"no tar" * 1000),
        b"\x1f\x8b\x08",
    ],
    ids=["names", "links", "devices", "pax header", "huge number", "negative size", "bomb", "no tar", "no gzip"],
)
def test_a_hostile_archive_is_refused(tmp_path, content):
    assert download(tmp_path, content)


def test_an_endless_download_is_broken_off(tmp_path, monkeypatch):
    import http.server
    import threading

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            try:
                while True:
                    self.wfile.write(bytes(1 << 16))
            except OSError:
                pass

        def log_message(self, *args):
            pass

    monkeypatch.setattr(downloads, "MAX_DOWNLOAD", 1 << 20)
    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(OSError, match="sends more than 1048576 bytes"):
            downloads.fetch("http://127.0.0.1:%d" % server.server_port, str(tmp_path / "a"))
        server.shutdown()
    assert os.path.getsize(str(tmp_path / "a")) <= 1 << 20


def test_damaged_shards_are_the_same_or_refused(tmp_path, monkeypatch):
    spec, published = small_set("idx")
    monkeypatch.setitem(catalogue.DATASETS, "small", spec)
    for file, content in zip(spec.files, published):
        path = tmp_path / "data" / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, packed(file.path, content))
    small = sources.locate("small", str(tmp_path / "data"), str(tmp_path / "cache"), fetcher=no_network)
    folder = str(tmp_path / "shards")
    shards.write(small, (24, 24), [folder], 3)
    good = everything_below(folder)
    manifest = json.loads(good["shards.json"].decode())
    locate = functools.partial(images.locate, folder, "/nowhere", Wanted((24, 24, 1)), "memory", None)
    want = everything_of(locate())

    @fewer(2)
    @given(st.data())
    def check(data):
        name = data.draw(st.sampled_from(["shards.json", *sorted(good)]))
        damage = damaged_json(manifest) if name == "shards.json" else damaged(good[name])
        write(os.path.join(folder, name), data.draw(damage))
        bad, source = refused(locate)
        if not bad:
            with contextlib.suppress(tf.errors.DataLossError):  # of a record's checksum; one line of a command's
                assert everything_of(source) == want
        write(os.path.join(folder, name), good[name])

    check()
