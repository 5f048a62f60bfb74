"""Reads images from data sets, arrays and files for compression, and writes decompressed images and recordings.

`recordings.py` reads recordings for compression.
"""

import os
from typing import Callable, Iterator, List, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np
import tensorflow.compat.v1 as tf

from vq_estimator import drawing
from vq_estimator.config import Config, DataConfig, ModelConfig, arguments
from vq_estimator.data import audio, batching, image_arrays, lossless_images, pipeline
from vq_estimator.data import folder as folder_lib
from vq_estimator.data.bad_files import BadFiles, Limit
from vq_estimator.data.files import atomic_folder, atomic_path
from vq_estimator.data.outputs import ARRAY, FOLDER, SOUND, SUFFIXES, output_kind
from vq_estimator.data.sources import Source
from vq_estimator.errors import NoExampleError, VQError
from vq_estimator.inference import code_files
from vq_estimator.inference.codec.container import MAX_PIXELS, Container, Item
from vq_estimator.inference.codec.tiles import Layout


class Images(NamedTuple):
    """Images to compress.

    Attributes:
      number: number of images.
      size: (height, width) of every image, or None if `items` has the sizes.
      items: one per image, or None if the images have neither names nor different sizes.
      each: iterator over the images uint8 [H, W, C], in order.
      read: a function from an index to an image, for random access; recordings need it.
      left_out: number of files that cannot be compressed.
    """

    number: int
    size: Optional[Tuple[int, int]]
    items: Optional[List[Item]]
    each: Iterator[np.ndarray]
    read: Optional[Callable[[int], np.ndarray]] = None
    left_out: int = 0


def of_arrays(arrays: Union[np.ndarray, Sequence[np.ndarray]], channels: int) -> Images:
    """Makes Images of an array uint8 [N, H, W, C], or of a list of arrays [H, W, C] of different sizes.

    Raises:
      VQError: the dtype or the shape of an array is invalid, or there is no image.
    """
    if isinstance(arrays, np.ndarray):
        if arrays.dtype != np.uint8 or arrays.ndim != 4 or arrays.shape[-1] != channels or not arrays.size:
            got = f"{arrays.dtype} {list(arrays.shape)}"
            raise VQError(f"input: got {got}, expected uint8 [N, H, W, {channels}]")
        if arrays.shape[1] * arrays.shape[2] > MAX_PIXELS:
            raise VQError(f"input: got images of {list(arrays.shape[1:3])}, expected at most {MAX_PIXELS:,} pixels")
        return Images(len(arrays), arrays.shape[1:3], None, iter(arrays))
    arrays = arguments.listed("input", arrays, f"uint8 [N, H, W, {channels}], or a list of [H, W, {channels}]")
    for a in arrays:
        if not isinstance(a, np.ndarray) or a.dtype != np.uint8 or a.ndim != 3 or a.shape[-1] != channels or not a.size:
            got = f"{a.dtype} {list(a.shape)}" if isinstance(a, np.ndarray) else type(a).__name__
            raise VQError(f"input: got {got} in the list, expected uint8 [H, W, {channels}]")
    if not len(arrays):
        raise VQError("input: got no image, expected one or more")
    return Images(len(arrays), None, [Item("", *a.shape[:2]) for a in arrays], iter(arrays))


def from_arrays(arrays: Union[np.ndarray, Sequence[np.ndarray]], m: ModelConfig) -> Images:
    """Makes Images of arrays for a model; see `of_arrays`."""
    return of_arrays(arrays, m.channels)


def of_npy(path: str, channels: int, array: str = DataConfig.array) -> Images:
    """Reads a `.npy` of uint8 [N, H, W, C], or the array named `array` in a `.npz`.

    Raises:
      VQError: the file can't be read, or the dtype or the shape of its array is invalid.
    """
    try:
        return of_arrays(image_arrays.load(path, array, channels), channels)
    except (OSError, ValueError) as e:
        reason = getattr(e, "strerror", None) or e
        raise VQError(f"input: {path!r} can't be read as an array of images ({reason})") from None


