"""A hook that acts once in a training."""

import tensorflow.compat.v1 as tf


class AfterSteps(tf.train.SessionRunHook):
    """Calls `act(session)` after a number of session runs."""

    def __init__(self, runs, act):
        self._left, self._act = runs, act

    def after_run(self, run_context, run_values):
        self._left -= 1
        if self._left == 0:
            self._act(run_context.session)
