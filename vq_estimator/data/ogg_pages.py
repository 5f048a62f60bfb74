"""Checks that an Ogg file is complete and safe to decode.

libsndfile silently skips pages that are damaged or missing, and a few bytes of a Vorbis header can request codebooks
that exhaust libvorbis's memory or its stack.
"""

import zlib
from typing import BinaryIO, NamedTuple

VORBIS, OPUS = b"\x01vorbis", b"OpusHead"  # how the first packet begins
HEADER_PACKETS = 3  # header packets of Vorbis; the last one has the codebooks
MAX_HEADERS = 1 << 24  # bytes of all headers, including pictures in the tags
MAX_ENTRIES = 1 << 16  # entries of all codebooks; libvorbis's own encoder makes up to about 12,000
CODEBOOK = b"BCV"  # begins a codebook, at any bit
HEAD = 27  # bytes of a page before its list of segments
FIRST, LAST = 2, 4  # flags of a page
_REVERSED = bytes(int(f"{i:08b}"[::-1], 2) for i in range(256))


class _Page(NamedTuple):
    flags: int
    serial: int
    number: int
    segments: bytes
    body: bytes


def check(f: BinaryIO) -> None:
    """Reads all pages of an Ogg file.

    Raises:
      ValueError: the file is truncated, a page is damaged or missing, it is not one stream of Vorbis or Opus, or its
        headers request too much.
    """
    page = first = _read_page(f)
    packets, size = [b""], 0  # the header packets; the last one may be incomplete
    while True:
        at = 0
        for length in page.segments:
            if len(packets) <= HEADER_PACKETS:
                packets[-1] += page.body[at : at + length]
                if length < 255:
                    packets.append(b"")
            at += length
        size += len(page.body)
        if len(packets) <= HEADER_PACKETS and size > MAX_HEADERS:
            raise ValueError(f"its headers have more than {MAX_HEADERS >> 20} MiB")
        if page.flags & LAST:
            break
        number, page = page.number, _read_page(f)
        if page.serial != first.serial or page.flags & FIRST:
            raise ValueError("it holds several streams, expected one")
        if page.number != number + 1:
            raise ValueError(f"its page {number + 1} is missing")
    if f.read(4) == b"OggS":
        raise ValueError("it holds several streams, expected one")
    if not packets[0].startswith((VORBIS, OPUS)):
        raise ValueError("it is an Ogg file without Vorbis or Opus")
    if packets[0].startswith(VORBIS) and len(packets) >= HEADER_PACKETS:
        _check_codebooks(packets[HEADER_PACKETS - 1])


def _read_page(f: BinaryIO) -> _Page:
    head = f.read(HEAD)
    if len(head) < HEAD or not head.startswith(b"OggS"):
        raise ValueError(
            "it ends before its last page" if len(head) < HEAD else "it holds data that is not an Ogg page"
        )
    segments = f.read(head[26])
    body = f.read(sum(segments))
    if len(segments) < head[26] or len(body) < sum(segments):
        raise ValueError("it ends within a page")
    serial, number, checksum = (int.from_bytes(head[i : i + 4], "little") for i in (14, 18, 22))
    if page_checksum(head[:22] + bytes(4) + head[26:] + segments + body) != checksum:
        raise ValueError(f"its page {number} is damaged")
    return _Page(head[5], serial, number, segments, body)


def page_checksum(page: bytes) -> int:
    """Ogg's CRC: zlib's polynomial with reversed bit order, starting from 0, without the final inversion."""
    reflected = zlib.crc32(page.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int.from_bytes(reflected.to_bytes(4, "little").translate(_REVERSED), "big")


def _check_codebooks(packet: bytes) -> None:
    """Raises a ValueError if the codebooks of a Vorbis header have too many entries, wherever they begin."""
    bits, entries = int.from_bytes(packet, "little"), 0
    for shift in range(8):
        aligned = (bits >> shift).to_bytes(len(packet), "little")
        at = aligned.find(CODEBOOK)
        while at >= 0:
            dimensions, count = (int.from_bytes(aligned[at + i : at + j], "little") for i, j in ((3, 5), (5, 8)))
            if dimensions.bit_length() + count.bit_length() <= 24:  # libvorbis rejects others
                entries += count
            at = aligned.find(CODEBOOK, at + 1)
    if entries > MAX_ENTRIES:
        raise ValueError(f"its codebooks have {entries:,} entries, expected at most {MAX_ENTRIES:,}")
