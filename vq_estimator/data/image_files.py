"""Decodes image files to arrays with Pillow. No other module decodes image files.

`image_headers` first rejects files with which a few bytes could keep a decoder busy for very long.
"""

import contextlib
import ctypes
import functools
import io
import logging
import threading
import warnings
from typing import Iterator, NamedTuple, Optional, Tuple

import numpy as np
from PIL import (
    BmpImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    TiffTags,
    WebPImagePlugin,
)

from vq_estimator.config.data import RULES
from vq_estimator.data import image_headers
from vq_estimator.data.files import open_regular
from vq_estimator.data.image_headers import MAX_PIXELS, Refused, check_size
from vq_estimator.errors import one_line

log = logging.getLogger("vq_estimator")

# The import registers them. Pillow would do it when it opens a file, which is not thread-safe.
PLUGINS = (BmpImagePlugin, JpegImagePlugin, PngImagePlugin, PpmImagePlugin, TiffImagePlugin, WebPImagePlugin)
ORIENTATION = 0x0112  # the EXIF tag
BITS_PER_SAMPLE, PHOTOMETRIC = 258, 262  # tags of a TIFF
MAX_BYTES = 1 << 29  # largest file in bytes
WANT_LEVELS = "uint8: multiply values from 0 to 1 by 255 and round them"  # instead of floating-point numbers
WHITE = (255, 255, 255, 255)
MULTI_PICTURE_PHOTO = "MPO"  # a JPEG followed by previews of itself, as phones write it
_WARNINGS = threading.Lock()  # warnings.catch_warnings is not thread-safe


class ImageFile(NamedTuple):
    """A decoded file.

    Attributes:
      content: its bytes.
      pixels: the pixels as stored: uint8 [H, W, 3], or uint16 [H, W, 1] for 16-bit grey. Transparency is put on white.
      orientation: EXIF orientation, 1 (upright) to 8; see `upright`.
    """

    content: bytes
    pixels: np.ndarray
    orientation: int


class OpenFile(NamedTuple):
    """A file that Pillow has decoded.

    Attributes:
      content: its bytes.
      image: Pillow's image; for a 16-bit PGM with the samples as stored.
      orientation: see `ImageFile`.
      bits: bits per sample; fewer than 8 count as 8.
    """

    content: bytes
    image: Image.Image
    orientation: int
    bits: int


def load(path: str, value_range: Optional[Tuple[int, ...]] = None, rules: int = RULES) -> ImageFile:
    """Decodes an image file.

    Args:
      path: the file.
      value_range: the samples of 16-bit images that become 0 and 255; None for the format's black and white.
      rules: `DataConfig.rules`, which decide the supported formats.

    Raises:
      ValueError: the reason, in one line, why the file cannot be decoded or `value_range` cannot be applied. (Pillow
        keeps only the upper 8 bits of 16-bit colour.)
    """
    with open_file(path, rules) as file:
        pixels = to_array(file.image)
        if file.image.format == "PPM" and pixels.dtype == np.uint16 and value_range is None:
            maxval = image_headers.read_netpbm(file.content).maxval
            pixels = np.rint(np.minimum(pixels, maxval) * (65535 / maxval)).astype(np.uint16)
        if value_range is not None and file.bits > 8 and pixels.dtype == np.uint8:
            raise Refused("it has 16 bits in colour or with opacity, expected 16 bits of grey for value_range")
        return ImageFile(file.content, pixels, file.orientation)


@contextlib.contextmanager
def open_file(path: str, rules: int = RULES, previews: bool = True) -> Iterator[OpenFile]:
    """Opens and decodes an image file with Pillow. Any error until the block ends is a ValueError in one line.

    Args:
      path: the file.
      rules: `DataConfig.rules`, which decide the supported formats.
      previews: whether a photograph followed by previews of itself counts as one image.

    Raises:
      ValueError: the file cannot be decoded.
    """
    content = _read(path)
    library = image_headers.identify(content, rules).library
    shown = image_headers.with_raw_samples(content) if library == "PPM" else content
    with _explained_errors(), _open(shown, library, path) as image:
        check_size(*image.size)
        _check_one_frame(image, previews)
        if library == "TIFF":
            _check_tiff(image, path)
        bits = _sample_bits(image, content)  # before the tags of a TIFF change
        image.load()  # before the EXIF of a PNG is read, which may follow its pixels
        yield OpenFile(content, image, orientation(image, path), bits)


def _read(path: str) -> bytes:
    try:
        with open_regular(path) as f:
            content = f.read(MAX_BYTES + 1)
    except OSError as e:
        raise ValueError(e.strerror or type(e).__name__) from None
    if len(content) > MAX_BYTES:
        raise Refused(f"it has more than {MAX_BYTES >> 20} MiB")
    return content


def _open(content: bytes, library: str, name: str) -> Image.Image:
    with _warnings_of(name):
        return Image.open(io.BytesIO(content), formats=(library,))


@contextlib.contextmanager
def _explained_errors() -> Iterator[None]:
    """Turns any error within the block into a ValueError in one line."""
    try:
        yield
    except Refused:
        raise
    except Image.DecompressionBombError:
        raise Refused(f"it has more than {MAX_PIXELS:,} pixels") from None
    except (
        OSError,
        ValueError,
    ) as e:  # "image file is truncated", or no image at all, whose message has an address
        known = "" if isinstance(e, Image.UnidentifiedImageError) else one_line(str(e))[:120]
        raise Refused("it can't be decoded" + (f" ({known})" if known else "")) from None
    except Exception as e:  # SyntaxError, struct.error, EOFError and more
        raise Refused(f"it can't be decoded ({type(e).__name__})") from None


