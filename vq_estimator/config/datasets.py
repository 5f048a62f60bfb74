"""The names of the data sets that are no rows of the catalogue, and how a name finds its row."""

import re
from typing import Any

IMAGES = "images"  # a folder of the user's own images
NPY = "npy"  # an array of the user's own images, in a .npy or .npz
TFDS = "tfds:NAME"  # the row of every data set of TensorFlow Datasets, such as tfds:mnist
FSDD, WAV = "fsdd", "wav"  # the Free Spoken Digit Dataset; a folder of the user's own recordings

_TFDS = re.compile(r"tfds:\w+(/[\w+.-]+)?(:[\d*]+(\.[\d*]+){2})?", re.ASCII)  # NAME/CONFIG:VERSION


def row_of(dataset: Any) -> Any:
    """Returns the name of a data set's row in DATASETS and PRESETS_OF: `tfds:NAME` for `tfds:mnist`, else `dataset`."""
    return TFDS if isinstance(dataset, str) and _TFDS.fullmatch(dataset) else dataset


def tfds_name(dataset: str) -> str:
    """Returns the name of a `tfds:` data set as TensorFlow Datasets has it, such as `mnist` or `mnist:3.0.1`."""
    return dataset.partition(":")[2]
