"""Session hooks: the training loop and its progress bar, checks for NaN, checkpoints, signals, and pictures."""

import contextlib
import logging
import queue
import signal
import threading
import time
from typing import Callable, Dict

import numpy as np
import tensorflow.compat.v1 as tf

from vq_estimator.config import TrainConfig
from vq_estimator.errors import VQError
from vq_estimator.progress import ProgressBar

log = logging.getLogger("vq_estimator")
# Names of graph collections.
_TERMS, _FIGURES, _TRAIN_OP = "vq_estimator/watched", "vq_estimator/shown", "vq_estimator/train_op"


def register_finite_check(**terms: tf.Tensor) -> None:
    """Registers terms of the loss, each [B]; `TrainingLoopHook` checks in every step that they are finite."""
    _declare(_TERMS, {name: tf.reduce_mean(term) for name, term in terms.items()})


def register_progress(train_op: tf.Operation, **figures: tf.Tensor) -> None:
    """Registers the train_op and the metrics of the progress bar; `brightest` is for `BlackImages`."""
    tf.add_to_collection(_TRAIN_OP, train_op)
    _declare(_FIGURES, figures)


def _declare(collection, tensors) -> None:
    for name, tensor in tensors.items():
        tf.add_to_collection(collection, tf.identity(tensor, name=f"{collection.split('/')[-1]}/{name}"))


def _declared(collection) -> Dict[str, tf.Tensor]:
    found = {}
    for tensor in tf.get_collection(collection):
        found.setdefault(tensor.op.name.split("/")[-1], tensor)  # the first replica's
    return found


class StopRequest(tf.train.SessionRunHook):
    """Ends training after the running step when a signal arrives; the Estimator then saves a checkpoint.

    Without this hook Ctrl-C skips the hooks' `end()` and saves nothing. A second signal stops immediately. Signals keep
    their handlers until the process has made a step, since there is nothing to save before. Ignored signals stay
    ignored.

    Args:
      first_step: called after the first step.
    """

    SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))

    def __init__(self, first_step: Callable[[], None] = lambda: None):
        self.signal, self._first_step, self._before = None, first_step, None
        # A thread writes the message. The signal may arrive while the main thread is writing to stderr, and a handler
        # that writes there too raises RuntimeError (reentrant call). A SimpleQueue is safe in a handler.
        self._messages, self._writer = queue.SimpleQueue(), threading.Thread(target=self._write, daemon=True)

    @contextlib.contextmanager
    def listening(self):
        """Restores the signal handlers at the end of the block, if a step replaced them (`take_over`)."""
        try:
            yield self
        finally:
            for s, handler in (self._before or {}).items():
                signal.signal(s, handler)
            if self._writer.is_alive():
                self._messages.put(None)
                self._writer.join()

    def take_over(self):
        """Replaces the signal handlers, which Python allows only in the main thread."""
        self._before = {}
        if threading.current_thread() is threading.main_thread():
            self._writer.start()
            handled = [s for s in self.SIGNALS if signal.getsignal(s) != signal.SIG_IGN]
            self._before = {s: signal.signal(s, self._request) for s in handled}

    def _request(self, number, frame):
        if self.signal is not None:
            raise KeyboardInterrupt
        self.signal = number
        self._messages.put("stopping after this step and saving a checkpoint; once more to stop at once without saving")

    def _write(self):
        for message in iter(self._messages.get, None):
            log.warning(message)

    def after_run(self, run_context, run_values):
        if self._before is None:
            self.take_over()
            self._first_step()
        if self.signal is not None:
            run_context.request_stop()


