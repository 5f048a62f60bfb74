"""A file back to its images."""

import zlib
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
from vq_estimator.inference.codec.tiles import Layout, Tiles, join
from vq_estimator.training.checkpoints import fingerprint

OF_THE_MODEL = ("model", "sizes", "likelihood", "decoder", "sample_rate", "prior_model")


class Decompressed(NamedTuple):
    """What was read.

    Attributes:
      images: in order, None for a lost one; None where they were written to files. Of speech levels uint8 [T] each.
      number: how many.
      lost: the numbers of those that are lost, from 0.
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
    """The images of a file of `compress`, where an example is.

    Args:
      run: that which made it; see `compress`.
      path: the file.
      out: NAME.npy, NAME.png of one image, or a folder to make, of a PNG each; of recordings NAME.npy, NAME.wav, or a
        folder of WAVs; None: into memory.
      keep_going: leave out chunks that are damaged. Their images are black in an array, their recordings silent, and
        both missing in a folder.
      workers: chunks that are worked on at a time; None: one for each processor.

    Raises:
      VQError: the file is damaged (without `keep_going`; with it, where nothing is left), or not of this run, or was
        written where floats round in another way; or `out` is none that its images can go to.
    """
    library()
    keep_going = arguments.boolean("keep_going", keep_going)
    out = None if out is None else arguments.path("out", out)
    path = arguments.path("path", path, "the path of a .vqz file")
    run, container = as_run(run), container_lib.read(path)
    header = container.header
    _check_model(run, container)
    layout = Layout(run.config.model, header.images, header.size, container.items)
    if len(container.entries) != -(-layout.total // header.batch):
        raise VQError(f"{path}: has {len(container.entries)} chunks, expected {-(-layout.total // header.batch)}")
    most = coding_of(run.config.model).most_batch(layout.largest)
    if header.content == "recordings" and header.batch > most:
        raise VQError(f"{path}: has {header.batch} recordings in a chunk, expected at most {most} so long ones")
    if not keep_going:
        container_lib.check(container)
    if out is not None:
        images_lib.check_out(container, layout, out)
    workers, lost = number_of_workers(workers), []
    network = Network(run, header.prior, header.scale, workers)

    def work(number: int) -> Union[np.ndarray, VQError]:
        frame = layout.frame(number * header.batch, min((number + 1) * header.batch, layout.total))
        entry, part = container.entries[number], progress.chunk(network, frame, header.channels)
        try:
            payload = container.payload(number)
        except VQError as e:
            return e
        try:
            tiles = decode(network, header, payload, frame, entry.tables_crc, part)
        except VQError as e:
            return VQError(f"{path}: chunk {number} of {len(container.entries)} {e}")
        finally:
            part.finish()
        if zlib.crc32(Tiles(tiles, frame).true_pixels()) != entry.pixels_crc:
            return VQError(f"{path}: chunk {number} of {len(container.entries)} gives other pixels (checksum)")
        return tiles

    def chunks() -> Iterator[Optional[np.ndarray]]:
        found = in_order(work, range(len(container.entries)), workers, network.stop)
        for _, tiles in found:
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
                found = dict(numbered())
                images = [found[number] for number in range(header.images)]
            else:
                images_lib.write(numbered(), container, layout, out)
        return Decompressed(images, header.images, sorted(lost))
    finally:
        network.close()


def ranges(numbers: List[int], most: int = 20) -> str:
    """Ascending numbers in words: "3, 100 to 199"."""
    found: List[List[int]] = []
    for n in numbers:
        if found and n == found[-1][1] + 1:
            found[-1][1] = n
        else:
            found.append([n, n])
    shown = [str(a) if a == b else f"{a} to {b}" for a, b in found[:most]]
    return ", ".join(shown) + (f" and {len(found) - most} more ranges" if len(found) > most else "")


def _check_model(run: Run, container: Container) -> None:
    """Raises VQError where a file was made by another run, or the run lacks what it was made with."""
    header, path = container.header, container.path
    if not made_by(run, header.model):
        got = fingerprint(run.checkpoint.path)[:12]
        raise VQError(
            f"{path}: was made by the weights {header.model[:12]}, got a run with {got}; name that which made it"
        )
    try:
        prior_for(run, header.prior)
    except VQError as e:
        raise VQError(f"{path}: needs what the run does not have: {e}") from None
    ours = of_the_model(run, header.prior)
    for name in OF_THE_MODEL:
        if ours[name] != getattr(header, name):
            raise VQError(f"{path}: was made with {name} {getattr(header, name)}, expected {ours[name]}, the run's")
    if header.arithmetic.get("precision") != run.config.model.precision:
        got, want = header.arithmetic.get("precision"), run.config.model.precision
        raise VQError(f"{path}: was made in {got}, expected {want}, the run's precision")
    if header.content == "recordings":
        voices, found = max(len(run.config.model.speakers), 1), max(item.speaker for item in container.items)
        if found >= voices:
            raise VQError(f"{path}: has the speaker {found}, expected 0 to {voices - 1}, the run's")
    if (header.scale is None) != (header.likelihood != "mse"):
        raise VQError(f"{path}: has a scale of {header.scale} for the likelihood {header.likelihood}")
