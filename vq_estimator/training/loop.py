"""Runs one training through an Estimator: evaluation at fixed steps, the best checkpoint, early stopping, signals."""

import contextlib
import logging
import math
from typing import Any, Callable, Iterator, NamedTuple, Optional

import tensorflow.compat.v1 as tf
from tensorflow import estimator as tf_estimator
from tensorflow.core.protobuf import rewriter_config_pb2

from vq_estimator import config as config_lib
from vq_estimator.errors import VQError
from vq_estimator.training import beginning, checkpoints, disk, distribution, lock, run_folder, summaries
from vq_estimator.training.checkpoints import Checkpoint
from vq_estimator.training.hooks import CheckpointHook, NotFinite, StopRequest, TrainingLoopHook

log = logging.getLogger("vq_estimator")

KEEP = 5


class TrainResult(NamedTuple):
    """The end of a training: the step of the last checkpoint, and the signal that stopped it, or None."""

    step: int
    stopped_by: Optional[int]


class Job(NamedTuple):
    """A training.

    Attributes:
      config: dataclass whose `train` is a TrainConfig; stored as `config.json`.
      model_dir: run directory, with the checkpoints directly in it.
      model_fn: gets params {"config": config} and `params`; registers checks and progress figures with `hooks`.
      train_input: (start step, Part) -> Dataset.
      validation_input: () -> Dataset, one pass.
      metric: metric of the evaluation whose lowest value selects the best checkpoint; a mean over examples.
      describe: metrics of an evaluation -> a text for the log.
      patience: evaluations without a better metric after which training stops; 0 disables this.
      evaluated: called with the checkpoint after each evaluation.
      params: further params of the model_fn.
    """

    config: Any
    model_dir: str
    model_fn: Callable
    train_input: Callable
    validation_input: Callable
    metric: str
    describe: Callable
    patience: int = 0
    evaluated: Callable = lambda checkpoint: None
    params: Optional[dict] = None


def make_run_config(
    train: config_lib.TrainConfig, model_dir: Optional[str], shared: Optional[distribution.Distribution] = None
) -> tf_estimator.RunConfig:
    """The RunConfig of a training: its seed and intervals, and the newest five checkpoints in its directory."""
    shared = shared or distribution.make()
    # Grappler's remapper logs a harmless failure at each start ("missing node residual_1/add"). Without it the weights
    # and the time of a step are the same.
    shared.session.graph_options.rewrite_options.remapping = rewriter_config_pb2.RewriterConfig.OFF
    return tf_estimator.RunConfig(
        model_dir=model_dir,
        tf_random_seed=train.seed,
        save_summary_steps=train.save_summary_steps,
        save_checkpoints_steps=train.save_checkpoints_steps,
        keep_checkpoint_max=KEEP,
        log_step_count_steps=train.save_summary_steps,
        session_config=shared.session,
        train_distribute=shared.strategy,
        experimental_max_worker_delay_secs=0,  # by default, workers would start 5 seconds apart
    )


def make_estimator(job: Job, shared: Optional[distribution.Distribution] = None) -> tf_estimator.Estimator:
    """The Estimator of a run."""
    params = dict(job.params or {}, config=job.config)
    run_config = make_run_config(job.config.train, job.model_dir, shared)
    return tf_estimator.Estimator(job.model_fn, config=run_config, params=params)


class EvaluateAtSteps(tf.train.CheckpointSaverListener):
    """Evaluates the whole validation split when a checkpoint is saved at a due step, and keeps the best one."""

    def __init__(self, job: Job, estimator: tf_estimator.Estimator):
        self._job, self._estimator, self._every = job, estimator, job.config.train.eval_steps
        self._evaluated(checkpoints.evaluated(job.model_dir))

    def _evaluated(self, step):
        self._due = next_due(step, self._every)

    def after_save(self, session, global_step_value):
        if global_step_value < self._due:
            return False
        self._evaluated(global_step_value)
        evaluate_and_keep_best(self._job, self._estimator)
        if out_of_patience(self._job, global_step_value):
            log.info("no better %s in %d evaluations: stopping", self._job.metric, self._job.patience)
            return True
        return False


def evaluate_and_keep_best(job: Job, estimator: tf_estimator.Estimator) -> None:
    """Evaluates the newest checkpoint. The metrics are means over examples, unlike the Estimator's `loss`."""
    path = estimator.latest_checkpoint()
    metrics = estimator.evaluate(job.validation_input, steps=None, checkpoint_path=path, name=run_folder.EVAL_NAME)
    _keep(job, path, metrics)


def _keep(job: Job, path: str, metrics: dict) -> None:
    step, value = int(metrics["global_step"]), float(metrics[job.metric])
    if math.isfinite(value):
        checkpoints.keep_best(job.model_dir, path, step, job.metric, value)
    log.info("step %d: validation %s", step, job.describe(metrics))
    checkpoints.keep_evaluated(job.model_dir, step)
    job.evaluated(Checkpoint(path, step))


