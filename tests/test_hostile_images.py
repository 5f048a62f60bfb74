"""Damaged and hostile image files and their records: an image, or a reason in one line, within bounds."""

import io
import json
import os
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from helpers.hostile import damaged, damaged_json, everything_below, fewer, refused, write
from vq_estimator.data import formats, images
from vq_estimator.data.image_decoding import decode_files
from vq_estimator.data.images import Wanted
from vq_estimator.data.model_view import View

PNG = b"\x89PNG\r\n\x1a\n"
pytestmark = pytest.mark.usefixtures("quiet")


def encoded(kind, **options):
    rng = np.random.RandomState(1)
    shapes = {"RGBA": (20, 24, 4), "L": (20, 24)}
    mode = options.pop("mode", "RGB")
    image = Image.fromarray(rng.randint(0, 256, shapes.get(mode, (20, 24, 3))).astype(np.uint8))
    if mode == "I;16":
        image = Image.fromarray(rng.randint(0, 65536, (20, 24)).astype(np.uint16))
    elif mode not in shapes:
        image = image.convert(mode)
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
    encoded("WEBP"),
    encoded("WEBP", mode="RGBA", lossless=True),
    encoded("TIFF"),
    encoded("TIFF", mode="I;16", compression="tiff_lzw"),
    encoded("TIFF", compression="jpeg"),
    encoded("TIFF", mode="1", compression="group4"),
    encoded("BMP"),
    encoded("BMP", palette=True),
    encoded("PPM"),
    b"P2\n# grey\n3 2\n4095\n1 2 3 4 5 4095\n",
    b"P5 4 4 4095\n" + bytes(range(32)),
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
    return list(decode_files([os.fsencode(str(p)) for p in paths], View((16, 16), 3)))


@given(st.data())
def test_a_damaged_image_is_an_image_or_a_reason(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("images")
    paths = []
    for i, whole in enumerate(PICTURES):  # at once, since a graph is built for them
        content = data.draw(damaged(whole))
        if whole.startswith(PNG) and data.draw(st.booleans()):
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
    return PNG + chunk(b"IHDR", head) + more + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def tiff(width, height, *more):
    """A grey TIFF of one strip, or of `more` entries, each a tag and its value: a few bytes that unpack to 100 MB."""
    packed = zlib.compress(bytes(100 << 20))
    entries = [(256, width), (257, height), (258, 8), (259, 8), (262, 1), (277, 1)]
    entries = sorted([*entries, *(more or ((273, 0), (278, height), (279, len(packed))))])
    start = 8 + 2 + 12 * len(entries) + 4
    lines = [struct.pack("<HHII", tag, 4, 1, start if tag in (273, 324) else value) for tag, value in entries]
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + b"".join(lines) + bytes(4) + packed


def webp(width, height):
    sizes = bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF\x40\0\0\0WEBPVP8X\x0a\0\0\0" + sizes + bytes(40)


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
    "huge.tif": (tiff(60000, 60000), "it has more than 67,108,864 pixels"),
    "wide.tif": (tiff(2**31 - 1, 2**31 - 1), "it has more than 67,108,864 pixels"),
    "strip.tif": (tiff(10, 10, (273, 0), (278, 2**32 - 1), (279, 2**32 - 1)), None),
    "tile.tif": (tiff(10, 10, (322, 2**31 - 16), (323, 2**16), (324, 0), (325, 1000)), "it can't be decoded"),
    "pages.tif": (b"II*\0\x08\0\0\0" + (b"\0\0" + struct.pack("<I", 14)) + b"\0\0\x08\0\0\0" * 10**6, "it "),
    "huge.webp": (webp(16384, 16384), "it has 16384 x 16384 pixels, expected at most 67,108,864"),
    "wide.webp": (webp(1 << 24, 1 << 24), "it has 16777216 x 16777216 pixels, expected at most 67,108,864"),
    "huge.bmp": (
        b"BM" + bytes(12) + struct.pack("<IIIHHI", 40, 60000, 60000, 1, 24, 0) + bytes(24),
        "it has more than",
    ),
    "packed.bmp": (b"BM" + bytes(12) + struct.pack("<IIIHHI", 40, 8000, 8000, 1, 8, 1) + bytes(24 + 1024), "it "),
    "huge.pgm": (b"P5 99999 99999 255\n", "it has 99999 x 99999 pixels, expected at most 67,108,864"),
    "number.pgm": (b"P5 1" + b"0" * 10**6 + b" 1 255\n", "its header can't be read"),
    "comment.pgm": (b"P5 " + b"#\n#" * 10**6, "its header can't be read"),
    "flat.pgm": (b"P2 0 0 255\n", "its header says 0 x 0 pixels"),
    "none.png": (b"", f"it is no {formats.IMAGES.names()} file"),
    "animation.png": (b"GIF89a" + b"\xff" * 100, f"it is no {formats.IMAGES.names()} file"),
    "page.jpg": (b"<html>", f"it is no {formats.IMAGES.names()} file"),
}
DECODE = """
import sys
from vq_estimator.data.image_decoding import decode_files
from vq_estimator.data.model_view import View
for got in decode_files([p.encode() for p in sys.argv[1:]], View((16, 16), 3)):
    print(got if isinstance(got, str) else "an image")
"""


def test_an_image_can_not_ask_for_memory_or_time(tmp_path, forked):
    for name, (content, _) in BOMBS.items():
        write(tmp_path / name, content)
    done = forked.code(DECODE, *BOMBS, cwd=tmp_path)
    assert done.status == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(BOMBS)
    for (name, (_, want)), got in zip(BOMBS.items(), done.stdout.splitlines()):
        assert got.startswith(want) and got != "an image" if want is not None else got, (name, got)
    assert "libtiff" not in done.stderr and "TIFF" not in done.stderr
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
    source = images.locate(str(folder), str(tmp_path / "cache"), Wanted((16, 16, 3)))
    assert source.spec.train + source.spec.test == 60
    assert decoded([folder / "pipe.png", folder / "zero.png"]) == ["Is no regular file"] * 2


def contents(source):
    found = everything_below(os.path.dirname(source.paths[0][0]))
    return [found[os.path.basename(path)] for (path,) in source.paths]


@pytest.mark.once
def test_the_records_of_images_are_right_or_made_anew(tmp_path):
    folder, cache = tmp_path / "folder", str(tmp_path / "cache")
    for i, split in enumerate(("train", "train", "validation", "test")):
        (folder / split / "abc"[i % 3]).mkdir(parents=True, exist_ok=True)
        write(folder / split / "abc"[i % 3] / f"{i}.png", PICTURES[i % 2])

    def locate():
        return images.locate(str(folder), cache, Wanted((8, 8, 3)))

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
