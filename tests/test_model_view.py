"""What a model sees of an image file or an array: one result by every way, against Pillow and NumPy."""

import io
import logging
import os

import numpy as np
import pytest
from PIL import Image, ImageOps

from vq_estimator import pretrained
from vq_estimator.config import make_config
from vq_estimator.data import images, pipeline
from vq_estimator.data.image_decoding import decode_files
from vq_estimator.data.images import Wanted
from vq_estimator.data.model_view import View
from vq_estimator.errors import VQError
from vq_estimator.inference import codec, image_inputs
from vq_estimator.inference.image_model import ImageModel

pytestmark = pytest.mark.once

SIZES = [(17, 400), (400, 17), (640, 480), (24, 24), (32, 32), (19, 16), (5, 7), (1, 1)]


def photo(height, width, seed=0):
    """A smooth colour image uint8 [H, W, 3]."""
    small = np.random.RandomState(seed).randint(0, 256, (8, 8, 3)).astype(np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.BICUBIC))


def with_orientation(array, orientation):
    image = Image.fromarray(array)
    exif = image.getexif()
    exif[0x0112] = orientation
    return image, {"exif": exif.tobytes()}


def by_pillow(image, size, channels=3):
    """The middle square of an upright Pillow image, by Pillow alone: float [size, size, channels]."""
    side, (width, height) = min(image.size), image.size
    left, top = (width - side) // 2, (height - side) // 2
    square = image.convert("RGB").crop((left, top, left + side, top + side))
    array = np.asarray(square.resize((size, size), Image.BILINEAR), float)
    return array if channels == 3 else array @ [[0.299], [0.587], [0.114]]


def files_of_every_kind(folder):
    """Name: the upright image on white, by Pillow."""
    kinds = {}

    def add(name, image, upright=None, **options):
        path = str(folder / name)
        image.save(path, **options)
        with Image.open(path) as again:
            again.load()
            kinds[name] = ImageOps.exif_transpose(again) if upright is None else upright

    for i, (height, width) in enumerate(SIZES):
        add(f"size{i}.png", Image.fromarray(photo(height, width, i)))
        add(f"size{i}.jpg", Image.fromarray(photo(height, width, i)))
    for orientation in range(1, 9):
        for i, (height, width) in enumerate(((19, 16), (16, 19), (60, 41))):
            image, options = with_orientation(photo(height, width, 9), orientation)
            add(f"exif{orientation}{i}.jpg", image, **options)
            add(f"exif{orientation}{i}.png", image, **options)
    colour = Image.fromarray(photo(40, 50, 20))
    add("cmyk.jpg", colour.convert("CMYK"))
    add("grey.png", colour.convert("L"))
    add("bilevel.png", colour.convert("1"))
    opacity = Image.fromarray(photo(40, 50, 21)[..., 0])
    for name, image, options in [
        ("rgba.png", Image.merge("RGBA", (*colour.split(), opacity)), {}),
        ("la.png", Image.merge("LA", (colour.convert("L"), opacity)), {}),
        ("palette.png", colour.quantize(30), {"transparency": 3}),
        ("two_bits.png", colour.quantize(4), {"bits": 2, "transparency": bytes([3, 255, 0, 128])}),
        ("key.png", colour, {"transparency": tuple(photo(40, 50, 20)[3, 4].tolist())}),
    ]:
        image.save(str(folder / name), **options)
        with Image.open(str(folder / name)) as again:
            again = again.convert("RGBA")
        white = Image.new("RGBA", again.size, (255, 255, 255, 255))
        add(name, image, Image.alpha_composite(white, again).convert("RGB"), **options)
    deep = photo(40, 50, 22)[..., 0].astype(np.uint16) * 256 + 99
    add("deep.png", Image.fromarray(deep), Image.fromarray((deep >> 8).astype(np.uint8)))
    return kinds


