"""A signal ends a command or a training in order, at whatever moment it arrives."""

import io
import logging
import os
import signal
import sys

import pytest

from vq_estimator.training import hooks

COMMAND = """
import os, signal, sys, time
from vq_estimator_launch import common

def interrupt():
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(5)

class Finalized:
    def __del__(self):
        interrupt()

def in_a_finalizer():
    one = Finalized()
    del one

def dropped():
    try:
        interrupt()
    except BaseException:
        pass

def dropped_by_what_then_fails():
    dropped()
    raise AttributeError("'list' object has no attribute '_type_spec'")

def another_exception():
    try:
        interrupt()
    except BaseException:
        raise ImportError("numpy.core.multiarray failed to import")

def an_error_of_the_user():
    try:
        interrupt()
    except BaseException:
        raise MemoryError("no session")

def after_its_work():
    return None

def main():
    moment()
    if moment is not after_its_work:
        time.sleep(60)

moment, sys.argv = globals()[sys.argv[1]], sys.argv[:1]
try:
    common.run(main, "")
except SystemExit:
    interrupt()
"""


MOMENTS = ("in_a_finalizer", "dropped", "dropped_by_what_then_fails", "another_exception", "an_error_of_the_user")


@pytest.mark.parametrize("moment", MOMENTS)
def test_an_interruption_that_is_dropped_or_replaced_ends_the_command(forked, moment):
    done = forked.code(COMMAND, moment)
    assert done.status == 128 + signal.SIGINT, done.stderr
    said = done.stderr.splitlines()
    assert said[-1] == "code.py: error: interrupted"
    # Python 3.7 prints what a finalizer raises whoever it is for.
    assert len(said) == 1 or (sys.version_info < (3, 8) and moment == "in_a_finalizer"), done.stderr


def test_after_its_work_a_command_ends_by_a_signal_without_a_stack_trace(forked):
    done = forked.code(COMMAND, "after_its_work")
    assert (done.status, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


class InterruptedWrite(io.RawIOBase):
    """A file at whose first write a signal comes."""

    def __init__(self):
        self.written = b""

    def writable(self):
        return True

    def write(self, data):
        if not self.written:
            os.kill(os.getpid(), signal.SIGINT)
        self.written += bytes(data)
        return len(data)


def test_a_signal_while_training_writes_to_stderr_stops_it(monkeypatch):
    file = InterruptedWrite()
    stream = io.TextIOWrapper(io.BufferedWriter(file), encoding="utf-8", line_buffering=True)

    class Handler(logging.Handler):
        def emit(self, record):
            stream.write(self.format(record) + "\n")

    monkeypatch.setattr(hooks.log, "handlers", [Handler()])
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with hooks.StopRequest().listening() as stop:
            stop.take_over()
            stream.write("a progress bar\n")
        assert stop.signal == signal.SIGINT
    finally:
        signal.signal(signal.SIGINT, before)
    assert file.written.startswith(b"a progress bar\nstopping after this step")
