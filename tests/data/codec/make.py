"""Makes frozen files of this folder anew: only for a new version of the format. README.md says what they are.

PYTHONPATH=tests python tests/data/codec/make.py NAME ..
"""

import glob
import json
import os
import shutil
import sys
import zlib

import numpy as np
import tensorflow.compat.v1 as tf

from helpers.codec_runs import images, sounds, write_run
from vq_estimator.inference import codec
from vq_estimator.inference.codec import recordings

HERE = os.path.dirname(os.path.abspath(__file__))


def exact(name, shape, weights):
    """Weights by which every sum is exact in float32, in whatever order it is made: small integers and powers of 1/2.

    The decoder's pixels come in as multiples of 2/255, which are not exact: their weights are 0, and the layers after
    see the codes alone. (That pixels do reach later ones is what other tests are for.)
    """
    del weights
    size = int(np.prod(shape))
    values = np.array([zlib.crc32(f"{name} {i}".encode()) % 11 - 5 for i in range(size)], np.float64).reshape(shape)
    if "first_" in name or "near_w" in name or "direct_w" in name:
        return np.zeros(shape)
    if "codebook" in name:
        return values / 4
    sparse = np.where(np.abs(values) > 3, np.sign(values), 0.0)
    return sparse * LAST.get(name.split("/")[1], 1.0)


LOSSY = {"lossy": "factorised", "lossy_speech": "speech"}  # lossy files, and the runs that write them
WHOLE = {"whole": "local"}  # files of images that are not the model's size, and the runs that write them
LAST = {"head_2": 1 / 8, "conv_transpose_3": 1 / 4, "outputs_w": 1 / 8, "outputs_b": 1 / 8}


def exact_prior(name, shape, weights):
    """The same for a prior: its gates are tanh(0) sigmoid(0) = 0, so its logits are of the position and the class."""
    if "positions" in name:
        return np.zeros(shape)
    return np.round(weights * 4) / 4


def exact_speech(name, shape, weights):
    """The same for speech: with its gates shut the WaveNet has one distribution for every sample."""
    if "taps" in name or "condition" in name:
        return np.zeros(shape)
    return exact(name, shape, weights) * (1 / 16 if "head_2" in name else 1.0)


def main():
    tf.disable_eager_execution()
    drawn = dict(
        dataset="cifar10",
        K=6,
        D=4,
        L=2,
        likelihood="logistic_mixture",
        components=2,
        classes=2,
        decoder_layers=1,
        decoder_channels=4,
        decoder_condition_channels=4,
        hidden_channels=(4, 4),
    )
    cases = {
        "factorised": dict(dataset="mnist", K=5, D=4, likelihood="gaussian", hidden_channels=(4, 4), classes=None),
        "autoregressive": dict(decoder="autoregressive", decoder_kind="residual", **drawn),
        "local": dict(decoder="local", **drawn),
        "portable": dict(
            dataset="cifar10",
            image_size=8,
            K=6,
            D=4,
            L=2,
            quantizer="residual",
            likelihood="logistic_mixture",
            components=2,
            hidden_channels=(16, 32),
            residual_blocks=1,
            output_channels=8,
            linear_path=True,
            values=None,
        ),
        "portable_local": dict(
            dict(drawn, decoder_channels=8),
            decoder="local",
            decoder_reach=2,
            decoder_contrasts=True,
            decoder_residual_coupling=True,
            decoder_embedded_neighbours=3,
            precision="bfloat16",
            classes=None,
            values=None,
        ),
        "speech": dict(dataset="wav", L=2, classes=6, condition="both", values=exact_speech),
    }
    with open(os.path.join(HERE, "pixels.json"), encoding="utf-8") as f:
        pixels = json.load(f)
    for name in sys.argv[1:]:
        lossy, of = name in LOSSY, {**LOSSY, **WHOLE}.get(name, name)
        given = dict(dict(values=exact), **cases[of])
        folder, path = os.path.join(HERE, of), os.path.join(HERE, name + ".vqz")
        if name == of:
            shutil.rmtree(folder, ignore_errors=True)
            write_run(folder, prior_values=exact_prior, **given)
        for unused in glob.glob(os.path.join(folder, "prior", "model.ckpt-*")):  # the one in best/ is what is read
            os.remove(unused)
        if of == "speech":
            x = sounds((40, 1, 100, 17))
            given = recordings.of_levels(x, codec.open_run(folder).config.model)
            given.items[:] = [item._replace(speaker=i % 3) for i, item in enumerate(given.items)]
        else:
            channels = 3 if given["dataset"] == "cifar10" else 1
            given = x = list(images(3, 8, channels, seed=5)) + [images(1, 11, channels, seed=6)[0, :, :5]]
        codec.compress(folder, given, path, batch=3, workers=1, lossy=lossy, portable=name.startswith("portable"))
        if lossy:
            x = codec.decompress(folder, path, workers=1).images
        pixels[name] = [[*image.shape, zlib.crc32(np.ascontiguousarray(image).tobytes())] for image in x]
        print(name, os.path.getsize(path), "bytes")
    with open(os.path.join(HERE, "pixels.json"), "w", encoding="utf-8") as f:
        json.dump(pixels, f)


if __name__ == "__main__":
    main()
