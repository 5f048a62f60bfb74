"""The index of a checkpoint, taken apart and put together with right checksums."""

import struct


def _crc_table():
    for n in range(256):
        for _ in range(8):
            n = (n >> 1) ^ (0x82F63B78 if n & 1 else 0)
        yield n


CRC_TABLE = list(_crc_table())


def masked_crc(data):
    """CRC-32C as LevelDB keeps it."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CRC_TABLE[(crc ^ byte) & 255] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def blocks(index):
    """(start, size) of the blocks of an index of few tensors: of the entries, without names, and of their places."""
    handles, at, value, shift = [], len(index) - 48, 0, 0
    while len(handles) < 4:
        value |= (index[at] & 127) << shift
        shift += 7
        if index[at] < 128:
            handles.append(value)
            value, shift = 0, 0
        at += 1
    return [(0, handles[0] - 5), handles[:2], handles[2:]]


def with_checksums(changed, places):
    """A damaged index whose blocks have the right checksums again, so that a reader believes them."""
    out = bytearray(changed)
    for start, size in places:
        if start + size + 5 <= len(out):
            out[start + size + 1 : start + size + 5] = struct.pack("<I", masked_crc(out[start : start + size + 1]))
    return bytes(out)


def contents(path):
    with open(path + ".index", "rb") as index, open(path + ".data-00000-of-00001", "rb") as data:
        return index.read(), data.read()
