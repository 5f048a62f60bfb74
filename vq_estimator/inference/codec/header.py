"""The header of a file: its fields, their JSON, and their validation.

From format version 3 on, the JSON is packed as deflate data with a preset dictionary. A lossy image may take a few
hundred bytes, fewer than its header in plain JSON. The dictionary has the text that most headers share, so that mainly
the fingerprints remain. It is part of the format: a change needs a new version.
"""

import json
import zlib
from typing import Dict, List, NamedTuple, Optional

from vq_estimator.config import has_wavefronts
from vq_estimator.data.files import parse_json
from vq_estimator.inference.codec import portable
from vq_estimator.inference.codec.coding import MAX_BATCH
from vq_estimator.inference.codec.run import FINGERPRINT, LEARNED, PRIORS
from vq_estimator.inference.codec.whole import WHOLE
from vq_estimator.nn.exact import MAX_EXPONENT

# 2: images that are not square, and decoders with wavefronts; 3: lossy and portable files, and images without tiles.
VERSIONS = (1, 2, 3)
PACKED = 3  # the first version with a packed header
MAX_HEADER = 1 << 16  # bytes of the header, packed and unpacked
MAX_PIXELS = 1 << 26  # per image
MAX_IMAGES = 1 << 31
HEX = frozenset("0123456789abcdef")
_DICTIONARY = (
    b'"aarch64" "bfloat16" "bernoulli" "categorical" "gaussian" "logistic" "mse" "waveform" "local" "autoregressive" '
    b'"uniform" "unigram" [24,1,3,3,1,20] [131072,1,1,2048,1,256] "sample_rate":8000 "size":[32,32] "scale":'
    b'{"model":"","sizes":[32,3,8,8,6,1024],"likelihood":"logistic_mixture 10","decoder":"factorised",'
    b'"prior":"learned","prior_model":"","scale":null,"batch":1,"images":1,"size":null,"arithmetic":{"tensorflow":"2.15.1",'
    b'"machine":"x86_64","precision":"float32","check":""},"lossy":true}'
)
_RAW = -15  # a deflate stream without zlib's header and checksum: the file has its own


class Header(NamedTuple):
    """The header of a file.

    Attributes:
      model: fingerprint of the checkpoint.
      sizes: [S, C, h, w, L, K] of its configuration, or [H, W, C, h, w, L, K] in format version 2 if images are not
        square. For speech models, S and [h, w] are the samples and codes of a full tile.
      likelihood, decoder: their names in its configuration.
      prior: one of PRIORS.
      prior_model: fingerprint of the prior's parameters, or "".
      scale: the scale of the likelihood "mse", or None.
      batch: tiles per chunk.
      images: number of images.
      size: [height, width] of every image, or None if the index has them.
      arithmetic: library versions, processor and checksums of sample results where the file was written. They are used
        in an error message only; the checksum of each chunk decides.
      sample_rate: in Hz, for speech models.
      lossy: whether the file has only the codes, and no pixels.
      layout: WHOLE for images of any size that are not cut into tiles; None for tiles.
      exponents: the exponents of the exact decoder of a portable file; None for other files.

    A field that has its default here is absent from the file.
    """

    model: str
    sizes: List[int]
    likelihood: str
    decoder: str
    prior: str
    prior_model: str
    scale: Optional[float]
    batch: int
    images: int
    size: Optional[List[int]]
    arithmetic: Dict[str, str]
    sample_rate: Optional[int] = None
    lossy: bool = False
    layout: Optional[str] = None
    exponents: Optional[List[int]] = None

    @property
    def version(self) -> int:
        """The lowest format version that can represent this header."""
        if self.lossy or self.portable or self.layout is not None:
            return 3
        return 2 if len(self.sizes) == 7 or has_wavefronts(self.decoder) else 1

    @property
    def content(self) -> str:
        """The kind of the examples, "images" or "recordings"."""
        return "images" if self.sample_rate is None else "recordings"

    @property
    def portable(self) -> bool:
        """Whether the probabilities of the pixels are computed by the exact decoder."""
        return self.exponents is not None

    @property
    def exact(self) -> str:
        """What the file restores exactly, "pixels" or "codes"."""
        return "codes" if self.lossy else "pixels"

    @property
    def reconstruction(self) -> str:
        """What a lossy file restores, for messages."""
        if self.content == "recordings":
            return "lossy: draws from the model, which are other waveforms of the same speech"
        return "lossy: reconstructions from the codes"

    @property
    def channels(self) -> int:
        """The number of channels of an image."""
        return self.sizes[-5]


