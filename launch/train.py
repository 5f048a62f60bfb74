"""Trains a VQ-VAE on images or speech and evaluates it.

On your own images, a folder of PNG and JPEG files (subfolders are classes), and on MNIST:

  vq-train --dataset=images --data_dir=FOLDER --image_size=64 --preset=tuned
  vq-train --dataset=mnist --preset=tuned

Ctrl-C saves and stops; the same command resumes. At the end the run directory holds
eval/validation.json, eval/test.json and, for images, reconstructions.png. On two CPU cores add
--D=64 --learning_rate=0.001 --max_steps=3000 to the first command (docs/your_own_images.md).
With --dataset and --preset, --help shows the values of their settings.
"""

import glob
import os
import sys
from typing import Any, Dict, Iterator, Optional

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
    "preset",
    None,
    config_lib.PRESETS,
    "named configuration of the data set (docs/settings.md); like: that of --warm_start; default: its first",
)
RUN.path("config", None, "a config.json to start from in place of --dataset and --preset")
RUN.bool("print_config", False, "print the configuration as JSON and stop")
RUN.path("model_dir", None, "run directory; default: log/<dataset>-<preset>-[<quantizer>-][L<L>-]K<K>-D<D>")
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
    if FLAGS.preset == config_lib.LIKE and not FLAGS.config:
        return configure_like(given)
    if not FLAGS.config:
        given = common.with_own_size(FLAGS.dataset, given) if with_data else given
        return config_lib.make_config(FLAGS.dataset, FLAGS.preset, **given)
    for name in ("dataset", "preset"):
        if FLAGS[name].present:
            raise VQError(f"{name}: got {FLAGS[name].value!r} with --config, expected no value: the file has it")
    base = config_lib.with_data(config_lib.read_config(FLAGS.config), None)
    return config_lib.override(base, given)


def configure_like(given: Dict[str, Any]) -> Any:
    """The configuration of --preset=like: that of the run that --warm_start names, with what was given.

    A run that is resumed has it too, where its source has been moved or removed since.
    """
    dataset = FLAGS.dataset if FLAGS["dataset"].present else None
    try:
        source = config_lib.source_config(FLAGS.warm_start) if FLAGS.warm_start is not None else None
    except VQError:
        found = [] if FLAGS.overwrite else list(resumable_like(given, dataset))
        if len(found) != 1:
            raise
        return found[0]
    return config_lib.make_config(dataset or (source.dataset if source else FLAGS.dataset), config_lib.LIKE, **given)


def resumable_like(given: Dict[str, Any], dataset: Optional[str]) -> Iterator[Any]:
    """The configurations of the runs that the command would resume: in --model_dir, or where it goes by default."""
    pattern = glob.escape(FLAGS.model_dir) if FLAGS.model_dir else f"log/*-{config_lib.LIKE}-*"
    for path in sorted(glob.glob(os.path.join(pattern, "config.json"))):
        try:
            old = config_lib.read_config(path)
            config = config_lib.override(config_lib.with_data(old, None), given)
        except VQError:
            continue
        same = config.preset == config_lib.LIKE and old.warm_start == FLAGS.warm_start
        here = FLAGS.model_dir or config_lib.default_model_dir(config) == os.path.dirname(path)
        if same and here and dataset in (None, config.dataset):
            yield config


def prepare() -> Any:
    """The configuration, refused or printed before TensorFlow is imported."""
    config = configure()
    if FLAGS.print_config:
        print(config_lib.to_json(config), end="")
        sys.exit(0)
    return config


def main(config: Any) -> None:
    from vq_estimator import drawing
    from vq_estimator.config import provided
    from vq_estimator.inference import evaluation, exploration, projector
    from vq_estimator.inference.calibration import calibrate
    from vq_estimator.training import checkpoints, distribution, run_folder, trainer, warm_start

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
    if FLAGS.checkpoint not in ("latest", checkpoints.BEST):
        checkpoints.find_checkpoint(model_dir, FLAGS.checkpoint)  # a wrong path is said before training, not after
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
    if config.warm_start and not (resumed and checkpoints.latest_checkpoint(model_dir)):
        warm = warm_start.of_run(provided.locate_run(config.warm_start, "warm_start"))
    result = trainer.train(config, source, model_dir, FLAGS.overwrite, warm=warm, shared=shared)
    if shared.task != "chief":  # which does the rest
        return
    run_folder.keep_class_names(model_dir, source.class_names)
    if result.stopped_by is not None:
        same = "the same command without --overwrite" if FLAGS.overwrite else "the same command"
        print(f"stopped at step {result.step}; run {same} to resume", file=sys.stderr)
        sys.exit(128 + result.stopped_by)
    with config_lib.opener(config.model)(model_dir, FLAGS.checkpoint) as model:
        results = [evaluation.evaluate(model, source, split) for split in ("validation", "test")]
        projector.write(model, calibrate(model, source))
        print(evaluation.table(results))
        print(f"\nrun folder       {model_dir}")
        if config.model.has_mse:
            picture = os.path.join(model_dir, "reconstructions.png")
            drawing.save_png(picture, exploration.reconstructions(model, source), zoom=2)
            print(f"reconstructions  {picture}")
    print(f"TensorBoard      tensorboard --logdir {model_dir}")


FIRST = ("dataset", "data_dir", "preset", "model_dir", "image_size", "channels", "K", "D", "batch_size")
FIRST += ("max_steps", "learning_rate")


def run() -> None:
    def values() -> Dict[str, str]:
        return settings.resolved(configure(os.path.isfile(FLAGS.data_dir)))

    common.run(main, __doc__, prepare=prepare, values=values, common=FIRST)


if __name__ == "__main__":
    run()
