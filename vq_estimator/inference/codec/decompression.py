"""Decompresses a file to its images or recordings."""

from typing import Iterator, List, NamedTuple, Optional, Union

import numpy as np

from vq_estimator.config import arguments
from vq_estimator.errors import VQError
from vq_estimator.inference.codec import container as container_lib
from vq_estimator.inference.codec import images as images_lib
from vq_estimator.inference.codec.chunk_workers import Progress, decode, in_order, number_of_workers
from vq_estimator.inference.codec.coder import library
from vq_estimator.inference.codec.coding import coding_of
from vq_estimator.inference.codec.container import Container
from vq_estimator.inference.codec.network import Network
from vq_estimator.inference.codec.run import AnyRun, Run, as_run, made_by, of_the_model, prior_for
from vq_estimator.inference.codec.tiles import Layout, join
from vq_estimator.training.checkpoints import fingerprint

OF_THE_MODEL = ("model", "sizes", "likelihood", "decoder", "sample_rate", "prior_model")


class Decompressed(NamedTuple):
    """The result of `decompress`.

    Attributes:
      images: in order, uint8 [H, W, C] each, or levels uint8 [T] for speech models; None for a lost one. The list is
        None if the images were written to `out`.
      number: number of images, including lost ones.
      lost: indices of the lost images, from 0.
    """

    images: Optional[List[Optional[np.ndarray]]]
    number: int
    lost: List[int]


def decompress(
    run: AnyRun,
    path: str,
    out: Optional[str] = None,
    keep_going: bool = False,
    workers: Optional[int] = None,
) -> Decompressed:
    """Decompresses a file that `compress` wrote; see there for an example.

    The images of a lossy file are reconstructions from the codes. The codes are always restored exactly; the
    reconstructions may differ by a level on another processor. Recordings are draws, the same ones each time.

    Args:
      run: the run that made the file; see `compress`.
      path: the file.
      out: NAME.npy, NAME.png for a file of one image, or a new folder of PNGs. For recordings: NAME.npy, NAME.wav for a
        file of one recording, or a new folder of WAVs. None: return the images in memory.
      keep_going: skip damaged chunks. The lost images are black in an array, lost recordings are silent, and a folder
        has no files for them.
      workers: number of chunks to decode in parallel; None: one per processor.

    Returns:
      The images or their number, and the indices of lost ones.

    Raises:
      VQError: the file is damaged (with `keep_going`: all chunks are damaged), another run made it, it was written on a
        machine whose floating-point results differ, or its images can't be written to `out`.
    """
    library()
    keep_going = arguments.boolean("keep_going", keep_going)
    out = None if out is None else arguments.path("out", out)
    path = arguments.path("path", path, "the path of a .vqz file")
    run, container = as_run(run), container_lib.read(path)
    header = container.header
    _check_model(run, container)
    layout = Layout(run.config.model, header.images, header.size, container.items, header.layout)
    if len(container.entries) != -(-layout.total // header.batch):
        raise VQError(f"{path}: got {len(container.entries)} chunks, expected {-(-layout.total // header.batch)}")
    most = coding_of(run.config.model).most_batch(layout.largest)
    if header.content == "recordings" and header.batch > most:
        raise VQError(f"{path}: got {header.batch} recordings per chunk, expected at most {most} of this length")
    if not keep_going:
        container_lib.check(container)
    if out is not None:
        images_lib.check_out(container, layout, out)
    workers, lost = number_of_workers(workers), []
    network = Network(
        run,
        header.prior,
        header.scale,
        workers,
        header.lossy,
        header.portable,
        header.exponents,
        header.layout,
    )

    def work(number: int) -> Union[np.ndarray, VQError]:
        frame = layout.frame(number * header.batch, min((number + 1) * header.batch, layout.total))
        entry, part = container.entries[number], progress.chunk(network, frame)
        try:
            payload = container.payload(number)
        except VQError as e:
            return e
        try:
            return decode(network, header, payload, frame, entry, number, part)
        except VQError as e:
            return VQError(f"{path}: chunk {number} of {len(container.entries)} {e}")
        finally:
            part.finish()

    def chunks() -> Iterator[Optional[np.ndarray]]:
        for _, tiles in in_order(work, range(len(container.entries)), workers, network.stop):
            if isinstance(tiles, VQError):
                problems.append(tiles)
                if not keep_going or len(problems) == len(container.entries):
                    raise tiles
                tiles = None
            yield tiles

    def numbered():
        for number, image in join(chunks(), layout, header.batch, header.channels):
            if image is None:
                lost.append(number)
            yield number, image if image is None else images_lib.array_of(container, image)

    problems: List[VQError] = []
    try:
        images = None
        with Progress(layout.total, "decompress") as progress:
            if out is None:
                by_number = dict(numbered())
                images = [by_number[number] for number in range(header.images)]
            else:
                images_lib.write(numbered(), container, layout, out)
        return Decompressed(images, header.images, sorted(lost))
    finally:
        network.close()


def ranges(numbers: List[int], most: int = 20) -> str:
    """Formats ascending numbers as at most `most` ranges, such as "3, 100 to 199"."""
    pairs: List[List[int]] = []
    for n in numbers:
        if pairs and n == pairs[-1][1] + 1:
            pairs[-1][1] = n
        else:
            pairs.append([n, n])
    texts = [str(a) if a == b else f"{a} to {b}" for a, b in pairs[:most]]
    return ", ".join(texts) + (f" and {len(pairs) - most} more ranges" if len(pairs) > most else "")


def _check_model(run: Run, container: Container) -> None:
    """Raises VQError if another run made the file, or if the run lacks the prior of the file."""
    header, path = container.header, container.path
    if not made_by(run, header.model):
        got = fingerprint(run.checkpoint.path)[:12]
        raise VQError(
            f"{path}: got a run with the weights {got}, expected {header.model[:12]}; use the run that made the file"
        )
    try:
        prior_for(run, header.prior)
    except VQError as e:
        raise VQError(f"{path}: can't be decoded with this run: {e}") from None
    ours = of_the_model(run, header.prior)
    for name in OF_THE_MODEL:
        if ours[name] != getattr(header, name):
            raise VQError(f"{path}: got {name} {getattr(header, name)}, expected {ours[name]} as in the run")
    if header.arithmetic.get("precision") != run.config.model.precision:
        got, want = header.arithmetic.get("precision"), run.config.model.precision
        raise VQError(f"{path}: got precision {got}, expected {want} as in the run")
    if header.content == "recordings":
        voices, speaker = max(len(run.config.model.speakers), 1), max(item.speaker for item in container.items)
        if speaker >= voices:
            raise VQError(f"{path}: got speaker {speaker}, expected 0 to {voices - 1} as in the run")
    if (header.scale is None) != (header.lossy or header.likelihood != "mse"):
        what = "a lossy file" if header.lossy else f"likelihood {header.likelihood}"
        raise VQError(f"{path}: got scale {header.scale} for {what}, expected one for lossless files and mse only")
