"""Trains a VQ-VAE on images or speech and evaluates it.

On your own images, a folder of PNG and JPEG files (subfolders are classes), and on MNIST:

  vq-train --dataset=images --data_dir=FOLDER --image_size=64 --preset=tuned
  vq-train --dataset=mnist --preset=tuned

Ctrl-C saves and stops; the same command resumes. At the end the run directory holds
eval/validation.json, eval/test.json and, for images, reconstructions.png. On two CPU cores add
--D=64 --learning_rate=0.001 --max_steps=3000 to the first command (docs/your_own_images.md).
With --dataset and --preset, --help shows the values of their settings.
"""

import os
import sys
from typing import Any, Dict

from vq_estimator import config as config_lib
from vq_estimator_launch import cluster, common, configuration, settings
from vq_estimator_launch.common import FLAGS, Group

RUN = Group("Run")
RUN.enum(
    "dataset",
    "mnist",
    config_lib.DATASETS,
    "data set; images, npy and wav: your own files, in --data_dir; tfds:NAME: NAME of TensorFlow Datasets, such as "
    "tfds:svhn_cropped; fsdd: spoken digits",
)
RUN.enum(
    "preset",
    None,
    config_lib.PRESETS,
    "named configuration of the data set (docs/settings.md); like: the one of --warm_start",
    offered=lambda: (
        [*config_lib.PRESETS_OF[config_lib.row_of(FLAGS.dataset)], config_lib.LIKE]
        if FLAGS["dataset"].present
        else config_lib.PRESETS
    ),
)
RUN.path("config", None, "a config.json to start from instead of --dataset and --preset")
RUN.bool("print_config", False, "print the configuration as JSON and stop")
RUN.path("model_dir", None, "run directory; default: log/<dataset>-<preset>-[<quantizer>-][L<L>-]K<K>-D<D>")
RUN.bool("overwrite", False, "remove the run in model_dir and start again")
RUN.path("checkpoint", "latest", "checkpoint of the final evaluation: latest, best (by validation), or a path")
common.deterministic_flag(RUN)
common.data_flags()
RUN.enum("cache", "auto", config_lib.CACHES, "images: where training images are kept; auto: memory up to 1 GiB")
settings.define(config_lib.Config)

cluster.define_flags()


def prepare() -> Any:
    """The configuration, refused or printed before TensorFlow is imported."""
    config = configuration.configure()
    if FLAGS.print_config:
        print(config_lib.to_json(config), end="")
        sys.exit(0)
    return config


def main(config: Any) -> None:
    from vq_estimator.config import provided
    from vq_estimator.training import checkpoints, run_folder, trainer, warm_start

    common.be_deterministic()
    shared = cluster.distribution()
    model_dir = FLAGS.model_dir or config_lib.default_model_dir(config)
    common.check_can_train(model_dir, shared.name)
    if FLAGS.checkpoint not in ("latest", checkpoints.BEST):
        checkpoints.find_checkpoint(model_dir, FLAGS.checkpoint)  # an invalid path fails before the training
    resumed = not FLAGS.overwrite and os.path.isfile(os.path.join(model_dir, run_folder.CONFIG))
    config, wanted = configuration.resume(config, model_dir) if resumed else (config, None)
    if not resumed:
        common.check_path_writable("model_dir", model_dir)
    warm = None
    if config.warm_start and not (resumed and checkpoints.latest_checkpoint(model_dir)):
        warm = warm_start.of_run(provided.locate_run(config.warm_start, "warm_start"))  # fails before data is read
    source = common.locate_data(config, wanted, FLAGS.cache)
    config = config_lib.with_data(config, source.name, source.speakers)
    result = trainer.train(config, source, model_dir, FLAGS.overwrite, warm=warm, shared=shared)
    if shared.task != "chief":
        return
    run_folder.keep_class_names(model_dir, source.class_names)
    if result.stopped_by is not None:
        same = "the same command without --overwrite" if FLAGS.overwrite else "the same command"
        print(f"stopped at step {result.step}; run {same} to resume", file=sys.stderr)
        sys.exit(128 + result.stopped_by)
    evaluate(config, model_dir, source)


def evaluate(config: Any, model_dir: str, source: Any) -> None:
    """Evaluates the trained run and prints the results and the paths of its files."""
    from vq_estimator import drawing
    from vq_estimator.inference import evaluation, exploration, projector
    from vq_estimator.inference.calibration import calibrate

    with config_lib.opener(config.model)(model_dir, FLAGS.checkpoint) as model:
        results = [evaluation.evaluate(model, source, split) for split in ("validation", "test")]
        projector.write(model, calibrate(model, source))
        print(evaluation.table(results, config.model.unit))
        print(f"\nrun directory    {model_dir}")
        if config.model.has_mse:
            picture = os.path.join(model_dir, "reconstructions.png")
            drawing.save_png(picture, exploration.reconstructions(model, source), zoom=2)
            print(f"reconstructions  {picture}")
    print(f"TensorBoard      tensorboard --logdir {model_dir}")


FIRST = ("dataset", "data_dir", "preset", "model_dir", "image_size", "channels", "K", "D", "batch_size")
FIRST += ("max_steps", "learning_rate")


def run() -> None:
    def values() -> Dict[str, str]:
        config = configuration.configure(os.path.isfile(FLAGS.data_dir))
        return {**settings.resolved(config), "preset": config.preset}

    common.run(main, __doc__, prepare=prepare, values=values, common=FIRST)


if __name__ == "__main__":
    run()
