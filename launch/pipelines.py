"""The flags and the work of a command that runs as a pipeline of Apache Beam."""

import logging
import os
from typing import Any, Dict

from vq_estimator.errors import VQError
from vq_estimator_launch import common, paths
from vq_estimator_launch.common import FLAGS, Group
from vq_estimator_launch.shell import passed_options

FORMATS = ("tfrecord", "npz", "parquet")
FEATURES = "image/encoded,image/class/label,image/filename"


def define_flags() -> None:
    """Defines the flags. The paths of the command may then be on a store."""
    group = Group("Apache Beam")
    group.string("runner", None, "runner of Beam, such as DirectRunner (this machine), FlinkRunner or DataflowRunner")
    group.enum("format", FORMATS[0], FORMATS, "files to write: TFRecord files of tf.Example, .npz, or Parquet")
    group.integer("shards", 0, "number of files; 0: one per 5,000 images or recordings")
    group.string("features", FEATURES, "features of tf.Example in --input: file content, label, name")
    for name in ("input", "out", "model_dir"):
        paths.allow_remote(name, by="runner")


def requested() -> bool:
    """Whether the command runs as a pipeline.

    Raises:
      VQError: a flag or option for pipelines is set without --runner.
    """
    if FLAGS.runner is not None:
        return True
    for name in ("format", "shards", "features"):
        if FLAGS[name].present:
            raise VQError(f"{name}: got {FLAGS[name].value}, expected --runner=NAME with it")
    if passed_options():
        raise VQError(f"runner: got none with {' '.join(passed_options())}, expected --runner=NAME")
    return False


def encode() -> str:
    """Encodes --input to files in the folder --out; returns a message about it."""
    if FLAGS.verbosity <= 0:
        logging.getLogger("apache_beam").setLevel(logging.ERROR)  # before it is imported
        for handler in logging.getLogger().handlers:
            handler.addFilter(_is_unexpected)
    from vq_estimator import beam

    beam.check_installed()
    from vq_estimator.beam import manifest, running, storage
    from vq_estimator.beam.inputs import Features
    from vq_estimator.data import outputs

    common.check_max_bad_files()
    if not FLAGS["input"].present:
        raise VQError("input: got none, expected --input=FILES with --runner: a folder, a pattern, or a .npy")
    if not FLAGS["out"].present:
        raise VQError("out: got none, expected --out=FOLDER with --runner")
    if not storage.is_remote(FLAGS.out):
        outputs.output_kind("out", FLAGS.out, (outputs.FOLDER,), outputs.FOLDER)
        common.check_writable("out")
    features = FLAGS.features.split(",")
    if len(features) != 3 or not features[0]:
        raise VQError(f"features: got {FLAGS.features!r}, expected three names, of which the last two may be empty")
    given: Dict[str, Any] = {"checkpoint": FLAGS.checkpoint}
    read = beam.Read(_run(), FLAGS.input, FLAGS.shards, features=Features(*features), **given)
    work = beam.Encode(_run(), FLAGS.out, FLAGS.format, max_bad_files=FLAGS.max_bad_files, **given)
    running.run(lambda pipeline: pipeline | read | work, FLAGS.runner, passed_options())
    made = storage.read_json(storage.join(FLAGS.out, manifest.MANIFEST))
    return (
        f"{made['examples']:,} code maps of {made['input']} in {len(made['shards'])} files in {FLAGS.out}, "
        f"{len(made['left_out'])} files left out; see {storage.join(FLAGS.out, manifest.MANIFEST)}"
    )


def _is_unexpected(record: logging.LogRecord) -> bool:
    """Whether a record of the log is not about an error that the command reports, and Beam logs with a traceback."""
    error = (record.exc_info or (None, None))[1]
    return not (isinstance(error, (VQError, OSError)) or "[Errno " in str(record.msg))  # an OSError in a RuntimeError


def _run() -> str:
    """The run of --model_dir, or the name of the provided model of --pretrained."""
    if FLAGS.pretrained:
        return FLAGS.pretrained
    if not FLAGS.model_dir:
        raise VQError("model_dir: got none, expected --model_dir=RUN, a run directory of vq-train, or --pretrained")
    return FLAGS.model_dir if "://" in FLAGS.model_dir else os.path.abspath(FLAGS.model_dir)
