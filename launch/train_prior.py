"""Trains a prior over the codes of a trained VQ-VAE, in its run directory.

  vq-train-prior --model_dir=log/mnist-tuned-K20-D64 --class_conditional
  vq-train-prior --model_dir=log/fsdd-wavenet-K256-D64 --class_conditional --condition=both
  vq-train-prior --model_dir=log/mine --codes='codes/*.tfrecord'

The same command resumes a stopped training. Afterwards vq-evaluate reports the bits of the codes under the prior,
vq-sample draws new images, and vq-export adds the signature `sample`. With --model_dir or --pretrained, --help shows
the values of the settings for that run.
"""

import os
import sys
from typing import Any, Dict, Tuple

from vq_estimator import config as config_lib
from vq_estimator.config import provided
from vq_estimator.errors import VQError
from vq_estimator_launch import common, kinds, settings
from vq_estimator_launch.common import FLAGS, Group

common.run_flags()
PRIOR = Group("Prior")
PRIOR.bool("class_conditional", False, "model p(codes | class) instead of p(codes)")
PRIOR.enum("condition", "class", config_lib.CONDITIONS, "speech: condition on the class (digit), the speaker, or both")
PRIOR.path(
    "codes",
    None,
    "codes to train on instead of the run's data: a folder or pattern of .tfrecord, .parquet or .npz files",
)
PRIOR.path("validation_codes", None, "the same for validation; default: every tenth image or recording of --codes")
PRIOR.bool("overwrite", False, "replace an existing prior")
common.deterministic_flag(PRIOR)
settings.define(config_lib.PriorConfig)


def main() -> None:
    common.be_deterministic()
    with common.open_run() as run:
        train(run)


def train(run: Any) -> None:
    """Trains the prior of a run and evaluates it: on the run's data, or on the validation codes of --codes."""
    from vq_estimator.inference import code_sets, evaluation, extraction
    from vq_estimator.inference.trained_prior import TrainedPrior
    from vq_estimator.training import checkpoints, precision, prior_trainer, run_folder

    config, model_dir, source, sets = run.config, run.model_dir, None, None
    if FLAGS.codes is None:
        if FLAGS.validation_codes is not None:
            raise VQError(f"validation_codes: got {FLAGS.validation_codes!r}, expected --codes=FILES with it")
        source = common.data_of_run(config)
        of, class_names = extraction.codes_config(run, source, *_condition()), source.class_names
    else:
        sets = code_sets.load(run, FLAGS.codes, FLAGS.validation_codes, *_condition())
        of, class_names = sets.config, sets.class_names
    prior_config = config_lib.make_prior_config(of, config.model.has_one_row, **settings.given())
    folder = prior_trainer.folder(model_dir)
    if not FLAGS.overwrite and os.path.isfile(os.path.join(folder, run_folder.CONFIG)):
        old = run_folder.load_config(folder, config_lib.PriorConfig)
        prior_config = config_lib.keep_intervals(prior_config, old, settings.given())
    precision.check(config.model.precision)
    common.check_can_train(prior_trainer.folder(model_dir))
    prior_trainer.check(prior_config, model_dir, FLAGS.overwrite)
    if sets is not None:
        codes = {"train": sets.train, "validation": sets.validation}
    else:
        codes = extraction.extract(run, source)
        if source.speakers:  # a label stands for both the class and the speaker
            classes = max(len(source.class_names), 1)
            codes = {split: extraction.condition_labels(c, FLAGS.condition, classes) for split, c in codes.items()}
    commands = kinds.of(run)

    def evaluated(at):
        events = os.path.join(folder, "eval_" + run_folder.EVAL_NAME)
        commands.summarize_samples(events, TrainedPrior(prior_config, at), class_names)

    result = prior_trainer.train(
        prior_config, codes["train"], codes["validation"], model_dir, FLAGS.overwrite, evaluated
    )
    if result.stopped_by is not None:
        print(f"stopped at step {result.step}; run the same command (without --overwrite) to resume", file=sys.stderr)
        sys.exit(128 + result.stopped_by)
    if source is not None:
        results = [evaluation.evaluate(run, source, split) for split in ("validation", "test")]
    samples = commands.save_samples(folder, run.prior, class_names)
    if source is not None:
        print(evaluation.table(results, config.model.unit))
    else:
        best, number = checkpoints.load_best(folder), len(codes["validation"].codes)
        value, step = (best["value"], best["global_step"]) if best else (float("nan"), result.step)
        print(f"{value:.3f} bits per code map at step {step}, on {number:,} for validation")
    print(f"\nprior            {folder}\nsamples          {samples}\nTensorBoard      tensorboard --logdir {folder}")


def _condition() -> Tuple[bool, str]:
    """Whether the prior depends on labels, and on which."""
    return FLAGS.class_conditional, FLAGS.condition


def values() -> Dict[str, str]:
    """The values of the settings for --help: those for the named run, or those for images and for speech."""
    folder = provided.folder(FLAGS.pretrained) if FLAGS.pretrained else FLAGS.model_dir or ""
    path = os.path.join(folder, "config.json")
    kinds_of_run = [config_lib.read_config(path).model.has_one_row] if os.path.isfile(path) else [False, True]
    codes = config_lib.CodesConfig((1, 1, 1), K=2, classes=0, dataset_source="", global_step=0, fingerprint="")
    shown = [
        settings.resolved(config_lib.make_prior_config(codes, speech, **settings.given())) for speech in kinds_of_run
    ]
    first, last = shown[0], shown[-1]
    return {name: text if text == last[name] else f"{text}, speech {last[name]}" for name, text in first.items()}


def run() -> None:
    common.run(main, __doc__, values=values)


if __name__ == "__main__":
    run()
