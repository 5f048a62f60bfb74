"""Ctrl-C while TensorFlow works for a long time."""

import threading
from typing import Any, Callable

import tensorflow.compat.v1 as tf

_ABANDONED = []  # for each call of `interruptible` that Ctrl-C left running, the event that it has ended


def interruptible(run: Callable, *arguments) -> Any:
    """Calls `run(*arguments)` in a thread, so that Ctrl-C interrupts it while TensorFlow works.

    After a KeyboardInterrupt the thread may run until the process ends; `close_session` closes its session.
    """
    result, error = [], []
    ended = threading.Event()  # not join(): a thread whose join() was interrupted claims that it is not alive

    def work():
        try:
            result.append(run(*arguments))
        except BaseException as e:  # raised in the calling thread
            error.append(e)
        finally:
            ended.set()

    threading.Thread(target=work, daemon=True).start()
    try:
        while not ended.wait(0.1):
            pass
    except KeyboardInterrupt:
        _ABANDONED.append(ended)
        raise
    if error:
        raise error[0]
    return result[0]


def close_session(session: tf.Session) -> None:
    """Closes a session.

    After a Ctrl-C it waits for a second at most, because XLA's loops cannot be stopped. Otherwise it waits for all
    threads, because a thread that returns from TensorFlow while Python ends aborts the process.
    """
    if all(ended.is_set() for ended in _ABANDONED):
        session.close()
        return
    thread = threading.Thread(target=session.close, daemon=True)
    thread.start()
    thread.join(1.0)