@pytest.fixture(scope="module")
def kinds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kinds")
    return folder, files_of_every_kind(folder)


@pytest.fixture(scope="module")
def cifar10():
    with pretrained.load("cifar10") as model:
        yield model


@pytest.mark.parametrize("size, channels", [(16, 3), (64, 3), (24, 1)])
def test_every_file_is_within_one_level_of_pillow(kinds, size, channels):
    folder, upright = kinds
    names = sorted(upright)
    found = list(decode_files([os.fsencode(str(folder / name)) for name in names], View((size, size), channels)))
    assert len(names) > 70
    for name, got in zip(names, found):
        assert not isinstance(got, str), (name, got)
        want = by_pillow(upright[name], size, channels)
        assert np.abs(got.image - want).max() <= 1.0 + (channels == 1) * 0.5, name


def test_prepare_and_encode_give_the_codes_of_vq_encode(kinds, cifar10, tmp_path, forked):
    folder, upright = kinds
    out = tmp_path / "codes.npz"
    done = forked.script("encode", "--pretrained=cifar10", f"--input={folder}", f"--out={out}", cwd=tmp_path)
    assert done.status == 0, done.stderr
    with np.load(str(out)) as f:
        by_file = dict(zip(f["files"].tolist(), f["codes"]))
    assert sorted(by_file) == sorted(upright)
    for name, codes in by_file.items():
        path = str(folder / name)
        with Image.open(path) as opened:
            ways = [[path], [folder / name], [opened]]
            ways.append([np.asarray(upright[name])] if upright[name].mode == "L" else [upright[name].convert("RGB")])
            if upright[name].mode == "RGB":
                ways.append(np.asarray(upright[name])[np.newaxis])
            for way in ways:
                np.testing.assert_array_equal(cifar10.encode(cifar10.prepare(way))[0], codes, name)


def test_photographs_cost_the_same_by_prepare_and_by_the_folder(cifar10, tmp_path):
    for i in range(4):
        Image.fromarray(photo(120 + 31 * i, 200 - 17 * i, i)).save(str(tmp_path / f"{i}.png"))
    (batch, *_), *rest = image_inputs.of_folder(cifar10, str(tmp_path)).batches()
    paths = [str(tmp_path / f"{i}.png") for i in range(4)]
    assert not rest
    np.testing.assert_array_equal(cifar10.prepare(paths), batch)
    a, b = (cifar10.bits_per_dim(x).distortion for x in (cifar10.prepare(paths), batch))
    np.testing.assert_array_equal(a, b)


def test_images_of_the_published_size_are_resized_as_in_training(digits, small_run, tmp_path):
    """A folder of MNIST's own 28 x 28 images has the codes of the split; so have arrays of them."""
    with ImageModel(small_run[1]) as model:
        split = image_inputs.of_split(model, digits, "test")
        want = np.concatenate([batch.images for batch in split.batches()])[:20]
        raw = pipeline.examples(digits, "test", (28, 28)).batch(20)
        import tensorflow.compat.v1 as tf

        with tf.Session() as session:
            images_28, _ = session.run(tf.data.make_one_shot_iterator(raw).get_next())
        for i, image in enumerate(images_28):
            Image.fromarray(image[..., 0]).save(str(tmp_path / f"{i:02d}.png"))
            Image.fromarray(image[..., 0]).convert("RGB").save(str(tmp_path / f"{i:02d}_colour.png"))
        (batch, *_), *_ = image_inputs.of_folder(model, str(tmp_path)).batches()
        np.testing.assert_array_equal(batch[::2], want)
        np.testing.assert_array_equal(batch[1::2], want)
        np.testing.assert_array_equal(model.prepare(images_28), want)
        np.testing.assert_array_equal(model.prepare(want), want)  # of the model's own size: as they are


