"""Takes files of the codec apart and puts them together."""

import json
import zlib

from hypothesis import HealthCheck, settings

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
