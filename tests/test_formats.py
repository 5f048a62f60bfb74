"""Every format of image and sound files, by every way in which files are read: against what was written."""

import dataclasses
import io
import logging
import os

import numpy as np
import pytest
from PIL import Image

from helpers.sounds import save, tone
from vq_estimator.config import DataConfig, as_resumed, make_config
from vq_estimator.config.data import RULES
from vq_estimator.data import folder as folder_lib
from vq_estimator.data import formats, image_files, images, lossless_images, speech_sources
from vq_estimator.data.image_decoding import decode_files
from vq_estimator.data.images import Wanted
from vq_estimator.data.model_view import View, Viewer
from vq_estimator.errors import VQError
from vq_estimator.inference import preparation
from vq_estimator.inference.codec import images as codec_images

COLOUR = np.random.RandomState(0).randint(0, 256, (16, 16, 3)).astype(np.uint8)
SMOOTH = np.asarray(Image.fromarray(COLOUR[:4, :4]).resize((16, 16), Image.BICUBIC))
GREY, DEEP = COLOUR[..., 0], (COLOUR[..., 0].astype(np.uint16) << 8) + COLOUR[..., 1]


# name: (what is written, how)
LOSSLESS = {
    "a.png": (COLOUR, {}),
    "a.webp": (COLOUR, {"lossless": True}),
    "a.TIF": (COLOUR, {}),
    "lzw.tiff": (COLOUR, {"compression": "tiff_lzw"}),
    "deflate.tif": (GREY, {"compression": "tiff_adobe_deflate"}),
    "fax.tif": (GREY > 99, {"compression": "group4"}),
    "a.bmp": (COLOUR, {}),
    "grey.bmp": (GREY, {}),
    "a.ppm": (COLOUR, {}),
    "a.pgm": (GREY, {}),
    "a.pbm": (GREY > 99, {}),
    "named_wrongly.png": (COLOUR, {"format": "TIFF"}),
}
LOSSY = {
    "a.jpg": {"quality": 95},
    "a.JFIF": {"format": "JPEG"},
    "b.webp": {"quality": 80},
    "jpeg.tif": {"compression": "jpeg"},
}


def write_images(folder):
    """Name: the pixels [16, 16, 3], those of a lossy format as Pillow decodes them."""
    found = {}
    for name, (array, options) in LOSSLESS.items():
        Image.fromarray(array).save(str(folder / name), **options)
        levels = array * np.uint8(255) if array.dtype == bool else array
        found[name] = levels if levels.ndim == 3 else np.stack([levels] * 3, -1)
    for name, options in LOSSY.items():
        Image.fromarray(SMOOTH).save(str(folder / name), **options)
        found[name] = np.asarray(Image.open(str(folder / name)).convert("RGB"))
        assert np.abs(found[name].astype(int) - SMOOTH).mean() < 8, name
    return found


def test_every_way_reads_every_image_format(tmp_path):
    want = write_images(tmp_path)
    names = folder_lib.paths(str(tmp_path))
    assert names == sorted(want)
    paths = [os.fsencode(str(tmp_path / name)) for name in names]
    viewer = Viewer(View((16, 16), 3))
    prepared = preparation.prepare([tmp_path / name for name in names], viewer)
    compressed = codec_images.of_folder(str(tmp_path), 3)
    assert [item.name for item in compressed.items] == names
    for name, decoded, one, exact in zip(names, decode_files(paths, View((16, 16), 3)), prepared, compressed.each):
        np.testing.assert_array_equal(decoded.image, want[name], name)
        np.testing.assert_array_equal(one, want[name], name)
        np.testing.assert_array_equal(exact, want[name], name)


def several(name):
    """A file of three images."""
    frames, out = [Image.fromarray(np.roll(COLOUR, i, 0)) for i in range(3)], io.BytesIO()
    if name.endswith(".ppm"):
        for frame in frames:
            frame.save(out, "PPM")
    else:
        kind = {"png": "PNG", "webp": "WEBP", "tif": "TIFF"}[name.split(".")[1]]
        frames[0].save(out, kind, save_all=True, append_images=frames[1:])
    return out.getvalue()


@pytest.mark.parametrize(
    "name, why",
    [("a.png", "3 frames"), ("a.webp", "3 frames"), ("a.tif", "several pages"), ("a.ppm", "several images")],
)
def test_several_images_in_a_file_are_refused(tmp_path, name, why):
    (tmp_path / name).write_bytes(several(name))
    for read in (image_files.load, lambda path: lossless_images.read(path, 3)):
        with pytest.raises(ValueError, match=f"it has {why}, expected 1"):
            read(str(tmp_path / name))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.tif", "deflate.tif", "a.webp", "a.png"])
