"""Exports a trained run: a SavedModel, ONNX, TFLite or a web page, which need neither this package nor the checkpoint.

vq-export --model_dir=log/mnist-original-K20-D64 --export_dir=export/mnist/1
vq-export --pretrained=mnist --format=onnx --export_dir=export/mnist-onnx
vq-export --pretrained=mnist --format=web --export_dir=export/mnist-page

A SavedModel has the signatures encode, decode, reconstruct and serving_default, and sample where a prior was trained.
The other formats have a file for each function, which is compared with the checkpoint first (docs/deploy.md).
"""

import functools
import itertools
import logging
import os

from vq_estimator.config.export import FORMATS, SAVED_MODEL, WEB
from vq_estimator.errors import VQError
from vq_estimator_launch import common, kinds
from vq_estimator_launch.common import FLAGS, Group

MAX_EXAMPLES = {"image": 512, "speech": 16}  # examples that the files are compared on, by the kind of data

common.run_flags()
EXPORT = Group("Export")
EXPORT.path("export_dir", None, "the folder to make; TensorFlow Serving wants a number as its last part")
EXPORT.enum(
    "format", SAVED_MODEL, tuple(FORMATS), "format; onnx and web need the extra `onnx`, all but the first TensorFlow 2"
)
EXPORT.bool("float16", False, "tflite: store the weights as float16, in half the size")
EXPORT.path(
    "input",
    "validation",
    "compare onnx, tflite and web files with the checkpoint on this, as --input of vq-encode",
)
log = logging.getLogger("vq_estimator")


def main() -> None:
    from vq_estimator.data import outputs
    from vq_estimator.inference.export import formats, signatures, verification

    if not FLAGS.export_dir:
        raise VQError("export_dir: got none, expected --export_dir=FOLDER, a folder to make")
    outputs.output_kind("export_dir", FLAGS.export_dir, (outputs.FOLDER,), outputs.FOLDER)
    common.check_writable("export_dir")
    common.check_max_bad_files()
    formats.check_format(FLAGS.format, FLAGS.float16)
    if os.path.exists(FLAGS.export_dir):
        raise VQError(f"export_dir: {FLAGS.export_dir!r} exists; give the name of a folder to make")
    commands = kinds.of(common.open_run())
    with commands.open() as model:
        # A function, so that a run that can't have the format is refused before its data is read.
        examples = None if FLAGS.format == SAVED_MODEL else functools.partial(_examples, commands, model)
        differences = model.export(FLAGS.export_dir, FLAGS.format, FLAGS.float16, examples, common.cache_dir())
        done = f"step {model.checkpoint.step} exported to {FLAGS.export_dir}"
        if FLAGS.format == SAVED_MODEL:
            print(f"{done}, signatures {', '.join(signatures(model.config, model.prior))}")
            return
        print(verification.table(differences))
        print(f"{done}, files {', '.join(sorted(os.listdir(FLAGS.export_dir)))}")
        if FLAGS.format == WEB:
            print(f"open it with: python -m http.server -d {FLAGS.export_dir}")


def _examples(commands, model):
    """Returns the first examples of --input; None if it is the default and the run's data are not there."""
    from vq_estimator.config import type_name

    asked, config = FLAGS["input"].present, model.config
    if not (asked or FLAGS["data_dir"].present or os.path.isdir(os.path.join(FLAGS.data_dir, config.dataset))):
        log.info("export: no data set below %r, comparing on draws of the model", FLAGS.data_dir)
        return None
    try:
        batches = commands.examples(model).batches()
        images = itertools.chain.from_iterable(batch.images for batch in batches)
        found = list(itertools.islice(images, MAX_EXAMPLES[type_name(config.model)]))
    except VQError as e:
        if asked:
            raise
        log.warning("export: comparing on draws of the model, because its data is not available: %s", e)
        return None
    return found if config.model.fixed_dims is not None else [one[0, :, 0] for one in found]


def run() -> None:
    common.run(main, __doc__)


if __name__ == "__main__":
    run()
