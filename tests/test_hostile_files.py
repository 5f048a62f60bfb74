"""Damaged and hostile data files: the right data, or one error in one line; within bounds, and within the folder."""

import contextlib
import functools
import gzip
import hashlib
import io
import json
import logging
import os
import pickle
import shutil
import struct
import tarfile
import zipfile
import zlib

import numpy as np
import pytest
import soundfile
import tensorflow.compat.v1 as tf
from conftest import no_network
from hostile import damaged, damaged_json, everything_below, fewer, refused, write
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from test_files import archive, spec_of, writer

from vq_estimator.data import (
    audio,
    catalogue,
    codes,
    decoding,
    files,
    images,
    numpy_files,
    pipeline,
    shards,
    sources,
    speech_sources,
)
from vq_estimator.data.codes import Codes
from vq_estimator.data.files import FileSpec
from vq_estimator.data.images import Wanted


@pytest.fixture(scope="module")
def forked(server):
    return server.within(os.environ)


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    monkeypatch.setattr(logging.getLogger("vq_estimator"), "disabled", True)


# Published data sets


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
    for split in pipeline.SPLITS:
        with tf.Graph().as_default(), tf.Session() as session:
            dataset = pipeline.evaluation_dataset(source, split, 24, 100)
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
    write(path, gzip.compress(content) + bytes(512))  # padding is none
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
        files.download_tar(SPECS, ["http://a"], str(folder / "data"), writer(content))
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

    monkeypatch.setattr(files, "MOST_DOWNLOAD", 1 << 20)
    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(OSError, match="sends more than 1048576 bytes"):
            files.fetch("http://127.0.0.1:%d" % server.server_port, str(tmp_path / "a"))
        server.shutdown()
    assert os.path.getsize(str(tmp_path / "a")) <= 1 << 20


# Images


def encoded(kind, **options):
    rng = np.random.RandomState(1)
    modes = {"RGB": (20, 24, 3), "RGBA": (20, 24, 4), "L": (20, 24)}
    mode = options.pop("mode", "RGB")
    image = Image.fromarray(rng.randint(0, 256, modes[mode]).astype(np.uint8), mode)
    if options.pop("palette", False):
        image = image.quantize(16)
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


PICTURES = [
    encoded("PNG"),
    encoded("PNG", mode="RGBA"),
    encoded("PNG", palette=True, transparency=3),
    encoded("JPEG"),
    encoded("JPEG", mode="L", quality=30),
    encoded("JPEG", progressive=True),
]


def with_checksums(png):
    """A damaged PNG whose chunks have the right checksums again, so that a decoder looks into them."""
    out, at = bytearray(png[:8]), 8
    while at + 12 <= len(png):
        size = min(int.from_bytes(png[at : at + 4], "big"), len(png) - at - 12)
        body = png[at + 4 : at + 8 + size]
        out += png[at : at + 4] + body + struct.pack(">I", zlib.crc32(body))
        at += 12 + size
    return bytes(out)


def decoded(paths):
    return list(decoding.decode_files([os.fsencode(str(p)) for p in paths], 16, 3))


@given(st.data())
def test_a_damaged_image_is_an_image_or_a_reason(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("images")
    paths = []
    for i, whole in enumerate(PICTURES):  # at once, since a graph is built for them
        content = data.draw(damaged(whole))
        if whole.startswith(decoding.PNG) and data.draw(st.booleans()):
            content = with_checksums(content)
        paths.append(write(folder / str(i), content))
    found = decoded([*paths, write(folder / "good", PICTURES[0])])
    assert len(found) == len(PICTURES) + 1 and not isinstance(found[-1], str)
    for got in found:
        if isinstance(got, str):
            assert got and got.isprintable() and len(got) < 200, got
        else:
            assert got.image.shape == (16, 16, 3) and got.image.dtype == np.uint8


def chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(width, height, rows=b"", more=b""):
    head = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    return decoding.PNG + chunk(b"IHDR", head) + more + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def jpeg_of_size(width, height):
    whole = bytearray(PICTURES[3])
    at = whole.index(b"\xff\xc0") + 5
    whole[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(whole)


BOMBS = {
    "huge.png": (png(30000, 30000, bytes(10 << 20)), "it has 30000 x 30000 pixels, expected at most 67,108,864"),
    "wide.png": (png(2**31 - 1, 2**31 - 1), "it has 2147483647 x 2147483647 pixels, expected at most 67,108,864"),
    "huge.jpg": (jpeg_of_size(60000, 60000), "it has more than 67,108,864 pixels"),
    "scans.jpg": (PICTURES[5] + b"\xff\xda\0\0" * 1000, "it has more than 100 scans"),
    "text.png": (png(0, 0, b"", chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(100 << 20)))), ""),
    "profile.png": (png(2, 2, bytes(18), chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(100 << 20)))), None),
    "none.png": (b"", "it is no PNG or JPEG file"),
    "animation.png": (b"GIF89a" + b"\xff" * 100, "it is no PNG or JPEG file"),
    "page.jpg": (b"<html>", "it is no PNG or JPEG file"),
}
DECODE = """
import sys
from vq_estimator.data import decoding
for got in decoding.decode_files([p.encode() for p in sys.argv[1:]], 16, 3):
    print(got if isinstance(got, str) else "an image")
"""


