"""A codec for images and speech, whose files have about the size that the model's bits/dim predict.

    from vq_estimator.inference import codec
    codec.compress("log/my-run", images, "images.vqz")          # uint8 [N, H, W, C]
    images = codec.decompress("log/my-run", "images.vqz").images

A range coder writes the codes under the prior and then the pixels under p(x | z_q). A lossy file has only the codes.
For speech models, a recording is the array of its mu-law levels, uint8 [T], as the model reads it.
docs/codec_format.md describes the file format.
"""

from vq_estimator.inference.codec.compression import Compressed, compress
from vq_estimator.inference.codec.container import Container, read
from vq_estimator.inference.codec.decompression import Decompressed, decompress, ranges
from vq_estimator.inference.codec.run import AUTO, PRIORS, Run, made_by, open_run
