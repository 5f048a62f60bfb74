r"""Measures what portable files cost, and reads them under other versions and settings of TensorFlow.

  python benchmarks/portable.py --pretrained=mnist --data_dir=DIR
  python benchmarks/portable.py --pretrained=photographs --input=FOLDER
  python benchmarks/portable.py --pretrained=mnist --data_dir=DIR --num=50 \
      --pythons=.venv/bin/python,.venv-tf1/bin/python

The first two compress a split, or images of any size, with and without --portable under the unigram prior, decompress
the files, and compare every pixel. The third one starts each Python with one and with two threads per operation, and
under TensorFlow 2 with and without oneDNN. Each process writes a portable and an ordinary file, and each reads all of
them. A process that cannot compute in the model's precision writes no ordinary file. All commands write
results/codec/portable-NAME.json.
"""

import contextlib
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time

from vq_estimator.config import provided
from vq_estimator.errors import VQError
from vq_estimator_launch import common
from vq_estimator_launch.common import FLAGS, Group

PORTABLE = Group("Portable files")
PORTABLE.enum("pretrained", "mnist", provided.names(), "the provided model")
PORTABLE.enum("split", "test", ["train", "validation", "test"], "of its data set")
PORTABLE.path("input", None, "a folder of image files instead, each at its own size")
PORTABLE.integer("num", 0, "number of images, from the start of the split; 0: all")
PORTABLE.string("pythons", None, "Python programs, separated by commas, each with the package and a TensorFlow")
PORTABLE.path("work", None, "a folder of files that a process of --pythons writes and reads")
PORTABLE.integer("threads", 1, "threads per operation of that process")
PORTABLE.string("write", None, "name of the files that the process writes; without it the process reads all files")
common.data_flags()
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
RESULTS = os.path.join(ROOT, "results", "codec")
KINDS = {"portable": True, "ordinary": False}
ARRAYS = "images.npz"


def read_images(run):
    """The images of the split as the model sees them, or the images of --input, uint8 [H, W, C] each."""
    from vq_estimator.data import sources
    from vq_estimator.inference.codec import images

    config = run.config
    if FLAGS.input is not None:
        given = images.of_folder(FLAGS.input, config.model.channels)
        return [given.read(i) for i in range(given.number)][: FLAGS.num or None]
    source = sources.locate(config.dataset, FLAGS.data_dir, common.cache_dir(), wanted=config.dataset_source)
    return list(images.of_split(config, source, FLAGS.split).each)[: FLAGS.num or None]


def measure_cost(run, images):
    """Sizes and processor seconds of both kinds of files."""
    import numpy as np

    from vq_estimator.inference import codec

    result = {}
    with tempfile.TemporaryDirectory() as folder:
        for kind, portable in KINDS.items():
            path, start = os.path.join(folder, kind + ".vqz"), time.process_time()
            done = codec.compress(run, images, path, "unigram", verify=False, portable=portable)
            coded = time.process_time()
            back = codec.decompress(run, path).images
            result[kind] = {
                "bytes": done.bytes,
                "header_bytes": done.header,
                "bits_per_dim": done.bits_per_dim,
                "coding_cpu_seconds": coded - start,
                "decoding_cpu_seconds": time.process_time() - coded,
                "images_the_same": sum(bool(np.array_equal(a, b)) for a, b in zip(back, images)),
            }
            print(kind, json.dumps(result[kind]), flush=True)
    sizes = [result[kind]["bytes"] - result[kind]["header_bytes"] for kind in KINDS]
    return {**result, "images": len(images), "dims": sum(x.size for x in images), "cost": sizes[0] / sizes[1] - 1}