def test_an_image_can_not_ask_for_memory_or_time(tmp_path, forked):
    for name, (content, _) in BOMBS.items():
        write(tmp_path / name, content)
    done = forked.code(DECODE, *BOMBS, cwd=tmp_path)
    assert done.status == 0, done.stderr
    for (name, (_, want)), got in zip(BOMBS.items(), done.stdout.splitlines()):
        assert got.startswith(want) and got != "an image" if want is not None else got, (name, got)
    assert done.megabytes < 900, done.megabytes


def test_what_is_no_file_is_no_image_and_links_end(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    for i in range(60):
        write(folder / f"{i}.png", PICTURES[0])
    os.mkfifo(str(folder / "pipe.png"))
    os.symlink("/dev/zero", str(folder / "zero.png"))
    os.symlink("nowhere", str(folder / "broken.png"))
    os.symlink("round.png", str(folder / "round.png"))
    os.symlink("..", str(folder / "up"))
    os.symlink(".", str(folder / "here.png"))
    (folder / "folder.png").mkdir()
    source = images.locate(str(folder), str(tmp_path / "cache"), Wanted(16, 3))
    assert source.spec.train + source.spec.test == 60
    assert decoded([folder / "pipe.png", folder / "zero.png"]) == ["Is no regular file"] * 2


def contents(source):
    found = everything_below(os.path.dirname(source.paths[0][0]))
    return [found[os.path.basename(path)] for (path,) in source.paths]


def test_the_records_of_images_are_right_or_made_anew(tmp_path):
    folder, cache = tmp_path / "folder", str(tmp_path / "cache")
    for i, split in enumerate(("train", "train", "validation", "test")):
        (folder / split / "abc"[i % 3]).mkdir(parents=True, exist_ok=True)
        write(folder / split / "abc"[i % 3] / f"{i}.png", PICTURES[i % 2])

    def locate():
        return images.locate(str(folder), cache, Wanted(8, 3))

    source = locate()
    good, want = everything_below(os.path.dirname(source.paths[0][0])), contents(source)
    manifest = json.loads(good["images.json"].decode())

    @fewer(2)
    @given(st.data())
    def check(data):
        name = data.draw(st.sampled_from(["images.json", "images.json", "train.tfrecord", "test.tfrecord"]))
        damage = damaged_json(manifest) if name == "images.json" else damaged(good[name])
        write(os.path.join(os.path.dirname(source.paths[0][0]), name), data.draw(damage))
        bad, found = refused(locate)
        if not bad:  # what the manifest alone says may be another text, of the same kind
            assert contents(found) == want and found.spec.shape == source.spec.shape
        os.remove(os.path.join(os.path.dirname(source.paths[0][0]), "images.json"))
        assert locate() == source

    check()


def test_damaged_shards_are_the_same_or_refused(tmp_path, monkeypatch):
    spec, published = small_set("idx")
    monkeypatch.setitem(catalogue.DATASETS, "small", spec)
    for file, content in zip(spec.files, published):
        path = tmp_path / "data" / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, packed(file.path, content))
    small = sources.locate("small", str(tmp_path / "data"), str(tmp_path / "cache"), fetcher=no_network)
    folder = str(tmp_path / "shards")
    shards.write(small, 24, [folder], 3)
    good = everything_below(folder)
    manifest = json.loads(good["shards.json"].decode())
    locate = functools.partial(images.locate, folder, "/nowhere", Wanted(24, 1), "memory", None)
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


# Sounds


def sound_bytes(kind, subtype, channels=1, rate=8000, length=2000):
    x = np.random.RandomState(2).uniform(-0.5, 0.5, [length, channels])
    out = io.BytesIO()
    soundfile.write(out, x, rate, subtype, format=kind)
    return out.getvalue()


SOUNDS = [
    sound_bytes("WAV", "PCM_16"),
    sound_bytes("WAV", "PCM_24", 2, 44100),
    sound_bytes("WAV", "FLOAT"),
    sound_bytes("WAV", "ULAW"),
    sound_bytes("WAVEX", "PCM_32", 2),
    sound_bytes("FLAC", "PCM_16"),
    sound_bytes("FLAC", "PCM_24", 2, 22050),
]


def sound_or_reason(path):
    """The length of what a file holds, or why it can't be read; anything else is the test's failure."""
    try:
        x = audio.read(path, 8000)
    except ValueError as e:
        assert str(e) and str(e).isprintable() and len(str(e)) < 300, e
        return str(e)
    assert x.dtype == np.float32 and x.ndim == 1 and len(x) and np.abs(x).max() <= 1
    assert 1 <= len(audio.mu_law(audio.trim(x, 8000))) <= len(x)
    return len(x)


