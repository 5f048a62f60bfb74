"""Image files to arrays, by Pillow: the one place where the bytes of an image file are decoded.

What a few bytes can make a decoder do without end is refused first: its memory goes by the size in the header, and its
time by the passes over the image that a progressive JPEG asks for.
"""

import contextlib
import io
import logging
import struct
import threading
import warnings
from typing import Iterator, NamedTuple, Optional, Tuple

import numpy as np
from PIL import Image

from vq_estimator.data.files import open_regular
from vq_estimator.errors import one_line

log = logging.getLogger("vq_estimator")

ORIENTATION = 0x0112  # the EXIF tag
PNG, JPEG, SCAN = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"\xff\xda"  # how files begin, and the scans of a JPEG
FORMATS = ("PNG", "JPEG")
MAX_BYTES = 1 << 29  # of a file
MAX_PIXELS = 1 << 26
MAX_SCANS = 100  # of a JPEG; the same bytes may occur in what is not a scan, about once in 64 KiB
WANT_LEVELS = "uint8: multiply values from 0 to 1 by 255 and round them"  # in the place of floating-point numbers
WHITE = (255, 255, 255, 255)
MULTI_PICTURE_PHOTO = "MPO"  # a JPEG followed by previews of itself, as phones write it
_WARNINGS = threading.Lock()  # warnings.catch_warnings is not safe in threads


class ImageFile(NamedTuple):
    """A decoded file.

    Attributes:
      content: its bytes.
      pixels: as they lie in the file: uint8 [H, W, 3], or uint16 [H, W, 1] where the file has 16 bits of grey.
        Transparency is put on white.
      orientation: EXIF's number of how the pixels are to be turned, 1 (upright) to 8; see `upright`.
    """

    content: bytes
    pixels: np.ndarray
    orientation: int


def load(path: str, value_range: Optional[Tuple[int, ...]] = None) -> ImageFile:
    """Decodes a PNG or JPEG file.

    Raises:
      ValueError: why it can't be decoded, in one line; or why `value_range` can't be applied (Pillow keeps only the
        upper 8 bits of 16-bit colour).
    """
    content = read_content(path)
    with opened(content, path) as (image, orientation):
        if number_of_frames(image) > 1 and image.format != MULTI_PICTURE_PHOTO:
            raise ValueError(f"it has {number_of_frames(image)} frames, expected 1")
        pixels = to_array(image)
        if value_range is not None and sample_bits(content) == 16 and pixels.dtype == np.uint8:
            raise ValueError("it has 16 bits in colour or with opacity, expected 16 bits of grey for value_range")
        return ImageFile(content, pixels, orientation)


def read_content(path: str) -> bytes:
    """The bytes of a PNG or JPEG file that is safe to decode.

    Raises:
      ValueError: why it is not.
    """
    try:
        with open_regular(path) as f:
            content = f.read(MAX_BYTES + 1)
    except OSError as e:
        raise ValueError(e.strerror or type(e).__name__) from None
    if len(content) > MAX_BYTES:
        raise ValueError(f"it has more than {MAX_BYTES >> 20} MiB")
    if not content.startswith((PNG, JPEG)):
        raise ValueError("it is no PNG or JPEG file")
    if content.startswith(JPEG) and content.count(SCAN) > MAX_SCANS + (len(content) >> 15):
        raise ValueError(f"it has more than {MAX_SCANS} scans")
    if content.startswith(PNG):
        _check_size(*struct.unpack(">II", content[16:24].ljust(8, b"\0")))
    return content


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise ValueError(f"it has {width} x {height} pixels, expected at most {MAX_PIXELS:,}")


def sample_bits(content: bytes) -> int:
    """Bits per sample, 8 or 16; a PNG of fewer counts as 8."""
    return 16 if content.startswith(PNG) and content[24:25] == b"\x10" else 8


@contextlib.contextmanager
def opened(content: bytes, name: str) -> Iterator[Tuple[Image.Image, int]]:
    """A Pillow image of some bytes, not decoded yet, and its EXIF orientation.

    Whatever goes wrong until the block ends is a ValueError in one line. `name` stands in a warning about its EXIF.
    """
    try:
        with _warnings_of(name):
            image = Image.open(io.BytesIO(content), formats=FORMATS)
        with image:
            _check_size(*image.size)
            image.load()  # before the EXIF of a PNG is looked for, which may stand behind its pixels
            yield image, orientation(image, name)
    except ValueError:
        raise
    except Image.DecompressionBombError:
        raise ValueError(f"it has more than {MAX_PIXELS:,} pixels") from None
    except OSError as e:  # "image file is truncated", or no image at all, which Pillow says with an address
        known = "" if isinstance(e, Image.UnidentifiedImageError) else one_line(str(e))[:120]
        raise ValueError("it can't be decoded" + (f" ({known})" if known else "")) from None
    except Exception as e:  # SyntaxError, struct.error, EOFError and more
        raise ValueError(f"it can't be decoded ({type(e).__name__})") from None


