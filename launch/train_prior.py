"""Trains a prior over the codes of a trained VQ-VAE, in its run folder.

  vq-train-prior --model_dir=log/mnist-tuned-K20-D64 --class_conditional
  vq-train-prior --model_dir=log/fsdd-wavenet-K256-D64 --class_conditional --condition=both

The same command resumes a training that was stopped. Afterwards vq-evaluate counts the codes' bits with it, vq-sample
makes new images, and vq-export adds the signature `sample`.
"""

import os
import shutil
import sys

from vq_estimator import config as config_lib
from vq_estimator_launch import common, settings
from vq_estimator_launch.common import FLAGS, Group

common.run_flags()
PRIOR = Group("Prior")
PRIOR.bool("class_conditional", False, "model p(codes | class) instead of p(codes)")
PRIOR.enum("condition", "class", config_lib.CONDITIONS, "speech: what a class is: the digit, the speaker, or both")
PRIOR.bool("overwrite", False, "remove a prior that is there and start anew")
common.deterministic_flag(PRIOR)
settings.define(config_lib.PriorConfig)
ROW = 10  # samples in a row of the picture, and rows, or fewer where there are fewer classes
SPOKEN, SECONDS = 10, 1.0  # samples of speech


class _Pictures:
    """What is shown of a prior over the codes of images."""

    def __init__(self, run, prior_config):
        self._run, self._classes = run, prior_config.codes.classes

    def _draw(self, prior):
        from vq_estimator.inference import sampling

        shown = sampling.shown_classes(self._classes)
        num = ROW * len(shown) if shown else ROW * ROW
        labels = sampling.labels_for(self._classes, num, shown)
        return sampling.picture(sampling.sample(self._run.config, self._run.checkpoint, prior, num, labels))

    def summarize(self, events, prior):
        from vq_estimator.inference import sampling

        sampling.write_summary(events, prior.checkpoint.step, self._draw(prior))

    def save(self, folder, prior):
        """Writes the picture; returns where."""
        from vq_estimator import drawing

        path = os.path.join(folder, "samples.png")
        drawing.save_png(path, self._draw(prior), zoom=2)
        return path


class _Speech:
    """The same of speech: recordings."""

    def __init__(self, run, class_names):
        self._run, self._class_names = run, class_names

    def _draw(self, prior):
        from vq_estimator.inference import speech_model

        with speech_model.SpeechModel(self._run.model_dir, self._run.checkpoint.path, prior) as model:
            spoken = model.sample(SPOKEN, SECONDS)
            names = speech_model.sample_names(spoken, model, self._class_names)
            return dict(zip(names, spoken.levels)), model.sample_rate

    def summarize(self, events, prior):
        from vq_estimator.inference import speech_model

        speech_model.write_summary(events, prior.checkpoint.step, *self._draw(prior))

    def save(self, folder, prior):
        """Writes the recordings, in the place of others; returns where."""
        from vq_estimator.data import audio
        from vq_estimator.data.files import atomic_folder

        path = os.path.join(folder, "samples")
        sounds, rate = self._draw(prior)
        shutil.rmtree(path, ignore_errors=True)
        with atomic_folder(path) as made:
            for name, levels in sounds.items():
                audio.write_wav(os.path.join(made, name + ".wav"), levels, rate)
        return path


def main() -> None:
    from vq_estimator.inference import evaluation, extraction
    from vq_estimator.inference import trained_prior as prior_lib
    from vq_estimator.inference.session import TrainedPrior
    from vq_estimator.training import precision, prior_trainer, run_folder

    common.be_deterministic()
    found = common.open_run()
    config, checkpoint, model_dir = found
    speech = isinstance(config.model, config_lib.SpeechConfig)
    source = common.data_of_run(config)
    of = extraction.codes_config(config, checkpoint, source, FLAGS.class_conditional, FLAGS.condition)
    prior_config = config_lib.make_prior_config(of, speech, **settings.given())
    folder = prior_trainer.folder(model_dir)
    if not FLAGS.overwrite and os.path.isfile(os.path.join(folder, run_folder.CONFIG)):
        old = run_folder.load_config(folder, config_lib.PriorConfig)
        prior_config = config_lib.keep_intervals(prior_config, old, settings.given())
    precision.check(config.model.precision)
    common.check_can_train(prior_trainer.folder(model_dir))
    prior_trainer.check(prior_config, model_dir, FLAGS.overwrite)
    codes = extraction.extract(config, checkpoint, source, model_dir)
    if speech:
        classes = max(len(source.class_names), 1)
        codes = {split: extraction.condition_labels(c, FLAGS.condition, classes) for split, c in codes.items()}
    shown = _Speech(found, source.class_names) if speech else _Pictures(found, prior_config)

    def evaluated(at):
        events = os.path.join(folder, "eval_" + run_folder.EVAL_NAME)
        shown.summarize(events, TrainedPrior(prior_config, at))

    result = prior_trainer.train(
        prior_config, codes["train"], codes["validation"], model_dir, FLAGS.overwrite, evaluated
    )
    if result.stopped_by is not None:
        print(f"stopped at step {result.step}; run the same command (without --overwrite) to resume", file=sys.stderr)
        sys.exit(128 + result.stopped_by)
    splits = ("validation", "test")
    results = [evaluation.evaluate(config, checkpoint, source, model_dir, split) for split in splits]
    samples = shown.save(folder, prior_lib.find(model_dir, checkpoint))
    print(evaluation.table(results))
    print(f"\nprior            {folder}\nsamples          {samples}\nTensorBoard      tensorboard --logdir {folder}")


def run() -> None:
    common.run(main, __doc__)


if __name__ == "__main__":
    run()
