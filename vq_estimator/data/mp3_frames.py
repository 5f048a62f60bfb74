"""Counts the frames of an MP3 to find its length. libsndfile guesses the length of a file without a header for it."""

from typing import BinaryIO, List, NamedTuple, Optional

from vq_estimator.data.spliced_file import Part, SplicedFile

# Kilobits per second by the index in a frame's header, for layer III.
_MPEG_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_MPEG_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_RATES = (44100, 48000, 32000)  # rates of MPEG-1; MPEG-2 has half of them, MPEG-2.5 a quarter
_TAGS = (b"TAG", b"APETAGEX", b"LYRICSBEGIN", b"ID3")  # tags that may follow the last frame
_LENGTHS = (b"Xing", b"Info", b"VBRI")  # tags of the header with the number of frames, in the first frame


class _Frame(NamedTuple):
    """The header of a frame.

    Attributes:
      kind: properties that all frames of a file share: version, sample rate, and whether it is mono.
      size: bytes, including the header.
      samples: samples per channel.
      rate: samples per second.
    """

    kind: int
    size: int
    samples: int
    rate: int


def check(f: BinaryIO, max_seconds: int) -> Optional[SplicedFile]:
    """Reads all frames of an MP3.

    Returns:
      A file object for the decoder: the frames without tags, after a header with their number. None for a FLAC file
        that begins with the tag of an MP3, which needs no change.

    Raises:
      ValueError: the file is truncated, contains other data than frames, or is longer than `max_seconds`.
    """
    there = f.seek(0, 2)
    at = begin = _after_tag(f)
    f.seek(at)
    start = f.read(4096)
    if start.startswith(b"fLaC"):
        return None
    first, count = _read_frame(start), 0
    if first is None:
        raise ValueError("it holds no frame of MP3 where the first one should be")
    while True:
        f.seek(at)
        head = f.read(12)
        frame = _read_frame(head)
        if frame is None:
            break
        if frame.kind != first.kind:
            raise ValueError("its frames differ in their sample rate or channels")
        if at + frame.size > there:
            raise ValueError(f"it ends {at + frame.size - there} bytes before the end of its last frame")
        at, count = at + frame.size, count + 1
        if count * first.samples > max_seconds * first.rate:
            raise ValueError(f"it has more than {max_seconds:,} seconds")
    if head.strip(b"\0") and not head.startswith(_TAGS):
        raise ValueError(f"it holds what is no frame of MP3, at byte {at:,}")
    parts: List[Part] = [(begin, at)]
    said = _number_of_frames(start[: first.size])
    if said is None:
        parts.insert(0, _with_number(start[:4], first, count))
    elif abs(count - 1 - said) > 1:  # some encoders count the frame with the header, others do not
        raise ValueError(f"it has {count - 1:,} frames, expected {said:,} as its header says")
    return SplicedFile(f, parts)


def _after_tag(f: BinaryIO) -> int:
    """The position of the first frame, after ID3 tags and zeros."""
    at = 0
    while True:
        f.seek(at)
        head = f.read(10)
        if not head.startswith(b"ID3") or len(head) < 10:
            break
        size = 0
        for byte in head[6:10]:
            size = size << 7 | byte & 0x7F
        at += 10 + size + (10 if head[5] & 0x10 else 0)
    f.seek(at)
    padding = f.read(1 << 16) if at else b""
    return at + len(padding) - len(padding.lstrip(b"\0"))


def _read_frame(head: bytes) -> Optional[_Frame]:
    """The header of a frame of layer III, or None."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:
        return None
    version, bitrate, rate = head[1] >> 3 & 3, head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or bitrate in (0, 15) or rate == 3:  # 0 means free format, in which the length is unknown
        return None
    is_mpeg_1, mono = version == 3, head[3] >> 6 == 3
    kilobits, hertz = (_MPEG_1 if is_mpeg_1 else _MPEG_2)[bitrate], _RATES[rate] >> {3: 0, 2: 1, 0: 2}[version]
    size = (144 if is_mpeg_1 else 72) * 1000 * kilobits // hertz + (head[2] >> 1 & 1)
    return _Frame(version << 3 | rate << 1 | mono, size, 1152 if is_mpeg_1 else 576, hertz)


def _information(head: bytes) -> int:
    """The position after a frame's side information, where the header with the number of frames would begin."""
    mono = head[3] >> 6 == 3
    return 4 + ((17 if mono else 32) if head[1] & 8 else (9 if mono else 17))


def _number_of_frames(frame: bytes) -> Optional[int]:
    """The number of frames according to the first frame, or None."""
    for at, where in ((_information(frame), 8), (36, 14)):  # Xing and Info, VBRI
        header = frame[at : at + 18]
        if not header.startswith(_LENGTHS) or len(header) < 18:
            continue
        if header.startswith(b"VBRI") or header[7] & 1:
            return int.from_bytes(header[where : where + 4], "big")
    return None


def _with_number(head: bytes, frame: _Frame, count: int) -> bytes:
    """A silent frame of the same kind with the number of frames that follow it."""
    largest = bytes([head[0], head[1] | 1, head[2] & 0x0D | 0xE0, head[3]])  # the highest bitrate, without checksum
    made = _read_frame(largest)
    assert made is not None
    body = largest + bytes(_information(largest) - 4) + b"Xing" + (1).to_bytes(4, "big") + count.to_bytes(4, "big")
    return body.ljust(made.size, b"\0")
