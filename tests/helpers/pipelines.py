"""Pipelines of Apache Beam in this process."""

import contextlib
import json
import os
from unittest import mock

import numpy as np
import tensorflow.compat.v1 as tf
from PIL import Image

from vq_estimator.data import batching
from vq_estimator.inference import code_files, code_shards

BATCH = 100


@contextlib.contextmanager
def small_batches():
    """Encodes, evaluates and decodes BATCH images at once in this process, so that few images are several shards."""
    with mock.patch.object(batching, "evaluation_batch", lambda dims: BATCH):
        with mock.patch.object(code_files, "DECODED_AT_ONCE", BATCH):
            yield


def run(*transforms):
    """Runs a pipeline of transforms in sequence."""
    import apache_beam as beam

    with beam.Pipeline(runner="DirectRunner") as pipeline:
        found = pipeline
        for transform in transforms:
            found |= transform


def save_pictures(folder, number, bad=(), size=24):
    """Saves grey PNGs of noise; the numbers `bad` are no pictures. Returns the names in the order of their paths."""
    rng, names = np.random.RandomState(0), []
    for i in range(number):
        names.append(f"{'ab'[i % 2]}/{i:05d}.png")
        path = os.path.join(str(folder), names[-1])
        os.makedirs(os.path.dirname(path), exist_ok=True)
        Image.fromarray(rng.randint(0, 256, (size, size)).astype(np.uint8)).save(path)
        if i in bad:
            with open(path, "w") as f:
                f.write("no picture")
    return sorted(names)


def manifest(out):
    with open(os.path.join(str(out), "manifest.json")) as f:
        return json.load(f)


def rows(out):
    """The rows of all shards of an output, in their order."""
    return [row for shard in manifest(out)["shards"] for row in code_shards.read(os.path.join(str(out), shard["file"]))]


def listing(out):
    """The names of the files of an output that are not hidden."""
    return sorted(name for name in os.listdir(str(out)) if not name.startswith("."))


def save_examples(path, examples):
    """Saves a TFRecord file of tf.Example: (content, label or None, name or None) of each."""
    with tf.python_io.TFRecordWriter(str(path)) as out:
        for content, label, name in examples:
            values = {"image/encoded": content, "image/filename": name}
            features = {
                key: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
                for key, value in values.items()
                if value is not None
            }
            if label is not None:
                features["image/class/label"] = tf.train.Feature(int64_list=tf.train.Int64List(value=[label]))
            out.write(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())
