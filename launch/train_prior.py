"""Trains a prior over the codes of a trained VQ-VAE, in its run directory.

  vq-train-prior --model_dir=log/mnist-tuned-K20-D64 --class_conditional
  vq-train-prior --model_dir=log/fsdd-wavenet-K256-D64 --class_conditional --condition=both

The same command resumes a stopped training. Afterwards vq-evaluate reports the bits of the codes under the prior,
vq-sample draws new images, and vq-export adds the signature `sample`.
"""

import os
import sys
from typing import Any

from vq_estimator import config as config_lib
from vq_estimator_launch import common, kinds, settings
from vq_estimator_launch.common import FLAGS, Group

common.run_flags()
PRIOR = Group("Prior")
PRIOR.bool("class_conditional", False, "model p(codes | class) instead of p(codes)")
PRIOR.enum("condition", "class", config_lib.CONDITIONS, "speech: condition on the class (digit), the speaker, or both")
PRIOR.bool("overwrite", False, "replace an existing prior")
common.deterministic_flag(PRIOR)
settings.define(config_lib.PriorConfig)


def main() -> None:
    common.be_deterministic()
    with common.open_run() as run:
        train(run)


def train(run: Any) -> None:
    """Trains the prior of a run and evaluates the run with it."""
    from vq_estimator.inference import evaluation, extraction
    from vq_estimator.inference.trained_prior import TrainedPrior
    from vq_estimator.training import precision, prior_trainer, run_folder

    config, model_dir = run.config, run.model_dir
    source = common.data_of_run(config)
    of = extraction.codes_config(run, source, FLAGS.class_conditional, FLAGS.condition)
    prior_config = config_lib.make_prior_config(of, config.model.has_one_row, **settings.given())
    folder = prior_trainer.folder(model_dir)
    if not FLAGS.overwrite and os.path.isfile(os.path.join(folder, run_folder.CONFIG)):
        old = run_folder.load_config(folder, config_lib.PriorConfig)
        prior_config = config_lib.keep_intervals(prior_config, old, settings.given())
    precision.check(config.model.precision)
    common.check_can_train(prior_trainer.folder(model_dir))
    prior_trainer.check(prior_config, model_dir, FLAGS.overwrite)
    codes = extraction.extract(run, source)
    if source.speakers:  # a label stands for both the class and the speaker
        classes = max(len(source.class_names), 1)
        codes = {split: extraction.condition_labels(c, FLAGS.condition, classes) for split, c in codes.items()}
    commands = kinds.of(run)

    def evaluated(at):
        events = os.path.join(folder, "eval_" + run_folder.EVAL_NAME)
        commands.summarize_samples(events, TrainedPrior(prior_config, at), source.class_names)

    result = prior_trainer.train(
        prior_config, codes["train"], codes["validation"], model_dir, FLAGS.overwrite, evaluated
    )
    if result.stopped_by is not None:
        print(f"stopped at step {result.step}; run the same command (without --overwrite) to resume", file=sys.stderr)
        sys.exit(128 + result.stopped_by)
    splits = ("validation", "test")
    results = [evaluation.evaluate(run, source, split) for split in splits]
    samples = commands.save_samples(folder, run.prior, source.class_names)
    print(evaluation.table(results))
    print(f"\nprior            {folder}\nsamples          {samples}\nTensorBoard      tensorboard --logdir {folder}")


def run() -> None:
    common.run(main, __doc__)


if __name__ == "__main__":
    run()
