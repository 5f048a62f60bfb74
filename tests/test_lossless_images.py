"""Image files at their own size: every pixel is kept, and a file that would lose something is an error."""

import numpy as np
import pytest
from hypothesis import given
from PIL import Image

from helpers.hostile import damaged, write
from vq_estimator.data import lossless_images

RNG = np.random.RandomState(0)
GREY, COLOUR = RNG.randint(0, 256, (7, 5)).astype(np.uint8), RNG.randint(0, 256, (7, 5, 3)).astype(np.uint8)


def saved(tmp_path, image, name="x.png", **given):
    path = str(tmp_path / name)
    image.save(path, **given)
    return path


def test_grey_and_colour(tmp_path):
    path = saved(tmp_path, Image.fromarray(GREY))
    np.testing.assert_array_equal(lossless_images.read(path, 1), GREY[..., None])
    np.testing.assert_array_equal(lossless_images.read(path, 3), np.stack([GREY] * 3, -1))
    path = saved(tmp_path, Image.fromarray(COLOUR))
    np.testing.assert_array_equal(lossless_images.read(path, 3), COLOUR)
    with pytest.raises(ValueError, match="it is in colour, expected grey"):
        lossless_images.read(path, 1)
    bits = Image.fromarray(GREY > 127)
    np.testing.assert_array_equal(lossless_images.read(saved(tmp_path, bits), 1)[..., 0], np.where(GREY > 127, 255, 0))
    palette = Image.fromarray(COLOUR).quantize(16)
    np.testing.assert_array_equal(lossless_images.read(saved(tmp_path, palette), 3), np.asarray(palette.convert("RGB")))


def test_transparency_and_depth_that_would_be_lost(tmp_path):
    alpha = np.full((7, 5, 1), 255, np.uint8)
    path = saved(tmp_path, Image.fromarray(np.concatenate([COLOUR, alpha], 2)))
    np.testing.assert_array_equal(lossless_images.read(path, 3), COLOUR)
    alpha[3, 3] = 254
    path = saved(tmp_path, Image.fromarray(np.concatenate([COLOUR, alpha], 2)))
    with pytest.raises(ValueError, match="it has transparency, expected none"):
        lossless_images.read(path, 3)
    path = saved(tmp_path, Image.fromarray(GREY), transparency=7)
    with pytest.raises(ValueError, match="it has transparency, expected none"):
        lossless_images.read(path, 1)
    path = saved(tmp_path, Image.fromarray(GREY.astype(np.uint16) * 256))
    with pytest.raises(ValueError, match="it has 16 bits per channel, expected 8"):
        lossless_images.read(path, 1)
    path = saved(tmp_path, Image.fromarray(COLOUR).convert("CMYK"), "x.jpg")
    with pytest.raises(ValueError, match="it is of the kind CMYK, expected grey or colour"):
        lossless_images.read(path, 3)


def test_a_jpeg_lies_as_its_exif_says(tmp_path):
    image = Image.fromarray(COLOUR)
    exif = image.getexif()
    exif[0x0112] = 6
    lying, plain = saved(tmp_path, image, "a.jpg", exif=exif), saved(tmp_path, image, "b.jpg")
    np.testing.assert_array_equal(lossless_images.read(lying, 3), np.rot90(lossless_images.read(plain, 3), -1))


def test_what_is_no_image(tmp_path):
    with pytest.raises(ValueError, match="it is no PNG, .* file"):
        lossless_images.read(write(tmp_path / "x.png", b"GIF89a"), 3)
    with pytest.raises(ValueError, match="No such file"):
        lossless_images.read(str(tmp_path / "none.png"), 3)


@pytest.mark.parametrize("name", ["x.png", "x.jpg"])
def test_a_damaged_file_is_an_image_or_a_value_error(name, tmp_path):
    path = saved(tmp_path, Image.fromarray(COLOUR), name)
    with open(path, "rb") as f:
        content = f.read()

    @given(damaged(content))
    def check(bad):
        try:
            found = lossless_images.read(write(path, bad), 3)
        except ValueError as e:
            assert str(e)
        else:
            assert found.dtype == np.uint8 and found.ndim == 3 and found.shape[2] == 3

    check()
