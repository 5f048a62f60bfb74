"""Explores what codes mean. The results are arrays of images and codes, for pictures and notebooks.

Code maps are int32 [h, w, L] and images uint8 [N, H, W, C]. With an autoregressive decoder an image is a draw. All
images of a call are drawn with the same random numbers, so that their differences are due to the codes.
"""

import contextlib
from typing import List, NamedTuple, Optional, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from vq_estimator import drawing
from vq_estimator.data.sources import Source
from vq_estimator.inference.calibration import Calibration
from vq_estimator.inference.image_model import ImageModel
from vq_estimator.inference.session import OpenRun

BLOCK = 1024  # entries per chunk of the neighbour search
AROUND = 4  # positions per side of a crop
MOST = 512  # largest number of entries of a codebook in the plot of distances


class Encoded(NamedTuple):
    """Images uint8 [N, H, W, C], their labels int32 [N] and their codes int32 [N, h, w, L]."""

    images: np.ndarray
    labels: np.ndarray
    codes: np.ndarray


def encode_first(model: ImageModel, source: Source, num: int, split: str = "test") -> Encoded:
    """The first images of a split and their codes."""
    with contextlib.closing(model.examples(source, split, num).batches()) as batches:
        first = next(batches)
    return Encoded(first.images, first.labels, model.encode(first.images))


def reconstructions(model: ImageModel, source: Source, split: str = "test", rows: int = 10) -> np.ndarray:
    """The first rows * rows images of a split and their reconstructions, as two grids side by side: uint8 [H, W, C]."""
    images, _, codes = encode_first(model, source, rows * rows, split)
    return drawing.side_by_side(drawing.grid(images, rows), drawing.grid(model.decode(codes), rows))


