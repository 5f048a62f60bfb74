"""Stores the codes of a split in a file with their origin, and reads them as arrays or `tf.data`."""

import hashlib
import json
import os
from typing import NamedTuple, Optional, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from vq_estimator.data.batching import numbers_of_batches, prefetched
from vq_estimator.data.files import atomic_path, parse_json
from vq_estimator.data.numpy_files import load_npz

NAMES = ("codes", "labels", "origin")
MAX_ORIGIN = 1 << 16  # largest file in bytes


class Codes(NamedTuple):
    """The codes int32 [N, h, w, L] and labels int32 [N] of a split, in the order of the split."""

    codes: np.ndarray
    labels: np.ndarray


def _checksum(codes: Codes) -> str:
    digest = hashlib.sha256()
    for array in codes:
        digest.update(np.ascontiguousarray(array, "<i4").tobytes())
    return digest.hexdigest()


def save(path: str, codes: Codes, origin: dict) -> None:
    """Writes `path`, an .npz with `codes`, `labels` and `origin` (JSON: the source of the codes, and their SHA-256)."""
    kept = json.dumps(dict(origin, sha256=_checksum(codes)))
    small = np.uint16 if codes.codes.max(initial=0) < 2**16 else np.int32
    with atomic_path(path) as temporary, open(temporary, "wb") as f:
        np.savez_compressed(f, codes=codes.codes.astype(small), labels=codes.labels, origin=np.array(kept))


def load(path: str, origin: dict, shape: Tuple[int, ...], K: int) -> Optional[Codes]:
    """Reads codes of `shape` [N, h, w, L] that `save` wrote. Returns None if they are missing, damaged or of another
    origin.
    """
    most = 8 * (shape[0] + int(np.prod(shape, dtype=np.int64))) + MAX_ORIGIN
    try:
        found = load_npz(path, NAMES, most)
        arrays = [found[name] for name in NAMES[:2]]
        fits = [a.shape for a in arrays] == [tuple(shape), tuple(shape[:1])]
        if not fits or any(a.dtype.kind not in "iu" for a in arrays):
            return None
        codes = Codes(*(a.astype(np.int32) for a in arrays))
        kept = parse_json(str(found["origin"]))
    except (OSError, ValueError, KeyError):
        return None
    known = codes.codes.min(initial=0) >= 0 and codes.codes.max(initial=0) < K and codes.labels.min(initial=0) >= 0
    return codes if known and kept == dict(origin, sha256=_checksum(codes)) else None


def split_path(model_dir: str, split: str) -> str:
    return os.path.join(model_dir, "codes", split + ".npz")


def training_dataset(codes: Codes, batch_size: int, seed: int, start_step: int = 0) -> tf.data.Dataset:
    """Endless shuffled batches of {"codes": int32 [B, h, w, L], "label": int32 [B]}.

    The order depends on (seed, step) only, like that of images. The arrays are not stored in the graph.
    """

    @tf.autograph.experimental.do_not_convert
    def rows(numbers):
        found = tf.numpy_function(lambda n: (codes.codes[n], codes.labels[n]), [numbers], [tf.int32, tf.int32])
        found[0].set_shape((batch_size,) + codes.codes.shape[1:])
        found[1].set_shape([batch_size])
        return {"codes": found[0], "label": found[1]}

    return prefetched(numbers_of_batches(len(codes.codes), batch_size, seed, start_step).map(rows), 4)


def evaluation_dataset(codes: Codes, batch_size: int) -> tf.data.Dataset:
    """One pass in order; the last batch may be smaller."""

    def batches():
        for i in range(0, len(codes.codes), batch_size):
            yield {"codes": codes.codes[i : i + batch_size], "label": codes.labels[i : i + batch_size]}

    shapes = {"codes": (None,) + codes.codes.shape[1:], "label": [None]}
    return prefetched(tf.data.Dataset.from_generator(batches, {"codes": tf.int32, "label": tf.int32}, shapes), 2)
