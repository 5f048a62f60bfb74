"""launch/train.py or train_prior.py, killed by SIGKILL at a moment that is asked for.

  python tests/helpers/killed.py train|train_prior MOMENT flags of it...

MOMENT is `step:N` (as step N of this process ends), `save:N:S` (S seconds into the writing of the N-th checkpoint of
this process), `evaluate:S` (S seconds into its first evaluation), `time:S` (S seconds after its first step) or `never`.
"""

import importlib
import os
import signal
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))


def kill():
    os.kill(os.getpid(), signal.SIGKILL)


def before(cls, name, act):
    """Has `act(count)` run before each call of the method, with the number of the call."""
    real, calls = getattr(cls, name), []

    def method(*args, **kwargs):
        calls.append(None)
        act(len(calls))
        return real(*args, **kwargs)

    setattr(cls, name, method)


def kill_in(seconds):
    threading.Timer(seconds, kill).start() if seconds else kill()


def main():
    import tensorflow.compat.v1 as tf
    from tensorflow import estimator as tf_estimator

    from vq_estimator.training.hooks import TrainingLoopHook

    command = importlib.import_module("vq_estimator_launch." + sys.argv.pop(1))
    kind, *numbers = sys.argv.pop(1).split(":")
    numbers = [float(n) for n in numbers]
    if kind == "step":
        before(TrainingLoopHook, "_made", lambda n: n == numbers[0] and kill())
    elif kind == "save":
        before(tf.train.Saver, "save", lambda n: n == numbers[0] and kill_in(numbers[1]))
    elif kind == "evaluate":
        before(tf_estimator.Estimator, "evaluate", lambda n: n == 1 and kill_in(numbers[0]))
    elif kind == "time":
        before(TrainingLoopHook, "_made", lambda n: n == 1 and kill_in(numbers[0]))
    command.run()


if __name__ == "__main__":
    main()
