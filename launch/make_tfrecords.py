"""Writes a data set as TFRecord shards, for training on more images than memory or one disk holds.

  vq-make-tfrecords --dataset=images --data_dir=FOLDER --image_size=128 --out=shards --shards=64
  vq-train --dataset=images --data_dir=shards --image_size=128

Several folders, such as one on each disk, are given with commas between them: --out=/a/shards,/b/shards, and so is
--data_dir then.
"""

from vq_estimator import config as config_lib
from vq_estimator.config.model import SIZE
from vq_estimator.errors import VQError
from vq_estimator_launch import common, settings
from vq_estimator_launch.common import FLAGS, Group

SHARDS = Group("Shards")
SHARDS.enum(
    "dataset",
    "images",
    config_lib.IMAGE_DATASETS,
    "what is written; images and npy: your own, in --data_dir; tfds:NAME: NAME of TensorFlow Datasets",
)
SHARDS.path("out", None, "the folder to make, or several with commas between them, filled in turn", several=True)
SHARDS.integer("shards", 16, "files of the training split; the other splits have as many as their size asks for")
common.data_flags()
settings.define(config_lib.Config, only=("image_size", "channels", "splits", "value_range", "array"))


def main() -> None:
    from vq_estimator.data import outputs, shards

    if not FLAGS.out:
        raise VQError("out: got none, expected --out=FOLDER, a folder to make, or --out=FOLDER,FOLDER")
    for folder in FLAGS.out.split(","):
        outputs.output_kind("out", folder, (outputs.FOLDER,), outputs.FOLDER)
    if not 1 <= FLAGS.shards <= shards.MAX_SHARDS // 2:
        raise VQError(f"shards: got {FLAGS.shards}, expected 1 to {shards.MAX_SHARDS // 2}")
    config = config_lib.make_config(FLAGS.dataset, **common.with_own_size(FLAGS.dataset, settings.given()))
    source = common.locate_data(config, cache="tfrecord")
    made = shards.write(source, config.model.size, common.paths.several("out"), FLAGS.shards)
    *sides, channels = made["shape"]
    size = SIZE.text(tuple(sides))
    numbers = [f"{n:,} of {split} in {len(made['shards'][split])}" for split, n in made["counts"].items()]
    print(f"shards           {FLAGS.out}: images, {', '.join(numbers)}")
    print(f"train on them    --dataset=images --data_dir={FLAGS.out} --image_size={size} --channels={channels}")


def run() -> None:
    common.run(main, __doc__)


if __name__ == "__main__":
    run()
