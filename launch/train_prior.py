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
from vq_estimator.config.checks import MOST_LAYERS, positive_int
from vq_estimator_launch import common
from vq_estimator_launch.common import FLAGS, Group

common.run_flags()
PRIOR = Group("Prior")
PRIOR.bool("class_conditional", False, "p(codes | class) instead of p(codes)")
PRIOR.enum("condition", "class", config_lib.CONDITIONS, "speech: what a class is: the digit, the speaker, or both")
PRIOR.integer("layers", None, "gated layers after the first; speech: dilations 1, 2, 4 .. of a cycle [6, speech 4]")
PRIOR.integer("cycles", None, "speech: of the dilations of its WaveNet [1]")
PRIOR.integer("maps", None, "feature maps of each stack [64]")
PRIOR.integer("embedding", None, "numbers that stand for a code in the input [32]")
PRIOR.float("dropout", None, "share of the last features that training drops [0.1, speech 0.5]")

TRAINING = Group("Training")
TRAINING.integer(
    "max_steps", None, "steps in all, unless validation stops getting better before [10,000, speech 1,500]"
)
TRAINING.integer("batch_size", None, "images in a step [128, speech 32]")
TRAINING.float("learning_rate", None, "of Adam [0.001]")
TRAINING.float("final_decay", None, "last share of max_steps, in which the learning rate falls to 1 % [0.3]")
TRAINING.integer("warmup_steps", None, "first steps, in which the learning rate rises from 0 [0]")
TRAINING.float("clip_norm", None, "cuts the gradients' global norm; 0: never [1]")
TRAINING.float(
    "average_decay", None, "of the moving average of the weights that is used in their place; 0: none [0.999]"
)
TRAINING.integer(
    "patience", None, "evaluations without a better validation after which it stops; 0: never [6, speech 3]"
)
TRAINING.integer("seed", None, "of the initial weights, the order of the data and every draw [0]")
common.deterministic_flag(TRAINING)

OUTPUT = Group("Output")
OUTPUT.bool("overwrite", False, "remove a prior that is there and start anew")
OUTPUT.integer("save_checkpoints_steps", None, "steps between checkpoints, of which five are kept [500, speech 100]")
OUTPUT.integer("save_summary_steps", None, "steps between summaries for TensorBoard [1,000]")
OUTPUT.integer("eval_steps", None, "steps between evaluations on validation, at checkpoints [500, speech 100]")
OUTPUT.integer("log_steps", None, "steps between updates of the figures beside the progress bar [100]")

SETTINGS = [
    *("layers", "cycles", "maps", "embedding", "dropout", "max_steps", "batch_size", "learning_rate", "final_decay"),
    *("warmup_steps", "clip_norm", "average_decay", "patience", "seed"),
    *("save_checkpoints_steps", "save_summary_steps", "eval_steps", "log_steps"),
]
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
        from vq_estimator.inference import speech

        with speech.SpeechModel(self._run.model_dir, self._run.checkpoint.path, prior) as model:
            spoken = model.sample(SPOKEN, SECONDS)
            names = speech.describe(spoken, model, self._class_names)
            return dict(zip(names, spoken.levels)), model.sample_rate

    def summarize(self, events, prior):
        from vq_estimator.inference import speech

        speech.write_summary(events, prior.checkpoint.step, *self._draw(prior))

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
    from vq_estimator.inference import prior as prior_lib
    from vq_estimator.inference.session import TrainedPrior
    from vq_estimator.training import precision, prior_trainer, run_folder

    common.be_deterministic()
    found = common.open_run()
    config, checkpoint, model_dir = found
    speech = isinstance(config.model, config_lib.SpeechConfig)
    source = common.data_of_run(config)
    of = extraction.codes_config(config, checkpoint, source, FLAGS.class_conditional, FLAGS.condition)
    settings = {name: FLAGS[name].value for name in SETTINGS}
    if speech:
        settings["cycles"] = 1 if settings["cycles"] is None else settings["cycles"]
        positive_int("cycles", settings["cycles"], MOST_LAYERS)  # a PixelCNN has codes of one number of columns
    prior_config = config_lib.make_prior_config(of, **settings)
    precision.check(config.model.precision)
    prior_trainer.check(prior_config, model_dir, FLAGS.overwrite)
    codes = extraction.extract(config, checkpoint, source, model_dir)
    if speech:
        classes = max(len(source.class_names), 1)
        codes = {split: extraction.condition_labels(c, FLAGS.condition, classes) for split, c in codes.items()}
    folder = prior_trainer.folder(model_dir)
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