@contextlib.contextmanager
def _warnings_of(name: str) -> Iterator[None]:
    """Logs Pillow's warnings with the file's name, without the path of the installation that they come from."""
    with _WARNINGS:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield
    texts = {str(w.message) for w in caught if not issubclass(w.category, Image.DecompressionBombWarning)}
    for text in sorted(texts):
        log.warning("%s: %s", one_line(name), one_line(text.strip())[:200])


def orientation(image: Image.Image, name: str) -> int:
    """EXIF's number of how an image is to be turned, 1 (upright) to 8; `name` stands in a warning about its EXIF."""
    found = 1
    with _warnings_of(name):
        with contextlib.suppress(Exception):  # whatever is wrong with its EXIF, the pixels may still be good
            found = image.getexif().get(ORIENTATION, 1)
    return found if found in range(1, 9) else 1


def number_of_frames(image: Image.Image) -> int:
    return getattr(image, "n_frames", 1)


def to_array(image: Image.Image) -> np.ndarray:
    """The pixels of a Pillow image: uint8 [H, W, 3], or uint16 [H, W, 1] of 16 bits of grey; transparency on white.

    Raises:
      ValueError: its pixels are no numbers of 8 or 16 bits.
    """
    if image.mode.startswith("I"):
        return _deep_grey(image)
    if image.mode == "F":
        raise ValueError("its samples are floating-point numbers, expected 8 or 16 bits")
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or image.info.get("transparency") is not None:
        white = Image.new("RGBA", image.size, WHITE)
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return np.asarray(image.convert("RGB"))


def _deep_grey(image: Image.Image) -> np.ndarray:
    values, clear = np.asarray(image), image.info.get("transparency")
    if values.size and not 0 <= values.min() <= values.max() <= 65535:
        raise ValueError(f"its samples reach from {values.min()} to {values.max()}, expected 0 to 65535")
    if isinstance(clear, int):
        values = np.where(values == clear, 65535, values)
    return values.astype(np.uint16)[..., np.newaxis]


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """[H, W, C] turned and mirrored as EXIF's number says."""
    if orientation >= 5:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels[::-1] if orientation in (3, 4, 7, 8) else pixels


class DepthUse:
    """Which of the 256 levels the samples of 16-bit images become, to warn where few of them are left."""

    FEW = 64

    def __init__(self, value_range: Optional[Tuple[int, ...]] = None):
        self._range, self._lock = value_range, threading.Lock()
        self._used, self._low, self._high = np.zeros(256, bool), 65536, -1

    def add(self, pixels: np.ndarray) -> None:
        """Counts the samples of one image; 8-bit ones have nothing to lose."""
        if pixels.dtype != np.uint16 or not pixels.size:
            return
        levels = np.unique(np.rint(to_levels(pixels, self._range)).astype(np.uint8))
        with self._lock:  # files are decoded in threads
            self._low, self._high = min(self._low, int(pixels.min())), max(self._high, int(pixels.max()))
            self._used[levels] = True

    def warn(self, hint: str = "") -> None:
        """Logs one warning where fewer than FEW levels are used, although the samples have more values.

        `hint`: what would keep more, with {low} and {high} for the smallest and the largest sample; "": a run that was
        trained with that range.
        """
        hint = hint or "a run that was trained with --value_range={low},{high} would keep more"
        used = int(self._used.sum())
        if used < self.FEW and self._high - self._low >= used:
            text = "value_range: 16-bit samples from %d to %d become only %d of 256 levels; %s"
            log.warning(text, self._low, self._high, used, hint.format(low=self._low, high=self._high))


def to_levels(pixels: np.ndarray, value_range: Optional[Tuple[int, ...]] = None) -> np.ndarray:
    """Samples as levels 0 to 255: uint8 as they are; of uint16 the upper 8 bits, or `value_range` as float32."""
    if pixels.dtype == np.uint8:
        return pixels
    if value_range is None:
        return (pixels >> 8).astype(np.uint8)
    low, high = value_range
    levels = (pixels.astype(np.float32) - low) * np.float32(255.0) / np.float32(high - low)
    return np.clip(levels, 0.0, 255.0)