def of_split(config: Config, source: Source, split: str) -> Images:
    """Reads a split of a data set, resized and binarized as for the model's training.

    Raises:
      VQError: the number of channels differs from the model's.
    """
    m, channels = config.model, source.spec.shape[-1]
    if channels != m.channels:
        raise VQError(f"input: got {source.spec.name} with {channels} channels, expected {m.channels} as in the model")
    total, batch = pipeline.split_size(source, split), batching.evaluation_batch(m.dims)

    def each():
        with tf.Graph().as_default(), tf.Session() as session:
            dataset = pipeline.evaluation_dataset(source, split, m.size, batch, m.binarize)
            step = session.make_callable(tf.data.make_one_shot_iterator(dataset).get_next()["image"])
            for _ in range(-(-total // batch)):
                yield from step()

    return Images(total, m.size, None, each())


def of_files(folder: str, names: Sequence[str], channels: int, max_bad_files: Limit = 0) -> Images:
    """Reads image files at their original sizes. Each file is read twice.

    Files that can't be read are skipped with a warning.

    Args:
      folder: the folder of the files.
      names: their paths below `folder`, with "/" as separator.
      channels: channels of the model.
      max_bad_files: number of files that may be unreadable.

    Raises:
      VQError: more than `max_bad_files` files or all files can't be read, or their names are invalid.
    """
    return of_readable(names, lambda name: lossless_images.read(below(folder, name), channels), folder, max_bad_files)


def from_files(folder: str, names: Sequence[str], m: ModelConfig, max_bad_files: Limit = 0) -> Images:
    """Reads image files for a model; see `of_files`."""
    return of_files(folder, names, m.channels, max_bad_files)


def of_readable(
    names: Sequence[str], read_file: Callable[[str], np.ndarray], folder: str, max_bad_files: Limit
) -> Images:
    """Makes Images of files; `read_file` returns uint8 [H, W, C] or raises ValueError. See `of_files`."""
    items, bad = [], BadFiles.of(max_bad_files, "can't be compressed")
    for name in names:
        try:
            items.append(Item(name, *read_file(name).shape[:2]))
        except ValueError as e:
            bad.add(name, str(e))
    if not items:
        got = f"{len(names)} files in {folder!r}, none of which can be compressed"
        raise NoExampleError(f"input: got {got}, expected one or more; the last error is: {bad.files[-1][1]}")
    try:
        code_files.renamed([item.name for item in items])
    except ValueError as e:  # report it now rather than at decompression
        raise VQError(f"input: {e}") from None

    def read(number):
        item = items[number]
        try:
            image = read_file(item.name)
        except ValueError as e:
            raise VQError(f"input: {item.name}: can't be read any more: {e}") from None
        if image.shape[:2] != (item.height, item.width):
            raise VQError(f"input: {item.name}: has changed during compression")
        return image

    return Images(len(items), None, items, map(read, range(len(items))), read, len(bad.files))


def of_folder(folder: str, channels: int, max_bad_files: Limit = 0) -> Images:
    """Reads all image files below a folder, in the order of their paths; see `of_files`."""
    return of_files(folder, folder_lib.paths(folder), channels, max_bad_files)


def below(folder: str, name: str) -> str:
    """Returns the path of a file whose path below `folder` is `name`, with "/" as separator."""
    return os.path.join(folder, *name.split("/"))


class _Kind(NamedTuple):
    """The differences between images and recordings in `write`."""

    name: str  # for messages
    suffix: str  # of a file
    file: str  # the kind of a file in `data.outputs`
    lost: int  # the level of lost images or recordings
    save: Callable[[str, np.ndarray], None]  # (path, result of `array_of`)


def _kind(container: Container) -> _Kind:
    rate = container.header.sample_rate
    if rate is None:
        suffix = drawing.image_suffix(container.header.channels)
        return _Kind("images", suffix, SUFFIXES[suffix], 0, drawing.save_image)
    return _Kind("recordings", ".wav", SOUND, audio.SILENCE, lambda path, levels: audio.write_wav(path, levels, rate))


def array_of(container: Container, image: np.ndarray) -> np.ndarray:
    """Returns an image uint8 [H, W, C] unchanged, and a recording uint8 [1, T, 1] as uint8 [T]."""
    return image if container.header.content == "images" else image[0, :, 0]


Numbered = Iterator[Tuple[int, Optional[np.ndarray]]]


def check_out(container: Container, layout: Layout, out: str) -> None:
    """Raises VQError, before any decoding, if the images of a file can't be written to `out`; see `write`."""
    n, kind = container.header.images, _kind(container)
    as_what = _output_kind(container, out)
    if as_what == ARRAY:
        if len({layout.size(i) for i in range(n if container.items is not None else 1)}) > 1:
            raise VQError(f"out: got {out!r} for {kind.name} of different sizes, expected a folder to make")
    elif as_what == kind.file:
        if n != 1:
            raise VQError(f"out: got {out!r} for {n:,} {kind.name}, expected a folder to make, or NAME.npy")
    elif os.path.lexists(out):
        raise VQError(f"out: {out!r} exists; give the name of a folder to make")
    else:
        _names(container)


def _output_kind(container: Container, out: str) -> str:
    return output_kind("out", out, tuple(dict.fromkeys((_kind(container).file, ARRAY, FOLDER))), FOLDER)


def _names(container: Container) -> List[str]:
    if container.items is None or not any(item.name for item in container.items):
        return []
    try:
        return code_files.renamed([item.name for item in container.items], _kind(container).suffix)
    except ValueError as e:
        raise VQError(f"{container.path}: can't be written to a folder: {e}") from None


def _reserve(file: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, size)


def write(images: Numbered, container: Container, layout: Layout, out: str) -> None:
    """Writes images to NAME.npy, to NAME.png if there is one image, or to a folder with one PNG per image.

    The output is written completely or not at all. Recordings are written as WAVs instead of PNGs. A folder has .npy
    files if PNG does not support the number of channels.

    Args:
      images: an iterator over (index, image), where the image is the result of `array_of`, or None if it is lost. An
        array has black images or silent recordings for lost ones; a folder has no files for them.
      container: the file that is decompressed.
      layout: the layout of its tiles.
      out: the path to write.
    """
    n, channels, kind = container.header.images, container.header.channels, _kind(container)
    as_what = _output_kind(container, out)
    if as_what == ARRAY:
        with atomic_path(out) as temporary:
            first = array_of(container, np.empty((*layout.size(0), channels), np.uint8))
            array = np.lib.format.open_memmap(temporary, "w+", np.uint8, (n, *first.shape))
            with open(temporary, "r+b") as f:  # a full disk raises OSError here instead of a bus error later
                _reserve(f.fileno(), os.fstat(f.fileno()).st_size)
            for number, image in images:
                array[number] = kind.lost if image is None else image
            array.flush()
            del array
    elif as_what == kind.file:
        for _, image in images:
            if image is not None:
                kind.save(out, image)
    else:
        names = _names(container)
        with atomic_folder(out) as folder:
            for number, image in images:
                if image is not None:
                    name = names[number] if names else f"{number:06d}{kind.suffix}"
                    kind.save(below(folder, name), image)
