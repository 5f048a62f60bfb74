"""Image files as a model sees them: every kind of file, the middle square, grey and EXIF."""

import hashlib

import numpy as np
import pytest
from PIL import Image

from helpers.noise_images import pixels, save
from vq_estimator.data.image_decoding import decode_files
from vq_estimator.data.model_view import View


def decode(paths, size=16, channels=3):
    return list(decode_files([str(p).encode() for p in paths], View((size, size), channels)))


def test_every_kind_of_file_is_decoded(tmp_path):
    """Against what was written; JPEG loses a few levels."""
    rgb, smooth = pixels(1), np.tile(np.arange(0, 256, 16, np.uint8)[:, None, None], (1, 16, 3))
    alpha = pixels(2)[..., :1]
    grey16 = (pixels(3)[..., 0].astype(np.uint16) << 8) + 77
    cmyk, palette = Image.fromarray(smooth).convert("CMYK"), Image.fromarray(rgb).quantize(7)
    of_palette, clear = np.array(palette.convert("RGB")), np.array(palette)[..., None] == 3
    made = {
        "rgb.png": (Image.fromarray(rgb), rgb, 0),
        "grey.png": (Image.fromarray(rgb[..., 0]), np.repeat(rgb[..., :1], 3, -1), 0),
        "binary.png": (Image.fromarray(rgb[..., 0] > 99), np.repeat(255 * (rgb[..., :1] > 99), 3, -1), 0),
        "grey16.PNG": (Image.fromarray(grey16), np.repeat((grey16 >> 8)[..., None], 3, -1), 1),
        "palette.png": (palette, of_palette, 0),
        "palette_of_256.png": (Image.fromarray(rgb).quantize(256), rgb, 40),
        "clear.png": (palette, np.where(clear, 255, of_palette), 0),
        "alpha.png": (Image.fromarray(np.concatenate([rgb, alpha], -1)), 255 + alpha / 255.0 * (rgb - 255.0), 0.5),
        "rgb.JPG": (Image.fromarray(smooth), smooth, 6),
        "grey.jpeg": (Image.fromarray(smooth[..., 0]), smooth, 6),
        "cmyk.jpg": (cmyk, np.array(cmyk.convert("RGB")), 8),
        "named_wrongly.png": (Image.fromarray(smooth), smooth, 6),
    }
    for name, (image, _, _) in made.items():
        jpeg = name.lower().endswith(("jpg", "jpeg")) or name == "named_wrongly.png"
        given = {"quality": 98} if jpeg else {"transparency": 3} if name == "clear.png" else {}
        save(tmp_path / name, image, format="JPEG" if jpeg else "PNG", **given)
    found = decode(tmp_path / name for name in made)
    assert len(found) == len(made)
    for (name, (_, want, most)), got in zip(made.items(), found):
        assert not isinstance(got, str), (name, got)
        assert got.image.shape == (16, 16, 3) and got.image.dtype == np.uint8
        assert np.abs(got.image.astype(float) - want).max() <= most, name
        assert got.sha256 == hashlib.sha256((tmp_path / name).read_bytes()).digest()


def test_the_middle_square_is_shrunk_by_averaging_and_nothing_is_stretched(tmp_path):
    wide, high = pixels(4, 32, 80), pixels(5, 41, 16)
    tiles = np.kron(pixels(6, 8, 8), np.ones((8, 8, 1), np.uint8))  # 64 x 64, of flat squares
    for name, array in (("wide", wide), ("high", high), ("tiles", tiles), ("small", pixels(7, 4, 4))):
        save(tmp_path / (name + ".png"), array)
    got = decode(tmp_path / (name + ".png") for name in ("wide", "high", "tiles", "small"))
    assert [g.enlarged for g in got] == [False, False, False, True]
    want = np.array(Image.fromarray(wide[:, 24:56]).resize((16, 16), Image.BILINEAR)).astype(float)
    assert np.abs(got[0].image - want).max() <= 1
    np.testing.assert_array_equal(got[1].image, high[12:28])
    np.testing.assert_allclose(got[2].image.mean((0, 1)), tiles.mean((0, 1)), atol=3)
    want = np.array(Image.fromarray(pixels(7, 4, 4)).resize((16, 16), Image.BILINEAR)).astype(float)
    assert np.abs(got[3].image - want).max() <= 1


@pytest.mark.parametrize("channels", [3, 1])
def test_grey_is_weighted_and_exif_turns(tmp_path, channels):
    from PIL import ImageOps

    smooth = np.array(Image.fromarray(pixels(8, 4, 6)).resize((24, 16), Image.BICUBIC))
    for orientation in range(1, 9):
        image = Image.fromarray(smooth)
        exif = image.getexif()
        exif[0x0112] = orientation
        save(tmp_path / f"{orientation}.jpg", image, quality=95, exif=exif.tobytes())
    found = decode([tmp_path / f"{o}.jpg" for o in range(1, 9)], 16, channels)
    assert len(found) == 8
    for orientation, got in enumerate(found, 1):
        upright = np.array(ImageOps.exif_transpose(Image.open(str(tmp_path / f"{orientation}.jpg")))).astype(float)
        top, left = (upright.shape[0] - 16) // 2, (upright.shape[1] - 16) // 2
        want = upright[top : top + 16, left : left + 16]
        want = want if channels == 3 else (want @ [0.299, 0.587, 0.114])[..., None]
        assert got.image.shape == (16, 16, channels)
        assert np.abs(got.image - want).mean() < 3, orientation
