"""Session hooks: progress, stopping on a signal, a watch for black images, and pictures of an evaluation."""

import contextlib
import logging
import signal

import tensorflow.compat.v1 as tf
from tqdm import tqdm

log = logging.getLogger("vq_estimator")


class ProgressHook(tf.train.SessionRunHook):
    """A tqdm bar with steps/s, loss and mse. Fetches tensors only every `every` steps: a fetch costs time."""

    def __init__(self, tensors, start: int, total: int, every: int):
        self._tensors, self._start, self._total, self._every = tensors, start, total, every
        self._bar, self._steps = None, 0

    def begin(self):
        self._bar = tqdm(initial=self._start, total=self._total, unit="step", desc="train", mininterval=0.5)

    def before_run(self, run_context):
        return tf.train.SessionRunArgs(self._tensors) if self._steps % self._every == 0 else None

    def after_run(self, run_context, run_values):
        self._steps += 1
        self._bar.update(1)
        if run_values.results is not None:
            self._bar.set_postfix({k: "%.4g" % v for k, v in run_values.results.items()}, refresh=False)

    def end(self, session):
        self._bar.close()


class CheckpointHook(tf.train.CheckpointSaverHook):
    """The Estimator's saver, without its second `session.run` for the step's number in every step.

    TensorFlow 2.x looks a million steps ahead there (`_steps_per_run = 1000000`), for TPU loops; 4 % of a small step.
    """

    def after_run(self, run_context, run_values):
        if self._timer.should_trigger_for_step(run_values.results + 1):
            super().after_run(run_context, run_values)


class StopRequest(tf.train.SessionRunHook):
    """Ends training after the running step when a signal came; the Estimator's own end then saves a checkpoint.

    Ctrl-C by itself skips the hooks' `end()` and saves nothing. A second Ctrl-C stops at once.
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self):
        self.signal = None

    @contextlib.contextmanager
    def listening(self):
        """Takes over SIGINT and SIGTERM for the block."""
        before = {s: signal.signal(s, self._request) for s in self.SIGNALS}
        try:
            yield self
        finally:
            for s, handler in before.items():
                signal.signal(s, handler)

    def _request(self, number, frame):
        if self.signal is not None:
            raise KeyboardInterrupt
        self.signal = number
        log.warning("stopping after this step and saving a checkpoint; once more to stop at once without saving")

    def after_run(self, run_context, run_values):
        if self.signal is not None:
            run_context.request_stop()


class BlackImageHook(tf.train.SessionRunHook):
    """Warns, once, when every reconstruction of several batches in a row is black.

    A sigmoid with squared error saturates there: its gradient vanishes and training never returns. Seen on MNIST at
    learning rates from 7e-4 up (mse 0.1036 for ever).
    """

    BLACK = 0.05
    CHECKS = 3

    def __init__(self, brightest: tf.Tensor, every: int):
        self._brightest, self._every = brightest, every
        self._steps, self._dark, self._warned = 0, 0, False

    def before_run(self, run_context):
        self._steps += 1
        due = self._steps % self._every == 0 and not self._warned
        return tf.train.SessionRunArgs(self._brightest) if due else None

    def after_run(self, run_context, run_values):
        if run_values.results is None:
            return
        self._dark = self._dark + 1 if run_values.results < self.BLACK else 0
        if self._dark == self.CHECKS:
            self._warned = True
            log.warning(
                "every reconstruction has been black (brightest pixel %.3f of 1) for %d steps: the sigmoid with "
                "squared error has saturated and will hardly return; lower --learning_rate (the original's is "
                "2e-4) or use --preset=tuned",
                run_values.results,
                self.CHECKS * self._every,
            )


class EvaluationPictures(tf.train.SessionRunHook):
    """Writes the picture summaries of the first batch of an evaluation."""

    def __init__(self, summaries, folder: str, step: tf.Tensor):
        self._fetches = {"summary": tf.summary.merge(summaries), "step": step}
        self._folder, self._done = folder, False

    def before_run(self, run_context):
        return None if self._done else tf.train.SessionRunArgs(self._fetches)

    def after_run(self, run_context, run_values):
        if not self._done:
            results = run_values.results
            tf.summary.FileWriterCache.get(self._folder).add_summary(results["summary"], results["step"])
            self._done = True