def exchange():
    """In one process: writes the files, or reads all of them, and prints what it was able to read."""
    import numpy as np
    import tensorflow.compat.v1 as tf

    from vq_estimator import pretrained
    from vq_estimator.inference import codec

    # The first session of a process decides how many threads an operation has.
    tf.Session(graph=tf.Graph(), config=tf.ConfigProto(intra_op_parallelism_threads=FLAGS.threads)).close()
    run = codec.open_run(pretrained.folder(FLAGS.pretrained))
    with np.load(os.path.join(FLAGS.work, ARRAYS)) as arrays:
        images = [arrays[f"arr_{i}"] for i in range(len(arrays.files))]
    if FLAGS.write:
        for kind, portable in KINDS.items():
            path = os.path.join(FLAGS.work, f"{kind}-{FLAGS.write}.vqz")
            with contextlib.nullcontext() if portable else contextlib.suppress(VQError):
                codec.compress(run, images, path, "unigram", verify=False, portable=portable)
        return
    read = []
    for name in sorted(os.listdir(FLAGS.work)):
        if name.endswith(".vqz"):
            try:
                back = codec.decompress(run, os.path.join(FLAGS.work, name)).images
                same = all(np.array_equal(a, b) for a, b in zip(back, images))
            except VQError:
                same = False
            read += [name] * same
    print(json.dumps(read))


def exchange_files(images):
    """Starts a process for each environment, first to write and then to read; returns who was able to read what."""
    import numpy as np

    environments = {}
    for python, onednn, threads in itertools.product(FLAGS.pythons.split(","), "10", (1, 2)):
        code = "import tensorflow; print(tensorflow.__version__)"
        version = subprocess.check_output([python, "-c", code], stderr=subprocess.DEVNULL, text=True).strip()
        if version.startswith("1.") and onednn == "1":
            continue  # its wheels have no oneDNN
        name = f"tensorflow-{version}-onednn-{onednn}-threads-{threads}"
        environments[name] = python, dict(os.environ, TF_ENABLE_ONEDNN_OPTS=onednn), threads
    read = {}
    with tempfile.TemporaryDirectory() as folder:
        np.savez(os.path.join(folder, ARRAYS), *images)
        for writing in (True, False):
            for name, (python, environment, threads) in environments.items():
                command = [python, os.path.abspath(__file__), f"--pretrained={FLAGS.pretrained}", f"--work={folder}"]
                command += [f"--threads={threads}"] + [f"--write={name}"] * writing
                output = subprocess.check_output(command, env=environment, stderr=subprocess.DEVNULL, text=True)
                if not writing:
                    read[name] = json.loads(output.splitlines()[-1])
                print(name, "wrote" if writing else f"read {len(read[name])} files", flush=True)
    pairs = {kind: [[w, r] for r in read for w in read if f"{kind}-{w}.vqz" not in read[r]] for kind in KINDS}
    return {
        "environments": list(environments),
        "images": len(images),
        "pairs": len(environments) ** 2,
        **{f"{kind}_read": len(environments) ** 2 - len(failed) for kind, failed in pairs.items()},
        "not_read": pairs,
    }


def main():
    if FLAGS.work:
        exchange()
        return
    import tensorflow.compat.v1 as tf

    from vq_estimator import pretrained
    from vq_estimator.data.files import read_json, write_json
    from vq_estimator.inference import codec

    run = codec.open_run(pretrained.folder(FLAGS.pretrained))
    images = read_images(run)
    if FLAGS.pythons:
        result = {"exchange": exchange_files(images)}
        failed = result["exchange"]["not_read"]["portable"]
    else:
        data = {"split": FLAGS.split} if FLAGS.input is None else {"input": os.path.basename(FLAGS.input)}
        result = dict(measure_cost(run, images), model=FLAGS.pretrained, **data)
        result.update(tensorflow=tf.__version__, cpus=os.cpu_count())
        failed = result["portable"]["images_the_same"] != len(images)
    path = os.path.join(RESULTS, f"portable-{FLAGS.pretrained}.json")
    write_json(path, {**(read_json(path) if os.path.isfile(path) else {}), **result})
    if failed:
        raise VQError("a portable file was not read back")


if __name__ == "__main__":
    sys.path.insert(0, ROOT)
    common.run(main, __doc__)
