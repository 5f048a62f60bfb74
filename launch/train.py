"""Trains a VQ-VAE of images or of speech and evaluates it.

  vq-train --dataset=mnist --K=20 --D=64
  vq-train --dataset=images --data_dir=FOLDER_OF_IMAGES --preset=tuned --image_size=64
  vq-train --dataset=npy --data_dir=IMAGES.npy --preset=tuned

The same command resumes a run that was stopped. At its end the run directory holds eval/validation.json, eval/test.json
and for images reconstructions.png.
"""

import os
import sys
from typing import Any

from vq_estimator import config as config_lib
from vq_estimator.errors import VQError
from vq_estimator_launch import common, settings, shell, signals
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
    "preset", None, config_lib.PRESETS, "named configuration of the data set (docs/settings.md); default: its first"
)
RUN.path("config", None, "a config.json to start from in place of --dataset and --preset")
RUN.bool("print_config", False, "print the configuration as JSON and stop")
RUN.path("model_dir", None, "run directory; default: log/<dataset>-<preset>-K<K>-D<D>")
RUN.bool("overwrite", False, "remove a run that is in model_dir and start anew")
RUN.path("checkpoint", "latest", "checkpoint of the final evaluation: latest, best (by validation), or a path")
common.deterministic_flag(RUN)
common.data_flags()
RUN.enum(
    "cache", "auto", ("auto", "memory", "tfrecord"), "images: where training images are kept; auto: memory up to 1 GiB"
)
settings.define(config_lib.Config)

SCALE = Group("Scale (docs/scaling.md)")
SCALE.enum(
    "distribution",
    "none",
    config_lib.DISTRIBUTIONS,
    "mirrored: all GPUs; multi_worker: machines of TF_CONFIG in step; parameter_server: each at its own pace",
)
SCALE.integer("cpu_devices", 1, "mirrored without a GPU: parts of the CPU, to try it; not faster")


def configure(with_data: bool = True) -> Any:
    """The configuration that the flags mean; `with_data`: with the size of the data's own images, where it has one."""
    given = settings.given()
    if not FLAGS.config:
        given = common.with_own_size(FLAGS.dataset, given) if with_data else given
        return config_lib.make_config(FLAGS.dataset, FLAGS.preset, **given)
    for name in ("dataset", "preset"):
        if FLAGS[name].present:
            raise VQError(f"{name}: got {FLAGS[name].value!r} with --config, expected no value: the file has it")
    base = config_lib.with_data(config_lib.read_config(FLAGS.config), None)
    return config_lib.override(base, given)


def prepare() -> Any:
    """The configuration, refused or printed before TensorFlow is imported."""
    config = configure()
    if FLAGS.print_config:
        print(config_lib.to_json(config), end="")
        sys.exit(0)
    return config


def main(config: Any) -> None:
    from vq_estimator import drawing, pretrained
    from vq_estimator.inference import evaluation, projector
    from vq_estimator.inference.calibration import calibrate
    from vq_estimator.training import distribution, run_folder, trainer, warm_start

    common.be_deterministic()
    if FLAGS.distribution in shell.CLUSTERS:
        os.environ["TF_CONFIG"] = distribution.checked(FLAGS.distribution, os.environ.get("TF_CONFIG"))
        signals.WATCH.nothing_to_lose = True
    shared = distribution.make(FLAGS.distribution, os.environ.get("TF_CONFIG"), FLAGS.cpu_devices)
    if shared.cluster and FLAGS.overwrite:
        raise VQError(
            "overwrite: got it in a cluster, whose processes would not see it at once; remove the run yourself"
        )
    model_dir = FLAGS.model_dir or config_lib.default_model_dir(config)
    common.check_can_train(model_dir, shared.name)
    if FLAGS.checkpoint not in ("latest", run_folder.BEST):
        run_folder.find_checkpoint(model_dir, FLAGS.checkpoint)  # a wrong path is said before training, not after
    # A run that is resumed goes on with the data that it began with.
    resumed = not FLAGS.overwrite and os.path.isfile(os.path.join(model_dir, run_folder.CONFIG))
    wanted = None
    if resumed:  # of what differs in a flag it is not the data's turn to complain
        old = run_folder.load_config(model_dir)
        config = config_lib.keep_intervals(config, old, settings.given())
        wanted = old.dataset_source
        config = config_lib.as_resumed(config, old)
        run_folder.check_resumable(model_dir, config)
    source = common.locate_data(config, wanted, FLAGS.cache)
    config = config_lib.with_data(config, source.name, source.speakers)
    warm = None
    if FLAGS.warm_start and not (resumed and run_folder.latest_checkpoint(model_dir)):
        known = FLAGS.warm_start in pretrained.names() and not os.path.isdir(FLAGS.warm_start)
        warm = warm_start.of_run(pretrained.folder(FLAGS.warm_start) if known else FLAGS.warm_start)
    result = trainer.train(config, source, model_dir, FLAGS.overwrite, warm=warm, shared=shared)
    if shared.task != "chief":  # which does the rest
        return
    run_folder.keep_class_names(model_dir, source.class_names)
    if result.stopped_by is not None:
        same = "the same command without --overwrite" if FLAGS.overwrite else "the same command"
        print(f"stopped at step {result.step}; run {same} to resume", file=sys.stderr)
        sys.exit(128 + result.stopped_by)
    checkpoint = run_folder.find_checkpoint(model_dir, FLAGS.checkpoint)
    results = [evaluation.evaluate(config, checkpoint, source, model_dir, s) for s in ("validation", "test")]
    projector.write(config, checkpoint, calibrate(config, checkpoint, source, model_dir), model_dir)
    print(evaluation.table(results))
    print(f"\nrun folder       {model_dir}")
    if config.model.has_mse:
        picture = os.path.join(model_dir, "reconstructions.png")
        drawing.save_png(picture, evaluation.reconstructions(config, checkpoint, source), zoom=2)
        print(f"reconstructions  {picture}")
    print(f"TensorBoard      tensorboard --logdir {model_dir}")


def run() -> None:
    common.run(
        main, __doc__, prepare=prepare, values=lambda: settings.resolved(configure(os.path.isfile(FLAGS.data_dir)))
    )


if __name__ == "__main__":
    run()
