"""A lossless codec: images or speech to a file as long as the bits/dim say, and the file back to the same, to the bit.

    from vq_estimator.inference import codec
    codec.compress("log/my-run", images, "images.vqz")          # uint8 [N, H, W, C]
    images = codec.decompress("log/my-run", "images.vqz").images

Codes under the prior, then pixels under p(x | z_q), by a range coder. Of a run of speech a recording is its mu-law
levels uint8 [T], as the model sees it. docs/codec.md describes the file.
"""

from vq_estimator.inference.codec.compression import Compressed, compress
from vq_estimator.inference.codec.container import Container, read
from vq_estimator.inference.codec.decompression import Decompressed, decompress, ranges
from vq_estimator.inference.codec.run import AUTO, PRIORS, Run, made_by, open_run
