"""Exports a trained run as a SavedModel with the signatures encode, decode, reconstruct and serving_default.

Where a prior was trained there is `sample` too.

vq-export --model_dir=log/mnist-original-K20-D64 --export_dir=export/mnist/1
"""

from vq_estimator.errors import VQError
from vq_estimator_launch import common
from vq_estimator_launch.common import FLAGS, Group

common.run_flags(data=False)
EXPORT = Group("Export")
EXPORT.path("export_dir", None, "the folder to make; TensorFlow Serving wants a number as its last part")


def main() -> None:
    from vq_estimator.data import outputs
    from vq_estimator.inference import export

    if not FLAGS.export_dir:
        raise VQError("export_dir: got none, expected --export_dir=FOLDER, a folder to make")
    outputs.output_kind("export_dir", FLAGS.export_dir, (outputs.FOLDER,), outputs.FOLDER)
    common.check_writable("export_dir")
    run = common.open_run()
    folder = export.export(run.config, run.checkpoint, FLAGS.export_dir, run.prior)
    signatures = ", ".join(export.signatures(run.config, run.prior))
    print(f"step {run.checkpoint.step} exported to {folder}, signatures {signatures}")


def run() -> None:
    common.run(main, __doc__)


if __name__ == "__main__":
    run()