def _check_one_frame(image: Image.Image, previews: bool) -> None:
    if image.format == "TIFF":  # whose pages are a linked list of any length
        if getattr(image, "is_animated", False):
            raise Refused("it has several pages, expected 1")
        return
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and not (previews and image.format == MULTI_PICTURE_PHOTO):
        raise Refused(f"it has {frames} frames, expected 1")


def _check_tiff(image: Image.Image, name: str) -> None:
    _silence_libtiff()
    with _warnings_of(name):  # from the EXIF, which Pillow reads when it decodes the pixels
        exif = image.getexif()
        for tag in TiffTags.TAGS_V2_GROUPS:
            if tag in exif:
                exif.get_ifd(tag)
    if image.mode.startswith("I") and image.tag_v2.get(PHOTOMETRIC) == 0:  # type: ignore[attr-defined]
        raise Refused("its 16-bit samples are 0 for white, expected 0 for black")


@functools.lru_cache()
def _silence_libtiff() -> None:
    """Keeps libtiff from printing to stderr about a damaged file; the error is enough."""
    with contextlib.suppress(OSError, AttributeError):  # if Pillow's library does not export the function
        ctypes.CDLL(Image.core.__file__).TIFFSetErrorHandler(None)


def _sample_bits(image: Image.Image, content: bytes) -> int:
    if image.format == "PNG":
        return image_headers.png_bits(content)
    if image.format == "PPM":
        return 16 if image_headers.read_netpbm(content).maxval > 255 else 8
    if image.format == "TIFF":
        return max(8, *image.tag_v2.get(BITS_PER_SAMPLE, (1,)))  # type: ignore[attr-defined]
    return 8


@contextlib.contextmanager
def _warnings_of(name: str) -> Iterator[None]:
    """Logs Pillow's warnings with the file's name and without the path of the installation."""
    with _WARNINGS:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield
    texts = {str(w.message) for w in caught if not issubclass(w.category, Image.DecompressionBombWarning)}
    for text in sorted(texts):
        log.warning("%s: %s", one_line(name), one_line(text.strip())[:200])


def orientation(image: Image.Image, name: str) -> int:
    """EXIF's orientation, 1 (upright) to 8. `name` appears in a warning about a damaged EXIF block."""
    if image.format == "TIFF":  # which Pillow rotates when it decodes it
        return 1
    found = 1
    with _warnings_of(name):
        with contextlib.suppress(Exception):  # the pixels may be valid even if the EXIF block is not
            found = image.getexif().get(ORIENTATION, 1)
    return found if found in range(1, 9) else 1


def to_array(image: Image.Image) -> np.ndarray:
    """The pixels of a Pillow image: uint8 [H, W, 3], or uint16 [H, W, 1] for 16-bit grey, with transparency on white.

    Raises:
      ValueError: the samples are not integers of 8 or 16 bits.
    """
    if image.mode.startswith("I"):
        return _deep_grey(image)
    if image.mode == "F":
        raise Refused("its samples are floating-point numbers, expected 8 or 16 bits")
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or image.info.get("transparency") is not None:
        white = Image.new("RGBA", image.size, WHITE)
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return np.asarray(image.convert("RGB"))


def _deep_grey(image: Image.Image) -> np.ndarray:
    values, clear = np.asarray(image), image.info.get("transparency")
    if values.size and not 0 <= values.min() <= values.max() <= 65535:
        raise Refused(f"its samples reach from {values.min()} to {values.max()}, expected 0 to 65535")
    if isinstance(clear, int):
        values = np.where(values == clear, 65535, values)
    return values.astype(np.uint16)[..., np.newaxis]


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Rotates and mirrors [H, W, C] as the EXIF orientation says."""
    if orientation >= 5:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels[::-1] if orientation in (3, 4, 7, 8) else pixels


class DepthUse:
    """Counts which of the 256 levels 16-bit images use, to warn if few of them are used."""

    FEW = 64

    def __init__(self, value_range: Optional[Tuple[int, ...]] = None):
        self._range, self._lock = value_range, threading.Lock()
        self._used, self._low, self._high = np.zeros(256, bool), 65536, -1

    def add(self, pixels: np.ndarray) -> None:
        """Counts the samples of one image. 8-bit images lose nothing and are skipped."""
        if pixels.dtype != np.uint16 or not pixels.size:
            return
        levels = np.unique(np.rint(to_levels(pixels, self._range)).astype(np.uint8))
        with self._lock:  # files are decoded in threads
            self._low, self._high = min(self._low, int(pixels.min())), max(self._high, int(pixels.max()))
            self._used[levels] = True

    def warn(self, hint: str = "") -> None:
        """Logs one warning if fewer than FEW levels are used although the samples have more values.

        Args:
          hint: advice, with {low} and {high} for the smallest and the largest sample; "" advises to train with that
            range.
        """
        hint = hint or "a run that was trained with --value_range={low},{high} would keep more"
        used = int(self._used.sum())
        if used < self.FEW and self._high - self._low >= used:
            text = "value_range: 16-bit samples from %d to %d become only %d of 256 levels; %s"
            log.warning(text, self._low, self._high, used, hint.format(low=self._low, high=self._high))


def to_levels(pixels: np.ndarray, value_range: Optional[Tuple[int, ...]] = None) -> np.ndarray:
    """Converts samples to levels 0 to 255: uint16 by its upper 8 bits, or by `value_range` as float32."""
    if pixels.dtype == np.uint8:
        return pixels
    if value_range is None:
        return (pixels >> 8).astype(np.uint8)
    low, high = value_range
    levels = (pixels.astype(np.float32) - low) * np.float32(255.0) / np.float32(high - low)
    return np.clip(levels, 0.0, 255.0)