DEFAULTS = Header._field_defaults


def encode(header: Header) -> bytes:
    """Returns the bytes of a header in its format version."""
    fields = {k: v for k, v in header._asdict().items() if k not in DEFAULTS or v != DEFAULTS[k]}
    text = json.dumps(fields, separators=(",", ":"), allow_nan=False).encode("ascii")
    return text if header.version < PACKED else pack(text)


def decode(content: bytes, version: int, chunks: int) -> Header:
    """Decodes the bytes of a header in a file of this format version and number of chunks.

    Raises:
      ValueError: the header is damaged or invalid.
    """
    text = content if version < PACKED else unpack(content)
    return _validated(parse_json(text.decode("ascii")), chunks)


def pack(header: bytes) -> bytes:
    """Compresses the JSON of a header."""
    packer = zlib.compressobj(9, zlib.DEFLATED, _RAW, 9, zlib.Z_DEFAULT_STRATEGY, _DICTIONARY)
    return packer.compress(header) + packer.flush()


def unpack(packed: bytes) -> bytes:
    """Decompresses the JSON of a header.

    Raises:
      ValueError: the data is damaged, or the JSON is larger than MAX_HEADER.
    """
    unpacker = zlib.decompressobj(_RAW, _DICTIONARY)
    try:
        header = unpacker.decompress(packed, MAX_HEADER + 1)
    except zlib.error as e:
        raise ValueError(f"its header is damaged ({e})") from None
    if len(header) > MAX_HEADER or not unpacker.eof or unpacker.unused_data:
        raise ValueError("its header is damaged")
    return header


def _validated(fields, chunks: int) -> Header:
    """Makes a Header of parsed JSON; raises ValueError if it is invalid."""

    def want(valid: bool, what: str) -> None:
        if not valid:
            raise ValueError(f"its header has an invalid {what}")

    def text(value) -> bool:
        return isinstance(value, str) and len(value) <= 80

    def number(value, low: int, high: int) -> bool:
        return type(value) is int and low <= value <= high

    want(isinstance(fields, dict) and {*fields, *DEFAULTS} == set(Header._fields), "set of fields")
    h = Header(**fields)
    want(h.sample_rate is None or (number(h.sample_rate, 1, 1 << 24) and h.size is None), "sample_rate")
    want(text(h.model) and set(h.model) <= HEX and len(h.model) == FINGERPRINT, "model")
    want(isinstance(h.sizes, list) and len(h.sizes) in (6, 7) and all(number(n, 1, 1 << 24) for n in h.sizes), "sizes")
    want(type(h.lossy) is bool, "entry 'lossy'")
    want(text(h.likelihood) and text(h.decoder), "likelihood or decoder")
    want(h.layout is None or (h.layout == WHOLE and has_wavefronts(h.decoder) and h.batch == 1), "layout")
    want(h.prior in PRIORS if text(h.prior) else False, "prior")
    want(text(h.prior_model) and set(h.prior_model) <= HEX, "prior_model")
    want(h.scale is None or (isinstance(h.scale, float) and 1e-3 <= h.scale <= 1e4), "scale")
    if h.portable:
        exponents = isinstance(h.exponents, list) and all(number(e, -MAX_EXPONENT, MAX_EXPONENT) for e in h.exponents)
        want(exponents and portable.supports(h.decoder) and h.prior != LEARNED and not h.lossy, "entry 'exponents'")
    want(number(h.batch, 1, MAX_BATCH), "batch")
    want(number(h.images, 1, min(MAX_IMAGES, h.batch * chunks)), "number of images")
    if h.size is not None:
        want(isinstance(h.size, list) and len(h.size) == 2 and all(number(n, 1, MAX_PIXELS) for n in h.size), "size")
        want(h.size[0] * h.size[1] <= MAX_PIXELS, "size")
    a = h.arithmetic
    want(isinstance(a, dict) and len(a) <= 8 and all(text(k) and text(v) for k, v in a.items()), "entry 'arithmetic'")
    return h
