"""Compares vq-encode with the same command under Apache Beam's DirectRunner: codes and throughput.

  python benchmarks/beam.py --data_dir=DIR

Encodes all images of CIFAR-10 (--images of them) with the provided model cifar10 by three commands: vq-encode, its
pipeline with one worker, and its pipeline with two worker processes. The seconds are those of a complete command, and
of its start alone (a run with one image); the throughput is the number of images divided by their difference. At most
15 % may be lost at one worker. Takes a few core-minutes; writes benchmarks/results/beam.json.
"""

import glob
import os
import subprocess
import sys
import tempfile
import time

import numpy as np

from vq_estimator_launch import common
from vq_estimator_launch.common import FLAGS, Group

BEAM = Group("Beam")
BEAM.integer("images", 60000, "number of images")
BEAM.integer("shards", 12, "number of files of the pipelines")
BEAM.string("pretrained", "cifar10", "provided model")
common.data_flags()
LARGEST_LOSS = 0.15
HERE = os.path.dirname(os.path.abspath(__file__))
TWO = ["--direct_num_workers=2", "--direct_running_mode=multi_processing"]


def command(path, out, *more):
    """Runs vq-encode; returns its seconds."""
    script = os.path.join(os.path.dirname(HERE), "launch", "encode.py")
    given = [f"--pretrained={FLAGS.pretrained}", f"--input={path}", f"--out={out}"]
    start = time.perf_counter()
    subprocess.run([sys.executable, script, *given, *more], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def codes_of(out):
    """The codes in a file, or in the files of a folder in their order."""
    paths = sorted(glob.glob(os.path.join(out, "*.npz"))) if os.path.isdir(out) else [out]
    parts = []
    for path in paths:
        with np.load(path) as file:
            parts.append(file["codes"])
    return np.concatenate(parts)


def main():
    import tensorflow.compat.v1 as tf

    from vq_estimator.data import arrays, sources
    from vq_estimator.data.files import write_json

    source = sources.locate("cifar10", FLAGS.data_dir, common.cache_dir())
    splits = [arrays.load(source, split, 32, None, False).images for split in ("train", "validation", "test")]
    images = np.concatenate(splits)[: FLAGS.images]
    results = {"tensorflow": tf.__version__, "pretrained": FLAGS.pretrained, "images": len(images), "runs": {}}
    pipeline = ["--runner=DirectRunner", "--format=npz", f"--shards={FLAGS.shards}"]
    cases = {"plain": (".npz", []), "one": ("", pipeline), "two": ("", [*pipeline, "--", *TWO])}
    first = np.zeros(0)
    with tempfile.TemporaryDirectory() as folder:
        paths = {"all": os.path.join(folder, "all.npy"), "start": os.path.join(folder, "start.npy")}
        np.save(paths["all"], images)
        np.save(paths["start"], images[:1])
        for name, (suffix, more) in cases.items():
            found = {}
            for part, path in paths.items():
                out = os.path.join(folder, f"{name}-{part}{suffix}")
                few = [f"--shards={2 if name == 'two' else 1}" if a.startswith("--shards") else a for a in more]
                found[f"{part}_seconds"] = command(path, out, *(more if part == "all" else few))
            found["images_per_second"] = (len(images) - 1) / (found["all_seconds"] - found["start_seconds"])
            codes = codes_of(os.path.join(folder, f"{name}-all{suffix}"))
            first = codes if name == "plain" else first
            found["different_codes"] = int((codes != first).sum())
            results["codes"] = codes.size
            results["runs"][name] = found
            print(
                "{}: {all_seconds:.1f} s, {images_per_second:.1f} images/s, {different_codes} codes differ".format(
                    name, **found
                )
            )
    rates = {name: run["images_per_second"] for name, run in results["runs"].items()}
    results["lost_at_one_worker"] = 1 - rates["one"] / rates["plain"]
    results["reached"] = results["lost_at_one_worker"] <= LARGEST_LOSS
    results["two_workers_times_one"] = rates["two"] / rates["one"]
    write_json(os.path.join(HERE, "results", "beam.json"), results)


if __name__ == "__main__":
    common.run(main, __doc__)
