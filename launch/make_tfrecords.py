"""Writes a data set as TFRecord shards, for training with more images than memory or one disk holds.

  vq-make-tfrecords --dataset=images --data_dir=FOLDER --image_size=128 --out=shards --shards=64
  vq-train --dataset=images --data_dir=shards --image_size=128

--out and --data_dir may be several comma-separated folders, such as one per disk: --out=/a/shards,/b/shards.
"""

import os
from typing import Dict

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
    "data set to write; images and npy: your own, in --data_dir; tfds:NAME: NAME of TensorFlow Datasets",
)
SHARDS.path("out", None, "new folder, or comma-separated ones that are filled alternately", several=True)
SHARDS.integer("shards", 16, "files of the training split; other splits have fewer, in proportion to their size")
common.data_flags()
settings.define(config_lib.Config, only=("image_size", "channels", "splits", "value_range", "array"))


def main() -> None:
    from vq_estimator.data import outputs, shards

    if not FLAGS.out:
        raise VQError("out: got none, expected --out=FOLDER, a new folder, or --out=FOLDER,FOLDER")
    for folder in common.paths.several("out"):
        outputs.output_kind("out", folder, (outputs.FOLDER,), outputs.FOLDER)
        common.check_path_writable("out", folder)
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


def values() -> Dict[str, str]:
    """The values of the settings for --help, with the size and channels of the file that --data_dir names, if any."""
    given = settings.given()
    given = common.with_own_size(FLAGS.dataset, given) if os.path.isfile(FLAGS.data_dir) else given
    return settings.resolved(config_lib.make_config(FLAGS.dataset, **given))


def run() -> None:
    common.run(main, __doc__, values=values)


if __name__ == "__main__":
    run()
