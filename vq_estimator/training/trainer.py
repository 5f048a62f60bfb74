"""Builds the Estimator and runs it: train, evaluate on validation at fixed steps, keep the best, stop on a signal."""

import logging
import math
from typing import NamedTuple, Optional

import tensorflow.compat.v1 as tf
from tensorflow import estimator as tf_estimator

from vq_estimator import config as config_lib
from vq_estimator.config import Config
from vq_estimator.data import pipeline
from vq_estimator.data.sources import Source
from vq_estimator.errors import VQError
from vq_estimator.training import precision, run_folder, summaries
from vq_estimator.training.hooks import CheckpointHook, StopRequest
from vq_estimator.training.model_fns import EVAL_NAME, vqvae_model_fn

log = logging.getLogger("vq_estimator")

BEST_METRIC = "loss/reconstruction"
EVAL_BATCH = 500
KEEP = 5


class TrainResult(NamedTuple):
    """How training ended: the step of the last checkpoint, and the signal that stopped it, if one did."""

    step: int
    stopped_by: Optional[int]


def make_estimator(config: Config, model_dir: str, start_step: int = 0) -> tf_estimator.Estimator:
    """The Estimator of a run: checkpoints directly in `model_dir`, the newest five kept."""
    session = tf.ConfigProto(allow_soft_placement=True)
    session.gpu_options.allow_growth = True
    run_config = tf_estimator.RunConfig(
        model_dir=model_dir,
        tf_random_seed=config.train.seed,
        save_summary_steps=config.train.save_summary_steps,
        save_checkpoints_steps=config.train.save_checkpoints_steps,
        keep_checkpoint_max=KEEP,
        log_step_count_steps=config.train.save_summary_steps,
        session_config=session,
    )
    return tf_estimator.Estimator(
        vqvae_model_fn, config=run_config, params={"config": config, "start_step": start_step}
    )


class EvaluateAtSteps(tf.train.CheckpointSaverListener):
    """Evaluates the whole validation split when a checkpoint is saved at a step that is due, and keeps the best one."""

    def __init__(self, estimator: tf_estimator.Estimator, input_fn, every: int, model_dir: str, start_step: int):
        self._estimator, self._input_fn, self._every, self._model_dir = estimator, input_fn, every, model_dir
        self._due = start_step - start_step % every + every
        self.evaluated = None  # the last step that was

    def after_save(self, session, global_step_value):
        if global_step_value < self._due:
            return
        self._due = global_step_value - global_step_value % self._every + self._every
        self.evaluated = global_step_value
        evaluate_and_keep_best(self._estimator, self._input_fn, self._model_dir)


def evaluate_and_keep_best(estimator: tf_estimator.Estimator, input_fn, model_dir: str) -> None:
    """One evaluation of the newest checkpoint; its metrics are means over examples (the Estimator's `loss` is not)."""
    path = estimator.latest_checkpoint()
    metrics = estimator.evaluate(input_fn, steps=None, checkpoint_path=path, name=EVAL_NAME)
    step, value = int(metrics["global_step"]), float(metrics[BEST_METRIC])
    if math.isfinite(value):
        run_folder.keep_best(model_dir, path, step, BEST_METRIC, value)
    log.info(
        "step %d: validation mse %.5f, codes used %d, perplexity %.1f",
        *(step, metrics["mse"], metrics["codebook/used"], metrics["codebook/perplexity"]),
    )


def train(config: Config, source: Source, model_dir: str, overwrite: bool = False, hooks=()) -> TrainResult:
    """Trains to `config.train.max_steps`, from the newest checkpoint where there is one.

    Args:
      config: the run; its `dataset_source` must be the source's name.
      source: the files.
      model_dir: the run folder.
      overwrite: remove a run that is there.
      hooks: more session hooks for training.

    Raises:
      VQError: the folder holds another run, or the precision can't be had here.
    """
    precision.check(config.model.precision)
    start = run_folder.prepare(model_dir, config, overwrite)
    schedule, size, binary = config.train, config.model.image_size, config.model.binarize
    estimator = make_estimator(config, model_dir, start)

    def train_input():
        return pipeline.training_dataset(source, size, schedule.batch_size, schedule.seed, start, binary, schedule.flip)

    def validation_input():
        return pipeline.evaluation_dataset(source, "validation", size, EVAL_BATCH, binary)

    listener = EvaluateAtSteps(estimator, validation_input, schedule.eval_steps, model_dir, start)
    saver, stop = CheckpointHook(model_dir, save_steps=schedule.save_checkpoints_steps), StopRequest()
    if start >= schedule.max_steps:
        log.info("%s is at step %d of %d already", model_dir, start, schedule.max_steps)
    else:
        if start:
            log.info("resuming %s at step %d", model_dir, start)
        text = config_lib.to_json(config)
        for folder in (model_dir, estimator.eval_dir(EVAL_NAME)):
            summaries.write_text(folder, "config", text)
        every = [saver, stop, *hooks]
        try:
            with stop.listening():
                estimator.train(train_input, every, max_steps=schedule.max_steps, saving_listeners=[listener])
        except tf.train.NanLossDuringTrainingError:
            step = run_folder.find_checkpoint(model_dir).step
            advice = f"lower --learning_rate; the last checkpoint is of step {step}"
            raise VQError(f"the loss became NaN: got no number, expected one; {advice}") from None
    step = run_folder.find_checkpoint(model_dir).step
    if stop.signal is None and step != listener.evaluated:
        evaluate_and_keep_best(estimator, validation_input, model_dir)
    return TrainResult(step, stop.signal)