def evenly(n: int, most: int) -> np.ndarray:
    """At most `most` evenly spread indices of 0..n-1, including the first and the last."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(np.int64))


class SingleCode(NamedTuple):
    """Code maps that differ from a given one in a single code.

    Attributes:
      codes: int32 [P, V, h, w, L].
      positions: [P, 3], row, column and codebook of the changed code.
      values: [V], the new values.
    """

    codes: np.ndarray
    positions: np.ndarray
    values: np.ndarray


def single_code(code_map: np.ndarray, K: int, most_positions: int = 64, most_values: int = 32) -> SingleCode:
    """Sets each code of a map [h, w, L] to each value; if there are many, only evenly spread positions and values.

    >>> import numpy as np
    >>> import vq_estimator as vq
    >>> vq.explore.single_code(np.zeros([3, 3, 1], np.int32), K=20).codes.shape
    (9, 20, 3, 3, 1)
    """
    every = np.stack(np.unravel_index(np.arange(code_map.size), code_map.shape), 1)
    positions, values = every[evenly(len(every), most_positions)], evenly(K, most_values)
    codes = np.tile(code_map, (len(positions), len(values), 1, 1, 1))
    for p, (i, j, level) in enumerate(positions):
        codes[p, :, i, j, level] = values
    return SingleCode(codes, positions, values)


def crops(changed: SingleCode, images: np.ndarray, positions: int = AROUND) -> np.ndarray:
    """Crops images [P, V, H, W, C] of `single_code` to a square around the changed position.

    On a fine grid a code changes only a small part of its image. Returns uint8 [P, V, s, s, C].
    """
    size, grid = images.shape[2:4], changed.codes.shape[2:4]
    side = min(*size, -(-positions * max(size) // max(grid)))

    def start(place, axis):
        middle = (place + 0.5) * size[axis] / grid[axis]
        return int(np.clip(round(middle - side / 2), 0, size[axis] - side))

    corners = [(start(i, 0), start(j, 1)) for i, j, _ in changed.positions]
    return np.stack([row[:, y : y + side, x : x + side] for row, (y, x) in zip(images, corners)])


def position_names(changed: SingleCode) -> List[str]:
    """Labels of the positions: "row,column", and the codebook if there are several."""
    several = changed.codes.shape[-1] > 1
    return [f"{i},{j}" + (f" [{level}]" if several else "") for i, j, level in changed.positions]


def unchanged(changed: SingleCode, code_map: np.ndarray) -> List[Tuple[int, int]]:
    """Row and column of the maps of `changed` that equal the original map."""
    same = (changed.codes == code_map).all((2, 3, 4))
    return [(int(p), int(v)) for p, v in np.argwhere(same)]


def distances(some: np.ndarray, entries: np.ndarray) -> np.ndarray:
    """Distances from entries [L, M, D] to entries [L, K, D] of the same codebook: [L, M, K]."""
    some, entries = some.astype(np.float64), entries.astype(np.float64)
    inner = np.matmul(some, entries.transpose(0, 2, 1))
    squares = np.square(some).sum(-1)[:, :, np.newaxis] + np.square(entries).sum(-1)[:, np.newaxis]
    return np.sqrt(np.maximum(squares - 2.0 * inner, 0.0))


def neighbours(entries: np.ndarray, number: int = 4) -> np.ndarray:
    """The nearest other entries of each entry: [L, K, D] -> indices int32 [L, K, at most `number`], nearest first.

    >>> import numpy as np
    >>> import vq_estimator as vq
    >>> vq.explore.neighbours(np.array([[[0.0], [1.0], [5.0]]]), number=1).tolist()
    [[[1], [0], [1]]]
    """
    K = entries.shape[1]
    found = np.empty(entries.shape[:2] + (min(number, K - 1),), np.int32)
    for start in range(0, K, BLOCK):
        block = np.arange(start, min(start + BLOCK, K))
        distance = distances(entries[:, block], entries)
        distance[:, np.arange(len(block)), block] = np.inf
        found[:, block] = np.argsort(distance, -1, kind="stable")[:, :, : found.shape[-1]]
    return found


def random_walk(
    code_map: np.ndarray, steps: int, K: int, seed: int = 0, near: Optional[np.ndarray] = None
) -> np.ndarray:
    """Code maps [steps, h, w, L] that start with `code_map`; each changes one code at a random position.

        >>> import numpy as np
        >>> import vq_estimator as vq
        >>> walk = vq.explore.random_walk(np.zeros([3, 3, 1], np.int32), steps=5, K=20)
        >>> (walk[1:] != walk[:-1]).sum((1, 2, 3)).tolist()
        [1, 1, 1, 1]

    Args:
      code_map: int32 [h, w, L], the first.
      steps: how many, the first included.
      K: values of a code.
      seed: of the choices.
      near: numbers [L, K, n] of the entries that each may step to (`neighbours`); None: to the number below or above,
        turning round at 0 and K - 1. Numbers have no geometry: only the first walk of tf-vqvae's kind needs them.
    """
    rng = np.random.RandomState(seed)
    walk = np.empty((steps,) + code_map.shape, np.int32)
    current = code_map.astype(np.int32)
    for step in range(steps):
        walk[step] = current
        place = np.unravel_index(rng.randint(current.size), current.shape)
        code, draw = current[place], rng.randint(1 << 30)
        current = current.copy()
        if K == 1:
            continue
        if near is None:
            to = code + (1 if draw % 2 else -1)
            current[place] = 1 if to < 0 else K - 2 if to >= K else to
        else:
            choices = near[place[-1], code]
            current[place] = choices[draw % len(choices)]
    return walk


class Interpolation(NamedTuple):
    """Images between two images, each uint8 [N, H, W, C].

    Attributes:
      continuous: decoded from interpolated z_e, without quantization.
      quantized: decoded from the nearest entries.
    """

    continuous: np.ndarray
    quantized: np.ndarray


def interpolate(
    model: ImageModel, first: np.ndarray, second: np.ndarray, steps: int = 10, seed: int = 0
) -> Interpolation:
    """Decodes points on the straight line between the z_e of two images uint8 [H, W, C].

    >>> import numpy as np
    >>> import vq_estimator as vq
    >>> with vq.load("mnist") as model:
    ...     first, second = np.zeros([2, 24, 24, 1], np.uint8)
    ...     vq.explore.interpolate(model, first, second, steps=5).quantized.shape
    (5, 24, 24, 1)
    """

    def build():
        ends, draw = tf.placeholder(tf.uint8, (2, *model.config.model.shape)), tf.placeholder(tf.int64, [])
        z = model.vqvae.encode_continuous(ends)
        share = tf.reshape(tf.linspace(0.0, 1.0, steps), [-1, 1, 1, 1, 1])
        line = z[0] * (1.0 - share) + z[1] * share
        both = model.vqvae.quantizer.continuous(line), model.vqvae.quantizer(line, False).z_q
        return ends, draw, [model.vqvae.decode_vectors(z_q, draw, shared=True) for z_q in both]

    ends, draw, tensors = model.op(("interpolate", steps), build)
    return Interpolation(*model.session.run(tensors, {ends: np.stack([first, second]), draw: seed}))


class CodebookView(NamedTuple):
    """The codebooks and their usage.

    Attributes:
      entries: float32 [L, K, D].
      usage: [L, K], the fraction of each entry among the codes of its codebook, in the training split.
      distances: [L, M, M], between the entries, or between MOST of them, evenly spread.
      plane: [L, K, 2], the entries projected to their two principal axes.
    """

    entries: np.ndarray
    usage: np.ndarray
    distances: np.ndarray
    plane: np.ndarray


def codebook_entries(run: OpenRun) -> np.ndarray:
    """The vector that each code stands for, float32 [L, K, D].

    >>> import vq_estimator as vq
    >>> with vq.load("mnist") as model:
    ...     vq.explore.codebook_entries(model).shape
    (1, 20, 64)
    """
    return run.session.run(run.op("entries", run.vqvae.quantizer.entries))


def codebook(run: OpenRun, calibration: Calibration) -> CodebookView:
    """The codebooks of a run."""
    entries, usage = codebook_entries(run), calibration.usage()
    plane = np.stack([principal_plane(book) for book in entries])
    some = entries[:, evenly(entries.shape[1], MOST)]
    return CodebookView(entries, usage, distances(some, some), plane)


def principal_plane(vectors: np.ndarray) -> np.ndarray:
    """Projects vectors [N, D] to their first two principal axes, [N, 2]."""
    centred = vectors - vectors.mean(0)
    axes = np.linalg.svd(centred, full_matrices=False)[2][:2]
    plane = centred @ axes.T
    return np.pad(plane, [(0, 0), (0, 2 - plane.shape[1])])


def distinct_maps(codes: np.ndarray) -> int:
    """The number of different code maps in codes [N, h, w, L].

    >>> import numpy as np
    >>> import vq_estimator as vq
    >>> vq.explore.distinct_maps(np.zeros([100, 3, 3, 1], np.int32))
    1
    """
    return len(np.unique(codes.reshape(len(codes), -1), axis=0))


def single_code_images(model: ImageModel, changed: SingleCode, seed: int = 0) -> np.ndarray:
    """Decodes the maps of `single_code` to images [P, V, H, W, C]."""
    flat = model.decode(changed.codes.reshape((-1,) + changed.codes.shape[2:]), seed, shared=True)
    return flat.reshape(changed.codes.shape[:2] + flat.shape[1:])
