"""How far exported files are from the package, on all images of the test split."""

import os
import tempfile

import numpy as np

from benchmarks.deployment import runtimes

BATCH = 500


def measure(model: str, path: str, formats, data: str) -> dict:
    """Compares the codes of all test images, and the images that the package's codes decode to.

    Args:
      model: a provided model.
      path: the folder with one folder for each format.
      formats: their names.
      data: the folder of the data sets.

    Returns:
      For each format the numbers of images and codes; how many codes differ, and how many of these are not the
      consequence of another one: in a residual quantizer, later codes of a position follow from earlier ones; the
      largest relative gap in float64 between the squared distances to the two entries of such a code; and of decoded
      pixels the share that differs and the largest difference in levels.
    """
    from vq_estimator import estimators
    from vq_estimator.data import sources

    found = {}
    with estimators.load(model) as run:
        with tempfile.TemporaryDirectory() as cache:
            source = sources.locate(run.config.dataset, data, cache)
            batches = [batch.images for batch in run.examples(source, "test", BATCH).batches()]
        codes = [run.encode(images) for images in batches]
        pixels = None
        if not run.config.model.is_stochastic_decoder:
            pixels = [run.decode(one) for one in codes]
        for name in formats:
            found[name] = _compare(run, runtimes.functions(os.path.join(path, name)), batches, codes, pixels)
    return found


def _compare(run, functions, batches, codes, pixels) -> dict:
    differ, total, gaps = 0, 0, []
    for images, want in zip(batches, codes):
        (got,) = functions["encode"](images=images).values()
        apart = got != want
        differ, total = differ + int(apart.sum()), total + want.size
        if apart.any():
            gaps += _gaps(run, images, want, got)
    row = {"images": sum(map(len, batches)), "codes": total, "codes_that_differ": differ}
    row.update(first_codes_that_differ=len(gaps), largest_gap=max(gaps) if gaps else 0.0)
    if pixels is not None:
        levels = []
        for one, wanted in zip(codes, pixels):
            (decoded,) = functions["decode"](codes=one).values()
            levels.append(np.abs(decoded.astype(int) - wanted))
        row["pixels_that_differ"] = float(np.mean([(one > 0).mean() for one in levels]))
        row["largest_difference"] = int(max(one.max() for one in levels))
    return row


def _gaps(run, images, want, got):
    """Relative gaps |d1 - d2| / d1 in float64 of the two entries where a position's codes differ first."""
    import tensorflow.compat.v1 as tf

    def build():
        given = tf.placeholder(tf.uint8, (None, *run.config.model.shape))
        return given, run.vqvae.encode_continuous(given), run.vqvae.quantizer.entries()

    given, z_e, entries = run.op("continuous", build)
    z, books = run.session.run([z_e, entries], {given: images})
    z, books = z.astype(np.float64), books.astype(np.float64)  # [B, h, w, P, D], [L, K, D]
    residual, found = z.shape[-2] < want.shape[-1], []
    for b, i, j in np.unique(np.argwhere(want != got)[:, :3], axis=0):
        left = z[b, i, j, 0].copy()
        for level in range(want.shape[-1]):
            vector = left if residual else z[b, i, j, level]
            one, other = want[b, i, j, level], got[b, i, j, level]
            if one != other:
                near, far = (np.square(vector - books[level, k]).sum() for k in (one, other))
                found.append(float(abs(near - far) / max(near, far)))
                if residual:
                    break  # what follows is of another residual
            left -= books[level, one]
    return found
