"""Checks the headers of image files before they are decoded, and rejects files that would exhaust a decoder.

A decoder's memory depends on the size in the header, and its time on the number of passes over a progressive JPEG.
"""

import re
import struct
from typing import NamedTuple, Tuple

import numpy as np

from vq_estimator.config.data import RULES
from vq_estimator.data.formats import IMAGES, Format

MAX_PIXELS = 1 << 26
MAX_SCANS = 100  # scans of a JPEG; their two bytes also occur elsewhere, about once in 64 KiB
SCAN = b"\xff\xda"  # marker of a scan in a JPEG
MAX_NETPBM_HEADER = 1 << 16  # bytes of a PGM header, most of them comments
_SPACE = rb"(?:\s|#[^\r\n]*[\r\n])+"
_NETPBM = re.compile(rb"P([1-6])" + rb"(?:%s(\d{1,9}))" % _SPACE * 2)
_MAXVAL = re.compile(rb"%s(\d{1,9})" % _SPACE)


class Refused(ValueError):
    """The reason, in one line, why an image is not read."""


class Netpbm(NamedTuple):
    """The header of a PGM, PPM or PBM file.

    Attributes:
      kind: 1 to 3 in plain text, 4 to 6 in bytes: bits, grey, colour.
      width, height: size in pixels.
      maxval: the sample that is white, 1 to 65535; 1 for bits.
      start: position of the first sample in bytes.
    """

    kind: int
    width: int
    height: int
    maxval: int
    start: int

    @property
    def sample_type(self) -> np.dtype:
        """The dtype of a sample in bytes."""
        return np.dtype(">u2" if self.maxval > 255 else np.uint8)

    @property
    def end(self) -> int:
        """The position after the last sample of a binary file."""
        row = (self.width + 7) // 8 if self.kind == 4 else self.width * (3 if self.kind == 6 else 1)
        return self.start + row * self.height * self.sample_type.itemsize


def identify(content: bytes, rules: int = RULES) -> Format:
    """Returns the format of a file if it is safe to decode.

    Raises:
      Refused: the rules do not know the format, or the file is not safe.
    """
    found = IMAGES.identify(content, rules)
    if found is None:
        raise Refused(f"it is no {IMAGES.names(rules)} file")
    if found.library == "JPEG" and content.count(SCAN) > MAX_SCANS + (len(content) >> 15):
        raise Refused(f"it has more than {MAX_SCANS} scans")
    if found.library == "PNG":
        check_size(*struct.unpack(">II", content[16:24].ljust(8, b"\0")))
    if found.library == "WEBP":
        check_size(*_webp_size(content))
    if found.library == "PPM":
        netpbm = read_netpbm(content)
        if netpbm.kind >= 4 and IMAGES.identify(content[netpbm.end :].lstrip()[:3]) is found:
            raise Refused("it has several images, expected 1")
    return found


def check_size(width: int, height: int) -> None:
    """Raises Refused if an image has more than MAX_PIXELS."""
    if width * height > MAX_PIXELS:
        raise Refused(f"it has {width} x {height} pixels, expected at most {MAX_PIXELS:,}")


def _webp_size(content: bytes) -> Tuple[int, int]:
    """Width and height of the canvas, for which libwebp allocates memory as soon as it opens the file."""
    chunk, head = content[12:16], content[20:30].ljust(10, b"\0")
    if chunk == b"VP8X":
        return int.from_bytes(head[4:7], "little") + 1, int.from_bytes(head[7:10], "little") + 1
    if chunk == b"VP8L":
        bits = int.from_bytes(head[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack("<HH", head[6:10])
    return width & 0x3FFF, height & 0x3FFF


def read_netpbm(content: bytes) -> Netpbm:
    """Reads the header of a PGM, PPM or PBM file.

    Raises:
      Refused: the header is invalid.
    """
    header = content[:MAX_NETPBM_HEADER]
    found = _NETPBM.match(header)
    last = found
    if found and found.group(1) not in (b"1", b"4"):
        last = _MAXVAL.match(header, found.end())
    if not found or not last or not header[last.end() : last.end() + 1].isspace():
        raise Refused("its header can't be read")
    kind, width, height = (int(found.group(i)) for i in (1, 2, 3))
    maxval = 1 if last is found else int(last.group(1))
    if not width or not height or not 1 <= maxval <= 65535:
        raise Refused(f"its header says {width} x {height} pixels up to {maxval}, expected 1 to 65535")
    check_size(width, height)
    return Netpbm(kind, width, height, maxval, last.end() + 1)


def with_raw_samples(content: bytes) -> bytes:
    """Changes the header of a 16-bit PGM to maxval 65535, so that the decoder does not scale its samples."""
    header = read_netpbm(content)
    if header.kind not in (2, 5) or header.maxval in (*range(256), 65535):
        return content
    return b"P%d %d %d 65535\n" % header[:3] + content[header.start :]


def png_bits(content: bytes) -> int:
    """Bits per sample of a PNG; fewer than 8 count as 8."""
    return 16 if content[24:25] == b"\x10" else 8