@given(st.data())
def test_a_damaged_sound_is_a_sound_or_a_reason(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("sounds")
    for i, whole in enumerate(SOUNDS):
        content = data.draw(damaged(whole))
        if data.draw(st.booleans()):  # in the header
            content = data.draw(damaged(whole[:64])) + whole[64:]
        found = sound_or_reason(write(folder / str(i), content))
        # At 1,000 samples a second, the lowest rate, they are eight times as many, and some 8-bit ones four times.
        assert isinstance(found, str) or found <= 40 * len(content)


@pytest.mark.parametrize("whole", SOUNDS, ids=range(len(SOUNDS)))  # a float WAV holds the time it was written at
def test_a_sound_that_was_cut_off_is_refused(tmp_path, whole):
    assert isinstance(sound_or_reason(write(tmp_path / "a", whole)), int)
    for cut in [*range(0, 100, 7), *range(100, len(whole) - 1, len(whole) // 10), len(whole) - 1]:
        assert isinstance(sound_or_reason(write(tmp_path / "a", whole[:cut])), str), cut


def wav_header(channels=1, rate=8000, bits=16, size=100, kind=1):
    frame = channels * bits // 8 & 0xFFFF
    form = struct.pack("<HHIIHH", kind, channels, rate, rate * frame & 0xFFFFFFFF, frame, bits)
    return b"RIFF\xff\xff\xff\x7fWAVEfmt \x10\0\0\0" + form + b"data" + struct.pack("<I", size)


NOISES = {
    "channels": wav_header(65535, size=1 << 20) + bytes(1 << 20),
    "none": wav_header(0) + bytes(100),
    "fast": wav_header(rate=2**32 - 1) + bytes(100),
    "still": wav_header(rate=0) + bytes(100),
    "wide": wav_header(bits=65535) + bytes(100),
    "claims": wav_header(size=0x7FFE0000) + bytes(100),
    "unknown": wav_header(kind=0x1234) + bytes(100),
    "chunks": b"RIFF\0\0\0\0WAVE" + bytes(8 << 20),
    "slow": wav_header(rate=1000, bits=8, size=16 << 20) + bytes(16 << 20),  # 4.7 hours
}
READ = """
import sys
from vq_estimator.data import audio
for path in sys.argv[1:]:
    try:
        print(len(audio.read(path, 768000)))
    except ValueError as e:
        print("refused:", e)
"""


def test_a_sound_can_not_ask_for_memory_or_time(tmp_path, forked):
    for name, content in NOISES.items():
        write(tmp_path / name, content)
    hours = tmp_path / "hours.flac"  # of silence: small
    with soundfile.SoundFile(str(hours), "w", 1000, 8, "PCM_16", format="FLAC") as f:
        for _ in range(4):
            f.write(np.zeros([10**6, 8], np.int16))
    done = forked.code(READ, *NOISES, "hours.flac", cwd=tmp_path)
    assert done.status == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == len(NOISES) + 1 and all(line.startswith("refused: it") for line in lines), lines
    assert done.megabytes < 900, done.megabytes


def test_what_is_no_file_is_no_sound(tmp_path):
    folder = tmp_path / "folder"
    for split in pipeline.SPLITS:
        (folder / split).mkdir(parents=True)
        write(folder / split / "a.wav", SOUNDS[0])
    os.mkfifo(str(folder / "train" / "pipe.wav"))
    os.symlink("/dev/zero", str(folder / "train" / "zero.wav"))
    os.symlink("..", str(folder / "train" / "up"))
    with pytest.raises(OSError, match="no regular file"):
        audio.read(str(folder / "train" / "pipe.wav"), 8000)
    source = speech_sources.locate("wav", str(folder), str(tmp_path / "cache"), 8000, max_bad_files=0)
    assert [source.splits[split].names for split in pipeline.SPLITS] == [(s + "/a.wav",) for s in pipeline.SPLITS]


def test_a_damaged_cache_of_recordings_is_made_anew(tmp_path):
    for i in range(9):
        path = tmp_path / "data" / pipeline.SPLITS[i % 3] / f"voice{i % 2}" / f"{i}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, sound_bytes("WAV", "PCM_16", length=300 + i))

    def locate():
        return speech_sources.locate("wav", str(tmp_path / "data"), str(tmp_path / "cache"), 8000)

    def contents(source):
        return [[a.tobytes() for a in source.splits[s][:4]] + [source.splits[s].names] for s in pipeline.SPLITS]

    first = locate()
    want = contents(first)
    (made,) = (tmp_path / "cache" / "speech").iterdir()
    good = {path.name: path.read_bytes() for path in made.iterdir()}
    manifest = json.loads(good["speech.json"].decode("utf-8"))

    @given(st.data())
    def check(data):
        name = data.draw(st.sampled_from(["speech.json", "speech.json", *sorted(good)]))
        damage = damaged_json(manifest) if name == "speech.json" else damaged(good[name])
        content = data.draw(damage)
        os.remove(str(made / name))  # a source may have it open
        write(made / name, content)
        found = locate()
        assert found[:4] == first[:4] and contents(found) == want

    check()


# Arrays


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
