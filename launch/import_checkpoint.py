"""Imports a tf-vqvae checkpoint as a run directory, which every command accepts.

  vq-import-checkpoint --checkpoint=models/mnist/last.ckpt --dataset=mnist --model_dir=log/imported

Import tf-vqvae's ImageNet model with --dataset=images. It belongs to no folder of images: vq-evaluate accepts any, and
vq-train continues with the first one that it gets.
"""

from vq_estimator import config as config_lib
from vq_estimator.errors import VQError
from vq_estimator_launch import common
from vq_estimator_launch.common import FLAGS, Group

IMPORT = Group("Import")
IMPORT.path("checkpoint", None, "tf-vqvae's checkpoint, such as models/mnist/last.ckpt")
IMPORT.path("prior_checkpoint", None, "tf-vqvae's PixelCNN, such as models/mnist/last-pixelcnn.ckpt [none]")
DATASETS = (*config_lib.catalogue.DATASETS, config_lib.IMAGES)
IMPORT.enum("dataset", "mnist", DATASETS, "data set of the checkpoint; images: ImageNet")
IMPORT.path("model_dir", None, "run directory to make")


def main() -> None:
    from vq_estimator.inference import tf_vqvae

    for name in ("checkpoint", "model_dir"):
        if not FLAGS[name].value:
            raise VQError(f"{name}: got none, expected --{name}=...")
    common.check_writable("model_dir")
    dataset_source = None if FLAGS.dataset == config_lib.IMAGES else FLAGS.dataset
    config = tf_vqvae.import_checkpoint(
        FLAGS.checkpoint, FLAGS.dataset, dataset_source, FLAGS.model_dir, FLAGS.prior_checkpoint
    )
    q = config.model.quantizer
    prior = ", with its prior" if FLAGS.prior_checkpoint else ""
    next_one = f"next: vq-evaluate --model_dir={FLAGS.model_dir}"
    print(f"{FLAGS.model_dir}: {FLAGS.dataset}, K={q.K}, D={q.D}{prior}; {next_one}")


def run() -> None:
    common.run(main, __doc__)


if __name__ == "__main__":
    run()
