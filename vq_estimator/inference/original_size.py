"""Evaluation of images at their own sizes, under a model with a local decoder."""

import os
from typing import Iterator, Tuple

import numpy as np

from vq_estimator.config import type_name
from vq_estimator.errors import VQError
from vq_estimator.inference import any_size, evaluation
from vq_estimator.inference.calibration import Calibration
from vq_estimator.inference.codec.images import Images
from vq_estimator.inference.examples import Batch, Examples
from vq_estimator.inference.measurement import Measured
from vq_estimator.inference.session import OpenRun
from vq_estimator.progress import ProgressBar

BLOCK = 4096  # pixels whose likelihoods are computed at once


def check(model) -> None:
    """Raises VQError if a model's configuration does not allow images of any size."""
    if not any_size.supports(model):
        want = "a model with decoder=local (leave out original_size to evaluate images at the model's size)"
        raise VQError(f"original_size: got a model with decoder={type_name(model.decoder)}, expected {want}")


def of_images(images: Images, origin: str) -> Examples:
    """Makes Examples of images of different sizes, for one pass over them."""
    name = os.path.splitext(os.path.basename(os.path.abspath(origin)))[0]
    return Examples(name, images.number, lambda: (Batch(image[np.newaxis]) for image in images.each), origin)


def evaluate(run: OpenRun, examples: Examples, calibration: Calibration) -> dict:
    """Evaluates images at their own sizes; see `evaluation.evaluate_examples`.

    A trained prior is not used: the rates are those of the uniform and the unigram prior.

    Args:
      run: the run.
      examples: batches of one image, uint8 [1, H, W, C].
      calibration: the calibration on the run's own training data.

    Raises:
      VQError: the model does not allow images of any size.
    """
    return evaluation.evaluate_examples(run, examples, calibration, measured=measure(run, examples), any_size=True)


def measure(run: OpenRun, examples: Examples) -> Iterator[Tuple[Batch, Measured]]:
    """Yields images uint8 [1, H, W, C] of any size and what each costs; its codes are [1, 1, h w, L].

    Raises:
      VQError: the run's model does not support images of any size.
    """
    m = run.config.model
    check(m)
    ops = run.op("any_size", lambda: any_size.build(run.vqvae))
    with ProgressBar(total=examples.total, unit=m.example, desc=f"evaluate {examples.name}") as bar:
        for batch in examples.batches():
            (image,) = batch.images
            size, feed = image.shape[:2], {ops.images: any_size.padded(image, m.network.stride)[np.newaxis]}
            codes = run.session.run(ops.encoded, feed)
            condition = run.session.run(ops.condition, {ops.codes: codes})[0, : size[0], : size[1]]
            condition, levels = condition.reshape(-1, condition.shape[-1]), image.reshape(-1, m.channels)
            canvas, nats = any_size.Canvas(size, m.channels, m.decoder.reach), 0.0
            rows, columns = (n.ravel() for n in np.mgrid[: size[0], : size[1]])
            canvas.set(rows, columns, levels)
            for start in range(0, len(rows), BLOCK):
                part = slice(start, start + BLOCK)
                near = canvas.near(rows[part], columns[part])
                feed = {ops.near: near, ops.here: condition[part], ops.levels: levels[part]}
                nats -= float(run.session.run(ops.log_p, feed))
            yield batch, Measured(None, np.array([nats]), None, codes.reshape(1, 1, -1, m.quantizer.L))
            bar.update(1)
