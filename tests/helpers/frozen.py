"""The results of each provided model for 100 images or 100 recordings, in float32.

`data/frozen/make.py` wrote them at the commit whose behaviour is kept; `test_frozen.py` computes them again.
"""

import contextlib
import json
import os
import shutil
import tempfile
from unittest import mock

import numpy as np

from vq_estimator import pretrained

NUM = 100
LENGTHS = (400, 640, 801, 1000)  # samples of the recordings, in turn
HERE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "data", "frozen")


@contextlib.contextmanager
def open_model(name):
    """A provided model whose layers compute in float32: bfloat16 differs from processor to processor."""
    with tempfile.TemporaryDirectory() as parent:
        folder = os.path.join(parent, name)
        shutil.copytree(pretrained.folder(name), folder)
        path = os.path.join(folder, "config.json")
        with open(path, encoding="utf-8") as f:
            config = json.load(f)
        config["model"]["precision"] = "float32"
        with open(path, "w", encoding="utf-8") as f:
            json.dump(config, f)
        with mock.patch.object(pretrained, "folder", lambda _: folder), pretrained.load(name) as model:
            assert model.config.model.precision == "float32"
            yield model


def box_filtered(noise, axis, width):
    """Sums of `width` neighbours along an axis, in integers: the same on every processor."""
    sums = np.cumsum(noise, axis, dtype=np.int64)
    first = np.take(sums, range(width - 1, sums.shape[axis]), axis)
    before = np.take(sums, range(sums.shape[axis] - width), axis)
    return first - np.concatenate([np.zeros_like(np.take(first, [0], axis)), before], axis)


def smooth(rng, shape, widths):
    """Smooth noise with the full contrast, uint8 of a shape, filtered along its first axes by `widths`."""
    noise = rng.randint(0, 256, [n + 2 * (w - 1) for n, w in zip(shape, widths)] + list(shape[len(widths) :]))
    for axis, width in enumerate(widths):
        noise = box_filtered(box_filtered(noise, axis, width), axis, width)
    low = noise.min()
    return ((noise - low) * 255 // max(noise.max() - low, 1)).astype(np.uint8)


def images(size, channels):
    """uint8 [100, size, size, channels], from fine to coarse."""
    rng = np.random.RandomState(9)
    return np.stack([smooth(rng, (size, size, channels), (2 + i % 6,) * 2) for i in range(NUM)])


def recordings():
    """100 recordings of mu-law levels, uint8 [T], with different lengths."""
    rng = np.random.RandomState(9)
    return [smooth(rng, (LENGTHS[i % len(LENGTHS)],), (2 + i % 12,)) for i in range(NUM)]


def figures(name):
    """Arrays by name: `codes`, `pixels` of a factorised decoder, and in bits per dimension what begins with `bits_`."""
    with open_model(name) as model:
        config = model.config.model
        if hasattr(model, "bits_per_sample"):
            clips, voices = recordings(), len(config.speakers)
            bits = [model.bits_per_sample(clip, i % voices) for i, clip in enumerate(clips)]
            return {"codes": np.concatenate([model.encode(clip) for clip in clips]), "bits_distortion": np.array(bits)}
        x = images(config.image_size, config.channels)
        out = {"codes": model.encode(x)}
        bits = model.bits_per_dim(x)._asdict()
        out.update({"bits_" + kind.replace("rate_", ""): value for kind, value in bits.items() if value is not None})
        if not config.is_stochastic_decoder:
            out["pixels"] = model.decode(out["codes"])
        return out
