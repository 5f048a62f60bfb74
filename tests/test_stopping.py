"""What a signal does to a training: the step ends, a checkpoint is saved, and the same command continues the run."""

import os
import signal
import threading
import time

import pytest

from helpers.hooks import AfterSteps
from helpers.marks import slow
from helpers.small_runs import small_config
from vq_estimator.training import checkpoints, hooks, trainer


@pytest.mark.parametrize("number", [slow(signal.SIGINT), slow(signal.SIGTERM), signal.SIGHUP])
def test_a_signal_saves_a_checkpoint_and_the_run_goes_on_from_it(digits, tmp_path, number):
    config, folder = small_config(digits, max_steps=12, save_checkpoints_steps=1000), str(tmp_path / "run")
    before = signal.signal(number, signal.default_int_handler)  # nohup ignores SIGHUP
    try:
        result = trainer.train(config, digits, folder, hooks=[AfterSteps(7, lambda _: os.kill(os.getpid(), number))])
        assert signal.getsignal(number) == signal.default_int_handler
    finally:
        signal.signal(number, before)
    assert result.stopped_by == number and 7 <= result.step <= 8
    assert checkpoints.find_checkpoint(folder).step == result.step
    assert trainer.train(config, digits, folder).step == 12


def test_a_signal_that_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as by nohup
    try:
        with hooks.StopRequest().listening() as stop:
            stop.take_over()
            os.kill(os.getpid(), signal.SIGHUP)
            assert stop.signal is None and signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_before_the_first_step_signals_do_what_they_did():
    stop, before = hooks.StopRequest(), signal.getsignal(signal.SIGTERM)
    with stop.listening():
        assert signal.getsignal(signal.SIGTERM) == before
        stop.after_run(None, None)
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_second_signal_stops_at_once():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores SIGINT
    try:
        stop = hooks.StopRequest()
        with stop.listening():
            stop.take_over()
            os.kill(os.getpid(), signal.SIGINT)
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(10)
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_thread_trains_without_taking_over_signals():
    def listen():
        with hooks.StopRequest().listening() as stop:
            stop.take_over()
            found.append(signal.getsignal(signal.SIGINT))

    found, before = [], signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=listen)
    thread.start()
    thread.join()
    assert found == [before]