def test_an_image_is_turned_once(tmp_path, name, orientation):
    image = Image.fromarray(COLOUR[:9])
    exif = image.getexif()
    exif[0x0112] = orientation
    options = {"compression": "tiff_adobe_deflate"} if name.startswith("deflate") else {}
    image.save(
        str(tmp_path / name), exif=exif.tobytes(), **(dict(options, lossless=True) if "webp" in name else options)
    )
    got = lossless_images.read(str(tmp_path / name), 3)
    np.testing.assert_array_equal(got, image_files.upright(COLOUR[:9], orientation))
    prepared = preparation.prepare([Image.open(str(tmp_path / name))], Viewer(View((9, 9), 3)))
    assert np.array_equal(prepared[0], preparation.prepare([got], Viewer(View((9, 9), 3)))[0])


def raw_tiff(values, order, black=0):
    """A TIFF of uint16 [H, W] without compression, whose `black` is 0 or, for 1, the largest sample."""
    height, width = values.shape
    tags = [
        (256, width),
        (257, height),
        (258, 16),
        (259, 1),
        (262, 1 - black),
        (273, 110),
        (278, height),
        (279, 2 * values.size),
    ]
    numbers = [(42, 2), (8, 4), (len(tags), 2)]
    for tag, value in tags:
        numbers += [(tag, 2), (4, 2), (1, 4), (value, 4)]
    head = (b"MM" if order == "big" else b"II") + b"".join(number.to_bytes(size, order) for number, size in numbers)
    return head + bytes(110 - len(head)) + values.astype(">u2" if order == "big" else "<u2").tobytes()


def write_deep(folder, values):
    """The same samples uint16 [H, W] in every format of 16 bits."""
    height, width = values.shape
    Image.fromarray(values).save(str(folder / "a.png"))
    Image.fromarray(values).save(str(folder / "a.tif"))
    Image.fromarray(values).save(str(folder / "packed.tif"), compression="tiff_lzw")
    (folder / "big.tif").write_bytes(raw_tiff(values, "big"))
    for maxval in (65535, 4095):
        head = b"P5\n# scanner\n%d %d\n%d\n" % (width, height, maxval)
        (folder / f"{maxval}.pgm").write_bytes(head + values.astype(">u2").tobytes())
    text = " ".join(str(v) for v in values.flat)
    (folder / "text.pgm").write_text(f"P2 {width} {height} 4095\n{text}\n")
    return sorted(os.listdir(str(folder)))


def seen(folder, names, array, value_range):
    """What a model sees of the same images as files, by two ways, and as an array."""
    view = View((16, 16), 1, value_range=value_range)
    viewer = Viewer(view)
    files = decode_files([os.fsencode(str(folder / name)) for name in names], view)
    prepared = preparation.prepare([folder / name for name in names], viewer)
    whole = preparation.prepare(array[np.newaxis, ..., np.newaxis], viewer)[0, ..., 0]
    return [(name, file.image[..., 0], one[..., 0]) for name, file, one in zip(names, files, prepared)], whole


@pytest.mark.parametrize("low", [0, 1000, 3840])
def test_a_range_of_256_values_is_one_to_one_in_every_format(tmp_path, low):
    values = np.random.RandomState(low).permutation(256).reshape(16, 16).astype(np.uint16) + low
    names = write_deep(tmp_path, values)
    assert len(names) == 7
    files, whole = seen(tmp_path, names, values, (low, low + 255))
    np.testing.assert_array_equal(whole, values - low)
    for name, decoded, prepared in files:
        np.testing.assert_array_equal(decoded, values - low, name)
        np.testing.assert_array_equal(prepared, values - low, name)


def test_without_a_range_the_format_says_what_is_white(tmp_path):
    values = np.random.RandomState(1).randint(0, 4096, (16, 16)).astype(np.uint16)
    files, whole = seen(tmp_path, write_deep(tmp_path, values), values, None)
    np.testing.assert_array_equal(whole, values >> 8)
    for name, decoded, _ in files:
        white_is_4095 = name in ("4095.pgm", "text.pgm")
        np.testing.assert_array_equal(
            decoded, np.rint(values / 4095 * 65535).astype(int) >> 8 if white_is_4095 else values >> 8
        )