def out_of_patience(job: Job, step: int) -> bool:
    """Whether the best checkpoint is `patience` evaluations old. It reads the directory only, so a resumed run knows it
    too.
    """
    train, best = job.config.train, checkpoints.load_best(job.model_dir)
    if not job.patience or not best:
        return False
    since, every = 0, train.save_checkpoints_steps
    due = next_due(best["global_step"], train.eval_steps)
    for at in range(best["global_step"] // every * every + every, step + 1, every):
        if at >= due:  # evaluations happen at checkpoints only
            since, due = since + 1, next_due(at, train.eval_steps)
    return since >= job.patience


def next_due(step: int, every: int) -> int:
    """The step from which on the checkpoint after `step` is evaluated."""
    return step - step % every + every


class KeepEvaluated(tf_estimator.Exporter):
    """Handles the results of the evaluator of a cluster."""

    name = run_folder.EVAL_NAME

    def __init__(self, job: Job):
        self._job = job

    def export(self, estimator, export_path, checkpoint_path, eval_result, is_the_final_export):
        _keep(self._job, checkpoint_path, eval_result)


def run(job: Job, overwrite: bool = False, hooks=(), shared: Optional[distribution.Distribution] = None) -> TrainResult:
    """Trains to `config.train.max_steps`, from the newest checkpoint if there is one.

    Args:
      job: the training.
      overwrite: replace an existing run in the directory.
      hooks: further session hooks for training. They run in every step, unless all of them have a true attribute
        `of_rounds` (see `TrainingLoopHook`).
      shared: the devices or processes; by default this process. In a cluster each process calls this function; in a
        parameter server it never returns.

    Raises:
      VQError: the directory has another run or is not writable, or the loss is not finite.
    """
    shared = shared or distribution.make()
    run_folder.check_name(job.model_dir)
    try:
        # In an eager process, such as a notebook's, the summary writer requires a graph.
        with tf.Graph().as_default(), disk.translate_disk_errors(job.model_dir), lock.training(
            job.model_dir, shared.name
        ):
            if shared.task != "chief":
                return _follow(job, hooks, shared)
            beginning.heal(job.model_dir)
            with beginning.Beginning(job.model_dir, type(job.config), overwrite) as begun, _closing_writers():
                start = run_folder.prepare(job.model_dir, job.config, begun.replaces)
                return _run(job, start, hooks, shared, begun)
    except OSError as e:
        last = checkpoints.latest_checkpoint(job.model_dir)
        kept = f"the checkpoint of step {last.step} is complete" if last else "there is no checkpoint yet"
        raise VQError(f"model_dir: can't write {job.model_dir!r}: {e.strerror or e}; {kept}") from None


@contextlib.contextmanager
def _closing_writers() -> Iterator[None]:
    """Closes the summary writers after an error. They would otherwise continue to write to removed files."""
    try:
        yield
    except BaseException:
        tf.summary.FileWriterCache.clear()
        raise


def _run(job: Job, start: int, hooks, shared: distribution.Distribution, begun: beginning.Beginning) -> TrainResult:
    """Trains in a single process, or in a cluster's chief."""
    schedule, model_dir = job.config.train, job.model_dir
    estimator, stop = make_estimator(job, shared), StopRequest(begun.commit)
    if start >= schedule.max_steps:
        log.info("%s is at step %d of %d already", model_dir, start, schedule.max_steps)
    elif out_of_patience(job, start):
        log.info("%s was stopped at step %d, because validation no longer improved", model_dir, start)
    else:
        if start:
            log.info("resuming %s at step %d", model_dir, start)
        alone = not shared.cluster and shared.strategy is None and all(getattr(h, "of_rounds", False) for h in hooks)
        text = config_lib.to_json(job.config)
        for folder in (model_dir, estimator.eval_dir(run_folder.EVAL_NAME)):
            summaries.write_text(folder, "config", text)
        saver = CheckpointHook(model_dir, schedule.save_checkpoints_steps)
        _listen_and_train(
            job, estimator, start, [stop, TrainingLoopHook(schedule, start, stop, alone), saver, *hooks], shared
        )
    step = checkpoints.find_checkpoint(model_dir).step
    if stop.signal is None and step != checkpoints.evaluated(model_dir) and not shared.cluster:
        evaluate_and_keep_best(job, estimator)
    return TrainResult(step, stop.signal)


def _follow(job: Job, hooks, shared: distribution.Distribution) -> TrainResult:
    """Trains in a process of a cluster that is not its chief."""
    start = _step(job.model_dir)
    with beginning.Beginning(job.model_dir, type(job.config), worker=shared.index) as begun:
        estimator, stop = make_estimator(job, shared), StopRequest(begun.commit)
        if start < job.config.train.max_steps and not out_of_patience(job, start):
            every = [stop, TrainingLoopHook(job.config.train, start, stop, alone=False), *hooks]
            _listen_and_train(job, estimator, start, every, shared)
    return TrainResult(_step(job.model_dir), stop.signal)


def _listen_and_train(job: Job, estimator, start: int, every, shared: distribution.Distribution) -> None:
    """`_train` with the hooks `every`, a StopRequest first."""
    try:
        with every[0].listening():
            _train(job, estimator, start, every, shared)
    except NotFinite as e:
        last = checkpoints.latest_checkpoint(job.model_dir)
        kept = f"the checkpoint of step {last.step} is from before it" if last else "there is no checkpoint yet"
        raise VQError(f"{e}; {kept}; lower --learning_rate") from None


def _step(model_dir: str) -> int:
    latest = checkpoints.latest_checkpoint(model_dir)
    return latest.step if latest else 0


def _train(job: Job, estimator, start: int, hooks, shared: distribution.Distribution) -> None:
    max_steps = job.config.train.max_steps

    def train_input(input_context=None):
        return job.train_input(start, distribution.part_of(input_context, estimator.config))

    if not shared.cluster:
        listeners = [EvaluateAtSteps(job, estimator)]
        estimator.train(train_input, hooks, max_steps=max_steps, saving_listeners=listeners)
        return
    train = tf_estimator.TrainSpec(train_input, max_steps, hooks)
    evaluate = tf_estimator.EvalSpec(
        *(job.validation_input, None),
        name=run_folder.EVAL_NAME,
        exporters=[KeepEvaluated(job)],
        start_delay_secs=0,
        throttle_secs=1,
    )
    tf_estimator.train_and_evaluate(estimator, train, evaluate)