def test_an_array_is_seen_as_its_file(cifar10):
    rgba = np.concatenate([photo(40, 50, 1), photo(40, 50, 2)[..., :1]], -1)
    white = 255 + rgba[..., 3:] / 255.0 * (rgba[..., :3] - 255.0)
    got = cifar10.prepare(rgba[np.newaxis])[0].astype(float)
    assert np.abs(got - by_pillow(Image.fromarray(np.rint(white).astype(np.uint8)), 32)).max() <= 1
    grey = photo(40, 50, 3)[..., :1]
    np.testing.assert_array_equal(
        cifar10.prepare(grey[np.newaxis]), cifar10.prepare(np.repeat(grey, 3, -1)[np.newaxis])
    )
    deep = grey.astype(np.uint16) * 256 + 17
    for array in (deep, deep.astype(">u2")):
        np.testing.assert_array_equal(cifar10.prepare(array[np.newaxis]), cifar10.prepare(grey[np.newaxis]))
    several = cifar10.prepare([grey, photo(9, 90), rgba, photo(32, 32)])
    assert several.shape == (4, 32, 32, 3)
    np.testing.assert_array_equal(several[3], photo(32, 32))


@pytest.mark.parametrize(
    "given",
    [
        *(np.zeros([2, 8, 8, 2], np.uint8), np.zeros([8, 8, 3], np.uint8), np.zeros([0, 8, 8, 3], np.uint8)),
        *(np.zeros([1, 8, 8, 3], np.int64), np.zeros([1, 8, 8, 4], np.uint16), np.zeros([1, 8, 8, 3], bool)),
        *(5, None, [], [5], ["/no/file.png"], [np.zeros([8])], [Image.new("F", (4, 4))], {"a": 1}, "no.png"),
    ],
)
def test_what_is_no_image_is_one_line(cifar10, given):
    with pytest.raises(VQError, match="^images: ") as e:
        cifar10.prepare(given)
    assert str(e.value).isprintable()


def test_floats_are_told_what_to_do(cifar10):
    for call in (cifar10.prepare, cifar10.encode):
        with pytest.raises(VQError, match="images: got float32.*expected uint8.*multiply .* by 255") as e:
            call(np.zeros([1, 32, 32, 3], np.float32))
        assert "prepare(" not in str(e.value)


def animation(path):
    frames = [Image.fromarray(photo(8, 8, i)) for i in range(3)]
    frames[0].save(str(path), save_all=True, append_images=frames[1:])


def multi_picture(path):
    frames = [Image.fromarray(photo(16, 16, i)) for i in range(2)]
    frames[0].save(str(path), format="MPO", save_all=True, append_images=frames[1:])


def test_several_frames_are_refused_where_only_one_would_be_kept(tmp_path, cifar10):
    animation(tmp_path / "a.png")
    multi_picture(tmp_path / "b.jpg")
    run = codec.open_run(pretrained.folder("cifar10"))
    from vq_estimator.inference.codec import images as codec_images

    for name, frames in (("a.png", 3), ("b.jpg", 2)):
        with pytest.raises(VQError, match=f"input: {name}: .*it has {frames} frames"):
            codec.compress(run, codec_images.of_files(str(tmp_path), [name], 3), str(tmp_path / "x.vqz"))
    assert not os.path.exists(str(tmp_path / "x.vqz"))
    with pytest.raises(VQError, match="it has 3 frames"):
        cifar10.prepare([tmp_path / "a.png"])
    # A photograph with previews of itself is that photograph.
    with Image.open(str(tmp_path / "b.jpg")) as opened:
        first = np.asarray(opened)
    np.testing.assert_array_equal(cifar10.prepare([tmp_path / "b.jpg"]), cifar10.prepare(first[np.newaxis]))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_old_runs_crop_before_turning_and_new_ones_after(tmp_path, orientation):
    array = photo(19, 16, 4)
    image, options = with_orientation(array, orientation)
    path = str(tmp_path / "x.png")
    image.save(path, **options)
    (old,), (new,) = (list(decode_files([path.encode()], View((16, 16), 3), rules)) for rules in (1, 2))
    turned = np.asarray(ImageOps.exif_transpose(Image.open(path)))
    top, left = (turned.shape[0] - 16) // 2, (turned.shape[1] - 16) // 2
    np.testing.assert_array_equal(new.image, turned[top : top + 16, left : left + 16])
    before, options = with_orientation(array[1:17], orientation)
    before.save(path, **options)
    np.testing.assert_array_equal(old.image, np.asarray(ImageOps.exif_transpose(Image.open(path))))
    assert old.shifted == (not np.array_equal(old.image, new.image)) and not new.shifted