def test_samples_that_would_lose_something_are_refused(tmp_path):
    for name in write_deep(tmp_path, DEEP):
        with pytest.raises(ValueError, match="it has 16 bits per channel, expected 8|can't be decoded"):
            lossless_images.read(str(tmp_path / name), 1)
    Image.fromarray(GREY.astype(np.float32)).save(str(tmp_path / "float.tif"))
    with pytest.raises(ValueError, match="floating-point numbers, expected 8 or 16 bits"):
        image_files.load(str(tmp_path / "float.tif"))
    Image.fromarray(GREY.astype(np.int32) - 5).save(str(tmp_path / "signed.tif"))
    with pytest.raises(ValueError, match=r"its samples reach from -\d+ to"):
        image_files.load(str(tmp_path / "signed.tif"))
    (tmp_path / "deep.ppm").write_bytes(b"P6 2 2 65535\n" + DEEP.tobytes()[:24])
    assert image_files.load(str(tmp_path / "deep.ppm")).pixels.shape == (2, 2, 3)
    with pytest.raises(ValueError, match="it has 16 bits in colour"):
        image_files.load(str(tmp_path / "deep.ppm"), (0, 100))
    (tmp_path / "white.tif").write_bytes(raw_tiff(DEEP, "little", black=1))
    with pytest.raises(ValueError, match="its 16-bit samples are 0 for white, expected 0 for black"):
        image_files.load(str(tmp_path / "white.tif"))


def test_a_run_of_older_rules_sees_the_same_images_again(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("vq_estimator"), "propagate", True)
    for i in range(60):
        Image.fromarray(np.roll(COLOUR, i, 0)).save(str(tmp_path / f"{i}.{('png', 'jpg', 'jpe')[i % 3]}"), "PNG")

    def locate(rules, cache):
        want = Wanted((16, 16, 3), data=DataConfig(rules=rules))
        return images.locate(str(tmp_path), str(tmp_path / cache), want).spec

    before = {rules: locate(rules, "before") for rules in (1, 2, 3)}
    assert before[1].train + before[1].test == 40 and before[2].train + before[2].test == 60
    for i in range(20):
        Image.fromarray(np.roll(COLOUR, i, 1)).save(str(tmp_path / f"new{i}.webp"), lossless=True)
    Image.fromarray(COLOUR).save(str(tmp_path / "wrongly.png"), "BMP")
    for rules in (1, 2):
        caplog.clear()
        assert locate(rules, "after") == before[rules]
        assert "wrongly.png can't be read and is left out: it is no PNG or JPEG file" in caplog.text
    after = locate(RULES, "after")
    assert after.train + after.test == 81 and after.name != before[3].name


def test_a_run_of_older_rules_hears_the_same_recordings_again(tmp_path):
    def locate(rules, cache):
        return speech_sources.locate(
            "wav", str(tmp_path / "in"), str(tmp_path / cache), 8000, data=DataConfig(rules=rules)
        )

    for i in range(90):
        path = tmp_path / "in" / "mp3" / f"s{i % 2}" / f"{i}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        save(path, tone(0.1, hertz=200.0 + i))
    before = {rules: locate(rules, "before") for rules in (2, 3)}
    for i in range(20):
        save(tmp_path / "in" / "mp3" / "s0" / f"{i}.mp3", tone(0.1), 8000, "MPEG_LAYER_III", "MP3")
    save(tmp_path / "in" / "mp3" / "s1" / "wrongly.wav", tone(0.1), 8000, "PCM_16", "AIFF")
    again = locate(2, "after")
    assert again.name == before[2].name and again.speakers == before[2].speakers
    assert all(again.splits[s].names == before[2].splits[s].names for s in again.splits)
    after = locate(3, "after")
    assert after.name != before[3].name and sum(clips.count for clips in after.splits.values()) == 111
    # Behind a folder that is called like a suffix of a sound are the speakers.
    only = tmp_path / "only" / "opus" / "ann"
    only.mkdir(parents=True)
    for i in range(3):
        save(only / f"{i}.wav", tone(0.1))
    found = {r: folder_lib.read(str(tmp_path / "only"), folder_lib.SOUNDS, DataConfig(r)).class_names for r in (2, 3)}
    assert found == {2: ("opus",), 3: ("ann",)}


def test_a_resumed_run_keeps_its_rules():
    new = make_config("images", "tuned")
    assert new.data.rules == RULES == 3
    for rules in (1, 2):
        old = dataclasses.replace(new, data=DataConfig(rules=rules), dataset_source="images-0")
        assert as_resumed(new, old) == old


def test_messages_name_the_formats_of_the_rules(tmp_path):
    (tmp_path / "a.gif").write_bytes(b"GIF89a")
    for rules, names in ((2, "PNG or JPEG"), (3, formats.IMAGES.names())):
        with pytest.raises(VQError, match=f"which has no {names} file"):
            folder_lib.read(str(tmp_path), data=DataConfig(rules))
        with pytest.raises(ValueError, match=f"it is no {names} file"):
            image_files.load(str(tmp_path / "a.gif"), rules=rules)


@pytest.mark.parametrize("page, of", [("your_own_images", formats.IMAGES), ("speech_data", formats.SOUNDS)])
def test_the_documentation_lists_every_suffix(page, of):
    with open(os.path.join(os.path.dirname(__file__), "..", "docs", page + ".md"), encoding="utf-8") as f:
        text = f.read()
    assert all(f"`{suffix}`" in text for suffix in of.suffixes())
