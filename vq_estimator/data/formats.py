"""The supported formats of image and sound files: their names, suffixes and first bytes.

This is the only list. Messages, help texts and the scan of folders are derived from it.
"""

import re
from typing import NamedTuple, Optional, Pattern, Tuple

from vq_estimator.config.data import RULES

BEGINNING = 64  # bytes that identify a format


class Format(NamedTuple):
    """A format, or some of its suffixes.

    Attributes:
      name: name in messages.
      suffixes: suffixes of its files, in lower case, with the dot.
      beginning: matches the first bytes of its files.
      library: name of the format in Pillow or libsndfile.
      since: the first `DataConfig.rules` with this format; runs with older rules ignore it, so they see the same files
        again.
    """

    name: str
    suffixes: Tuple[str, ...]
    beginning: Pattern[bytes]
    library: str
    since: int = 1


class Formats(NamedTuple):
    """The formats of one kind of data."""

    rows: Tuple[Format, ...]

    def known(self, rules: int = RULES) -> Tuple[Format, ...]:
        """The formats that a version of the rules reads."""
        return tuple(row for row in self.rows if row.since <= rules)

    def suffixes(self, rules: int = RULES) -> Tuple[str, ...]:
        """The suffixes of all supported files."""
        return tuple(suffix for row in self.known(rules) for suffix in row.suffixes)

    def names(self, rules: int = RULES) -> str:
        """The names in words, such as "PNG, JPEG or TIFF"."""
        *others, last = dict.fromkeys(row.name for row in self.known(rules))
        return f"{', '.join(others)} or {last}" if others else last

    def identify(self, content: bytes, rules: int = RULES) -> Optional[Format]:
        """The format of a file by its first bytes, whatever its suffix is; None if it is not supported."""
        return next((row for row in self.known(rules) if row.beginning.match(content)), None)


def _begins(pattern: bytes) -> Pattern[bytes]:
    return re.compile(pattern, re.DOTALL)


_JPEG, _WAV, _OGG = _begins(rb"\xff\xd8\xff"), _begins(rb"(RIFF|RIFX|RF64|BW64)....WAVE"), _begins(rb"OggS")
IMAGES = Formats(
    (
        Format("PNG", (".png",), _begins(rb"\x89PNG\r\n\x1a\n"), "PNG"),
        Format("JPEG", (".jpg", ".jpeg"), _JPEG, "JPEG"),
        Format("JPEG", (".jpe", ".jfif"), _JPEG, "JPEG", since=2),
        Format("WebP", (".webp",), _begins(rb"RIFF....WEBP"), "WEBP", since=3),
        Format("TIFF", (".tif", ".tiff"), _begins(rb"II\*\0|MM\0\*|II\+\0|MM\0\+"), "TIFF", since=3),
        Format("BMP", (".bmp",), _begins(rb"BM"), "BMP", since=3),
        Format("PGM/PPM/PBM", (".pgm", ".ppm", ".pbm", ".pnm"), _begins(rb"P[1-6][\s#]"), "PPM", since=3),
    )
)
SOUNDS = Formats(
    (
        Format("WAV", (".wav",), _WAV, "WAV"),
        Format("FLAC", (".flac",), _begins(rb"fLaC"), "FLAC"),
        Format("WAV", (".wave", ".rf64"), _WAV, "WAV", since=3),
        Format("AIFF", (".aif", ".aiff", ".aifc"), _begins(rb"FORM....AIF[FC]"), "AIFF", since=3),
        Format("Ogg Vorbis", (".ogg", ".oga"), _OGG, "OGG", since=3),
        Format("Opus", (".opus",), _OGG, "OGG", since=3),
        # An ID3 tag, or the header of a frame of layer III of MPEG-1, 2 or 2.5.
        Format("MP3", (".mp3",), _begins(rb"ID3|\xff[\xe2\xe3\xf2\xf3\xfa\xfb]"), "MP3", since=3),
    )
)
