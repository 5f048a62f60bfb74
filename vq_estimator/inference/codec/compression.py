"""Compresses images or recordings to a file."""

import logging
import os
from typing import Iterable, Iterator, List, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np

from vq_estimator.config import arguments, part
from vq_estimator.data.files import atomic_path
from vq_estimator.errors import VQError
from vq_estimator.inference.codec import container as container_lib
from vq_estimator.inference.codec import portable as portable_lib
from vq_estimator.inference.codec.chunk_workers import Progress, encode, in_order, number_of_workers
from vq_estimator.inference.codec.coder import library
from vq_estimator.inference.codec.coding import coding_of
from vq_estimator.inference.codec.container import Item
from vq_estimator.inference.codec.header import Header
from vq_estimator.inference.codec.images import Images
from vq_estimator.inference.codec.network import Network
from vq_estimator.inference.codec.run import (
    AUTO,
    AnyRun,
    as_run,
    batch_for,
    of_the_model,
    prior_for,
    scale_of,
)
from vq_estimator.inference.codec.tiles import Layout, Tiles, cut
from vq_estimator.inference.codec.whole import coding_for, layout_for
from vq_estimator.progress import ProgressBar

log = logging.getLogger("vq_estimator")


class Compressed(NamedTuple):
    """Counts of a file that was written.

    Attributes:
      images: number of images; for speech models, of recordings.
      dims: number of dimensions of all images; for speech models, of samples.
      bytes: size of the file in bytes.
      header: number of these bytes before the first chunk.
      prior: the prior under which the codes were coded.
      lossy: whether the file has only the codes.
    """

    images: int
    dims: int
    bytes: int
    header: int
    prior: str
    lossy: bool = False

    @property
    def bits_per_dim(self) -> float:
        """Bits per dimension of the complete file."""
        return 8.0 * self.bytes / self.dims


def compress(
    run: AnyRun,
    images: Union[np.ndarray, Sequence[np.ndarray], Images],
    path: str,
    prior: str = AUTO,
    verify: bool = True,
    batch: Optional[int] = None,
    workers: Optional[int] = None,
    lossy: bool = False,
    portable: bool = False,
) -> Compressed:
    """Compresses images to a file, which is written completely or not at all.

        >>> import numpy as np
        >>> import vq_estimator as vq
        >>> images = np.zeros([1, 24, 24, 1], np.uint8)
        >>> with vq.load("mnist") as model:
        ...     done = vq.compress(model, images, "images.vqz", workers=1)
        ...     again = vq.decompress(model, "images.vqz", workers=1).images
        >>> bool((again == images).all())
        True

    Args:
      run: a run directory, the result of `open_run`, an ImageModel or a SpeechModel.
      images: uint8 [N, H, W, C], a list of [H, W, C], or the result of a function of `codec.images`. For speech models:
        mu-law levels uint8 [N, T], a list of [T], or the result of a function of `codec.recordings`.
      path: the file to write.
      prior: "learned", "unigram" or "uniform"; "auto": the first of these that the run has.
      verify: decode every chunk and compare it with the input before the file gets its final name.
      batch: tiles per chunk; None: a number that fits in memory, up to 200, and fills the last chunk. Images that are
        coded without tiles have a chunk each.
      workers: number of chunks to encode in parallel; None: one per processor.
      lossy: write the codes only, for a much smaller file. `decompress` returns the reconstructions of images, and
        draws from p(x | z_q, speaker) for recordings. `verify` then compares the codes.
      portable: write a file that decodes on any processor and any version of TensorFlow, for factorised and local
        decoders. Its prior is "unigram" or "uniform".

    Returns:
      The sizes of the input and of the file.

    Raises:
      VQError: the images do not fit the run, the run lacks the prior or a calibration, a chunk does not decode to its
        input, `lossy` is set for a model whose images are draws, or `portable` for one that has no exact form.
    """
    library()
    path, verify = arguments.path("path", path, "the path of a file to write"), arguments.boolean("verify", verify)
    lossy, portable = arguments.boolean("lossy", lossy), arguments.boolean("portable", portable)
    if lossy and portable:
        raise VQError("portable: got it together with lossy, expected only one of them")
    if os.path.isdir(path):
        raise VQError(f"path: got {path!r}, which is a folder, expected the path of a file to write")
    run = as_run(run)
    m = run.config.model
    if not isinstance(images, Images):
        images = part(m, "codec_input").from_arrays(images, m)
    coding_of(m).check(images)
    if lossy:
        coding_of(m).check_lossy()
    if portable:
        portable_lib.check(m)
    prior = portable_lib.choose_prior(run, prior) if portable else prior_for(run, prior)
    scale = None if lossy else scale_of(run)
    items = None if images.items is None else list(images.items)
    name = layout_for(m, images.size, items)
    coding, layout = coding_for(m, name), Layout(m, images.number, images.size, items, name)
    batch = batch_for(coding, layout.total, layout.largest) if batch is None else batch
    most = coding.allowed_batch(layout.largest)
    batch = arguments.integer("batch", batch, 1, most, f"1 to {most}") if name is None else 1
    workers = number_of_workers(workers)
    network = Network(run, prior, scale, workers, lossy, portable, layout=name)
    try:
        if coding.voices:
            _find_voices(network, images, items)
        size = None if images.size is None else [int(n) for n in images.size]
        header = Header(
            **of_the_model(run, prior),
            prior=prior,
            scale=scale,
            batch=batch,
            images=images.number,
            size=size,
            arithmetic=network.arithmetic(),
            lossy=lossy,
            layout=name,
            exponents=network.exponents,
        )

        def work(tiles: Tiles) -> Tuple[bytes, int, int]:
            return encode(network, header, tiles, verify, progress.chunk(network, tiles.frame))

        title = "compress and verify" if verify else "compress"
        with atomic_path(path) as temporary, Progress(layout.total, title, 2 if verify else 1) as progress:
            with open(temporary, "wb") as f:
                writer = container_lib.Writer(f, header, items, -(-layout.total // batch))
                each = images.each if images.read is None else map(images.read, layout.order)
                chunks = cut(_checked(each, m.binarize), layout, batch)
                for _, result in in_order(work, chunks, workers, network.stop):
                    writer.add(*result)
                writer.finish()
            written = container_lib.read(temporary)
            if verify:
                container_lib.check(written)
    finally:
        network.close()
    dims = sum(h * w for h, w in (layout.size(i) for i in range(images.number))) * m.channels
    return Compressed(images.number, dims, written.size, written.overhead, prior, lossy)


def _find_voices(network: Network, images: Images, items: List[Item]) -> None:
    """Sets the speaker of each item that has none to the speaker under whom the recording is most likely."""
    unknown = [i for i, item in enumerate(items) if item.speaker is None]
    if unknown:
        log.info("%d of %d recordings have no known speaker; each gets the most likely one", len(unknown), len(items))
    for i in ProgressBar(unknown, unit="clip", desc="find speakers", **({} if unknown else {"disable": True})):
        items[i] = items[i]._replace(speaker=network.likeliest_speaker(images.read(i)))


def _checked(images: Iterable[np.ndarray], binary: bool) -> Iterator[np.ndarray]:
    for number, image in enumerate(images):
        if binary and not ((image == 0) | (image == 255)).all():
            raise VQError(
                f"input: got an image (number {number}) with levels between 0 and 255, expected only 0 and 255, "
                "because the model was trained on binary images"
            )
        yield image