class TrainingLoopHook(tf.train.SessionRunHook):
    """Runs most steps, shows the progress bar, and stops if the loss is not finite.

    One iteration of the Estimator's loop (`run` of its session, with all hooks) takes about a millisecond, a fifth of
    an MNIST step. So `before_run` itself runs the steps at which no other hook has anything to do, with the same graph.
    The Estimator's loop still makes the steps with a checkpoint, a summary or metrics, the last step, and one step per
    second.

    Args:
      schedule: the TrainConfig.
      start: the step at which the process began.
      stop: the StopRequest; after a signal this hook runs no steps itself.
      alone: whether this hook may run steps: there is one process, and no hook needs every step.
    """

    MAX_SECONDS = 1.0

    def __init__(self, schedule: TrainConfig, start: int, stop: StopRequest, alone: bool):
        self._schedule, self._start, self._stop, self._alone = schedule, start, stop, alone
        self._bar = self._black = None

    def begin(self):
        self._terms, self._figures = _declared(_TERMS), _declared(_FIGURES)
        if "brightest" in self._figures:
            self._black = BlackImages(self._schedule.log_steps)
        self._fetches = {"terms": self._terms, "train_op": tf.get_collection(_TRAIN_OP)[0]}
        self._bar = ProgressBar(
            initial=self._start, total=self._schedule.max_steps, unit="step", desc="train", mininterval=0.5
        )

    def after_create_session(self, session, coord):
        self._step = session.run(tf.train.get_global_step(session.graph))
        self._first = self._step + 1
        self._make = session.make_callable(self._fetches)

    def before_run(self, run_context):
        if self._alone and self._step >= self._first:
            until, begin = self._next_round(), time.perf_counter()
            while self._step + 1 < until and self._stop.signal is None:
                self._made(self._make()["terms"])
                if time.perf_counter() - begin > self.MAX_SECONDS:
                    break
        due = (self._step + 1 - self._first) % self._schedule.log_steps == 0
        return tf.train.SessionRunArgs({"terms": self._terms, "figures": self._figures if due else {}})

    def _next_round(self) -> int:
        """Returns the next step with work for a hook; the Estimator's summary saver also needs the step before it."""
        s, first = self._schedule, self._first
        dues = [(s.log_steps, first), (s.save_summary_steps, first), (s.save_summary_steps, first - 1)]
        dues.append((s.save_checkpoints_steps, 0))
        return min([self._step + every - (self._step - at) % every for every, at in dues] + [s.max_steps])

    def after_run(self, run_context, run_values):
        self._made(run_values.results["terms"])
        figures = run_values.results["figures"]
        brightest = figures.pop("brightest", None)
        if brightest is not None:
            self._black.look(brightest)
        if figures:
            self._bar.set_postfix({k: "%.4g" % v for k, v in figures.items()}, refresh=False)

    def _made(self, terms):
        self._step += 1
        broken = [name for name, value in terms.items() if not np.isfinite(value)]
        if broken:
            values = ", ".join(f"{name} {value:.4g}" for name, value in terms.items())
            raise NotFinite(f"the loss is not finite at step {self._step}: {broken[0]} failed first ({values})")
        self._bar.update(1)

    def end(self, session):
        self._bar.close()


class NotFinite(VQError):
    """The loss or the weights became NaN or infinite."""


class CheckpointHook(tf.train.CheckpointSaverHook):
    """Saves checkpoints at multiples of `save_steps`, but never weights that are NaN or infinite.

    In TensorFlow 2 the Estimator's saver makes a second `session.run` in every step, because it looks a million steps
    ahead (`_steps_per_run = 1000000`) for TPU loops. This hook does not.

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
            raise NotFinite(f"weights are not finite at step {step}: {some}")
        return super()._save(session, step)


class BlackImages:
    """Warns once if all reconstructions of several checked batches in a row are black.

    The sigmoid with squared error then has saturated: its gradient vanishes, and training does not recover. This
    happens on MNIST with learning rates that are too high.

    Args:
      every: steps between two checks.
    """

    BLACK = 0.05
    CHECKS = 3

    def __init__(self, every: int):
        self._every, self._dark, self._warned = every, 0, False

    def look(self, brightest: float) -> None:
        """Checks a batch of reconstructions whose brightest pixel, in 0..1, is `brightest`."""
        self._dark = self._dark + 1 if brightest < self.BLACK else 0
        if self._dark == self.CHECKS and not self._warned:
            self._warned = True
            log.warning(
                "every reconstruction has been black (brightest pixel %.3f of 1) for %d steps: the sigmoid with "
                "squared error has saturated and will hardly return; lower --learning_rate (the original's is "
                "2e-4) or use --preset=tuned",
                brightest,
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
