"""Writes what the provided models compute, by the code of the commit whose behaviour is kept (README.md).

git worktree add /tmp/before 8d8a73d
PYTHONPATH=/tmp/before:tests python tests/data/frozen/make.py
"""

import os
import sys

import numpy as np
import tensorflow.compat.v1 as tf
from PIL import Image

import vq_estimator
from helpers.frozen import HERE, figures
from vq_estimator import pretrained


def main():
    tf.disable_eager_execution()
    print("by", os.path.dirname(vq_estimator.__file__), "and TensorFlow", tf.__version__)
    for name in sys.argv[1:] or pretrained.names():
        made = figures(name)
        pixels = made.pop("pixels", None)
        if pixels is not None:  # one column of images
            sheet = pixels.reshape(-1, *pixels.shape[2:])
            Image.fromarray(sheet.squeeze()).save(os.path.join(HERE, name + ".png"), optimize=True)
        kinds = {"u": np.uint16, "i": np.uint16, "f": np.float32}
        np.savez_compressed(
            os.path.join(HERE, name + ".npz"), **{k: v.astype(kinds[v.dtype.kind]) for k, v in made.items()}
        )
        print(name, {k: (v.shape, float(v.mean())) for k, v in made.items()})


if __name__ == "__main__":
    main()
