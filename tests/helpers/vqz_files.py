"""Takes files of the codec apart and puts them together."""

import json
import zlib

from hypothesis import HealthCheck, given, settings

from helpers.hostile import damaged_json, refused, write
from vq_estimator.inference import codec
from vq_estimator.inference.codec import header as header_lib
from vq_estimator.inference.codec.container import ENTRY, FIXED, MAGIC


def parts(data):
    """Version, header (a dict), index, entries, chunks."""
    version, header, index, chunks, _ = FIXED.unpack(data[len(MAGIC) : len(MAGIC) + FIXED.size])
    at = len(MAGIC) + FIXED.size
    first = at + header + index + ENTRY.size * chunks
    entries = [list(e) for e in ENTRY.iter_unpack(data[at + header + index : first])]
    text = data[at : at + header]
    text = text if version < header_lib.PACKED else header_lib.unpack(text)
    return version, json.loads(text), data[at + header : at + header + index], entries, data[first:]


def packed(version, header, index, entries, rest):
    """A file whose checksum of the header is right, whatever the header says."""
    header = header if isinstance(header, bytes) else json.dumps(header).encode()
    header = header if version not in header_lib.VERSIONS[2:] else header_lib.pack(header)
    body = header + index + b"".join(ENTRY.pack(*e) for e in entries)
    lengths = (version, len(header), len(index), len(entries))
    return MAGIC + FIXED.pack(*lengths, zlib.crc32(FIXED.pack(*lengths, 0) + body)) + body + rest


def altered(count):
    """Decorates a property of altered files with the number of examples."""
    return settings(max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck))


def decompressed(run, path):
    """The images of a file, of which no chunk is lost."""
    found = codec.decompress(run, path, workers=1)
    assert found.lost == []
    return found.images


def check_lying_headers(whole, run, path, count):
    """Whatever the header of a file of 11 images says, the file is refused or has 11 images."""
    version, header, index, entries, rest = parts(whole)

    @altered(count)
    @given(damaged_json(header))
    def check(content):
        bad, found = refused(decompressed, run, write(path, packed(version, content, index, entries, rest)))
        assert bad or len(found) == 11

    check()
