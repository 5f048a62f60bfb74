"""Session hooks: progress, checkpoints, a watch for NaN and for black images, stopping on a signal, pictures."""

import contextlib
import logging
import signal

import numpy as np
import tensorflow.compat.v1 as tf
from tqdm import tqdm

from vq_estimator.errors import VQError

log = logging.getLogger("vq_estimator")
_TERMS = "vq_estimator/terms"  # the collection of what is watched


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


def watch(**terms: tf.Tensor) -> None:
    """Has `FiniteLoss` look at these terms of the loss, each [B]."""
    for name, term in terms.items():
        tf.add_to_collection(_TERMS, tf.identity(tf.reduce_mean(term), name="watched/" + name))


class FiniteLoss(tf.train.SessionRunHook):
    """Stops training at the first step whose loss is NaN or infinite, and says which term of it.

    Raises:
      VQError: from `after_run`.
    """

    def begin(self):
        found = {}
        for term in tf.get_collection(_TERMS):
            found.setdefault(term.op.name.split("/")[-1], term)  # of several replicas the first
        self._fetches = found

    def after_create_session(self, session, coord):
        self._step = session.run(tf.train.get_global_step(session.graph))

    def before_run(self, run_context):
        self._step += 1
        return tf.train.SessionRunArgs(self._fetches)

    def after_run(self, run_context, run_values):
        terms = run_values.results
        broken = [name for name, value in terms.items() if not np.isfinite(value)]
        if broken:
            values = ", ".join(f"{name} {value:.4g}" for name, value in terms.items())
            raise NotFinite(f"the loss is no number at step {self._step}: {broken[0]} broke first ({values})")


class NotFinite(VQError):
    """The loss or the weights became NaN or infinite."""


class CheckpointHook(tf.train.CheckpointSaverHook):
    """The Estimator's saver: at multiples of `save_steps`, and never weights that are no numbers.

    Without its second `session.run` for the step's number in every step, too: TensorFlow 2.x looks a million steps
    ahead there (`_steps_per_run = 1000000`), for TPU loops; 4 % of a small step.

    Raises:
      NotFinite: from any of its methods.
    """

    def __init__(self, model_dir: str, save_steps: int):
        super().__init__(model_dir, save_steps=save_steps)
        self._every, self._due = save_steps, None

    def begin(self):
        super().begin()
        self._variables = [v for v in tf.global_variables() if v.dtype.base_dtype.is_floating]
        self._finite = tf.stack([tf.reduce_all(tf.is_finite(v)) for v in self._variables])

    def after_run(self, run_context, run_values):
        if run_values.results + 1 >= self._due:
            step = run_context.session.run(self._global_step_tensor)
            if step >= self._due:
                self._timer.update_last_triggered_step(step)
                if self._save(run_context.session, step):
                    run_context.request_stop()

    def _save(self, session, step):
        self._due = step - step % self._every + self._every
        finite = session.run(self._finite)
        if not finite.all():
            broken = [v.op.name for v, fine in zip(self._variables, finite) if not fine]
            some = ", ".join(broken[:3]) + (f" and {len(broken) - 3} more" if len(broken) > 3 else "")
            raise NotFinite(f"weights are no numbers at step {step}: {some}")
        return super()._save(session, step)


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