def test_old_runs_are_told_once_that_their_crop_differs(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("vq_estimator"), "propagate", True)
    for i in range(60):
        image, options = with_orientation(photo(19, 16, i), 3 if i % 2 else 1)
        image.save(str(tmp_path / f"{i}.png"), **options)
    old = make_config("images").data.__class__()
    assert old.rules == 1
    for _ in range(2):  # made, and loaded
        caplog.clear()
        images.locate(str(tmp_path), str(tmp_path / "cache"), Wanted((16, 16, 3), data=old))
        assert caplog.text.count("cropping rules of version 0.1.0") == 1 and "30 images" in caplog.text
    caplog.clear()
    images.locate(str(tmp_path), str(tmp_path / "cache"), Wanted((16, 16, 3)))
    assert "cropping rules" not in caplog.text


def damaged_exif(path):
    buffer = io.BytesIO()
    image, options = with_orientation(photo(20, 16), 6)
    image.save(buffer, "JPEG", exif=options["exif"][:-9])
    path.write_bytes(buffer.getvalue())


def test_a_damaged_exif_block_is_named_with_its_file(tmp_path, caplog, monkeypatch, recwarn):
    monkeypatch.setattr(logging.getLogger("vq_estimator"), "propagate", True)
    damaged_exif(tmp_path / "holiday.jpg")
    (got,) = decode_files([os.fsencode(str(tmp_path / "holiday.jpg"))], View((16, 16), 3))
    assert got.image.shape == (16, 16, 3)
    assert "holiday.jpg" in caplog.text and "EXIF" in caplog.text and "site-packages" not in caplog.text
    assert not [w for w in recwarn if "EXIF" in str(w.message)]


def test_one_image_file_is_encoded(tmp_path, forked):
    Image.fromarray(photo(50, 40)).save(str(tmp_path / "one.JPG"), format="JPEG")
    Image.fromarray(photo(50, 40)).save(str(tmp_path / "one.png"))
    for name in ("one.png", "one.JPG"):
        done = forked.script("encode", "--pretrained=cifar10", f"--input={name}", "--out=c.npz", cwd=tmp_path)
        assert done.status == 0 and "1 image" in done.stdout, done.stderr
        with np.load(str(tmp_path / "c.npz")) as f:
            assert f["files"].tolist() == [name]
    (tmp_path / "bad.png").write_bytes(b"no image")
    done = forked.script("encode", "--pretrained=cifar10", "--input=bad.png", "--out=d.npz", cwd=tmp_path)
    assert done.status == 1 and "error: input: bad.png: can't be read" in done.stderr.splitlines()[-1]
    assert not (tmp_path / "d.npz").exists()


def test_a_colour_folder_for_a_grey_model_says_why(tmp_path, forked):
    (tmp_path / "photos").mkdir()
    for i in range(3):
        Image.fromarray(photo(24, 24, i)).save(str(tmp_path / "photos" / f"{i}.png"))
    done = forked.script("compress", "--pretrained=mnist", "--input=photos", "--out=x.vqz", cwd=tmp_path)
    assert done.status == 1 and done.stderr.splitlines()[-1].startswith("compress.py: error: input: ")
    assert "in colour, expected grey" in done.stderr.splitlines()[-1]
