"""What both Estimators share: they train in a run directory."""

import contextlib
from typing import Any, Callable, Iterator

import tensorflow.compat.v1 as tf
from tensorflow import estimator as tf_estimator

from vq_estimator.errors import VQError
from vq_estimator.training import beginning, disk, lock, run_folder


class RunEstimator(tf_estimator.Estimator):
    """An Estimator that trains in the run directory of its configuration.

    TensorFlow refuses a class that overrides a method of `Estimator` itself, but accepts a class in between.
    """

    _own: Any  # Config or PriorConfig

    def train(self, input_fn, hooks=None, steps=None, max_steps=None, saving_listeners=None):
        """Trains from the newest checkpoint of the run; see `tf.estimator.Estimator.train`.

        The first call writes `config.json`. Without `steps` and `max_steps` it trains to the `max_steps` of the
        configuration, which determines the schedule of the learning rate in any case.

        Raises:
          VQError: the directory holds another run, another process trains in it, the features do not fit the
            configuration, or the input_fn has no batch.
        """
        if steps is None and max_steps is None:
            max_steps = self._own.train.max_steps
        with self._beginning(input_fn) as commit:
            super().train(input_fn, [commit, *(hooks or ())], steps, max_steps, saving_listeners)
        return self

    def evaluate(self, input_fn, steps=None, hooks=None, checkpoint_path=None, name=None):
        """Evaluates a checkpoint; see `tf.estimator.Estimator.evaluate`.

        Raises:
          VQError: the input_fn has no batch, so all means would be 0.
        """
        return super().evaluate(input_fn, steps, [_NeedsBatch(), *(hooks or ())], checkpoint_path, name)

    @contextlib.contextmanager
    def _beginning(self, input_fn: Any) -> Iterator[tf.train.SessionRunHook]:
        """Prepares the directory for training; a run that makes no step leaves no trace in it."""
        model_dir = self.model_dir
        chief = self.config.is_chief
        alone = self.config.num_worker_replicas <= 1 and not self.config.num_ps_replicas
        run_folder.check_name(model_dir)
        with contextlib.ExitStack() as stack:
            stack.enter_context(disk.translate_disk_errors(model_dir))
            if not chief:  # the chief prepares the directory
                yield _NeedsBatch()
                return
            stack.enter_context(lock.training(model_dir, None if alone else f"chief{self.config.task_id}"))
            beginning.heal(model_dir)
            begun = stack.enter_context(beginning.Beginning(model_dir, type(self._own)))
            self._own = self._with_data(input_fn)
            self._params["config"] = self._own
            run_folder.prepare(model_dir, self._own)
            yield _NeedsBatch(begun.commit)

    def _with_data(self, input_fn: Any) -> Any:
        """Returns the configuration with the data of an input_fn."""
        del input_fn
        return self._own


class _NeedsBatch(tf.train.SessionRunHook):
    """Refuses an input without a batch, before anything is written.

    Args:
      first_step: a function that is called after the first step.
    """

    def __init__(self, first_step: Callable[[], None] = lambda: None):
        self._first_step, self._has_batch = first_step, False

    def after_run(self, run_context, run_values):
        del run_context, run_values
        if not self._has_batch:
            self._first_step()
            self._has_batch = True

    def end(self, session):
        del session
        if not self._has_batch:
            raise VQError("input_fn: got no batch, expected one or more")
