"""Hostile Ogg files: pages with valid checksums around arbitrary data."""

import struct

from vq_estimator.data import ogg_pages


def pages(content):
    """Where the pages of an Ogg file and their bodies begin, and where they end."""
    found, at = [], 0
    while content[at : at + 4] == b"OggS" and len(content) >= at + 27:
        count = content[at + 26]
        body = at + 27 + count
        end = body + sum(content[at + 27 : body])
        found.append((at, body, end))
        at = end
    return found


def with_checksums(content):
    """An Ogg file whose pages have the right checksums again, so that a decoder looks into them."""
    out, last = bytearray(content), 0
    for at, _, end in pages(content):
        last = end
        if end <= len(content):
            out[at + 22 : at + 26] = bytes(4)
            out[at + 22 : at + 26] = struct.pack("<I", ogg_pages.page_checksum(bytes(out[at:end])))
    assert last or not content.startswith(b"OggS")
    return bytes(out)


def page(flags, number, packets, granule=0):
    """A page of whole packets."""
    lengths = b"".join(b"\xff" * (len(packet) // 255) + bytes([len(packet) % 255]) for packet in packets)
    head = b"OggS\0" + bytes([flags]) + struct.pack("<qIII", granule, 7, number, 0) + bytes([len(lengths)])
    return with_checksums(head + lengths + b"".join(packets))


def vorbis_bomb(books, entries):
    """A Vorbis file whose header has `books` codebooks of `entries` entries each, a power of 2, in a few bytes each."""
    setup, length = 0, 0

    def put(value, bits):
        nonlocal setup, length
        setup |= value << length
        length += bits

    for byte in b"\x05vorbis" + bytes([books - 1]):
        put(byte, 8)
    for _ in range(books):
        bits = entries.bit_length()
        for value, width in ((0x564342, 24), (1, 16), (entries, 24), (1, 1), (bits - 2, 5), (entries, bits), (0, 4)):
            put(value, width)
    put(0, 64)
    first = b"\x01vorbis" + struct.pack("<IBIIIIBB", 0, 1, 8000, 0, 0, 0, 0xB8, 1)
    tags = b"\x03vorbis" + bytes(8) + b"\x01"
    headers = page(2, 0, [first]) + page(0, 1, [tags, setup.to_bytes(length // 8 + 1, "little")])
    return headers + page(4, 2, [bytes(50)], 1000)
