"""A run that is opened once, and what runs beside the main thread."""

import signal
import threading
import time

import numpy as np
import pytest

from helpers.codec_runs import images, write_run
from vq_estimator.errors import VQError
from vq_estimator.inference import calibration, evaluation, sampling
from vq_estimator.inference import session as session_lib
from vq_estimator.inference.session import Batch, Examples, close_session, interruptible, open_run


def test_an_open_run_is_opened_once_and_loads_what_is_needed(tmp_path, monkeypatch):
    read, real = [], session_lib.CheckpointReader
    monkeypatch.setattr(session_lib, "CheckpointReader", lambda path, *given: read.append(path) or real(path, *given))
    with open_run(write_run(tmp_path / "run", classes=2)) as run:
        fitted, some = calibration.kept(run), images(5, 8, 1)
        examples = Examples("some", 5, lambda: iter([Batch(some[:3]), Batch(some[3:])]))
        assert run._open is None and read == []  # it costs nothing before it is used
        another = evaluation.evaluate_examples(run, examples, fitted, evaluation.ANOTHER)
        assert read == [run.checkpoint.path] and another["prior"] is None
        first, again = (evaluation.evaluate_examples(run, examples, fitted) for _ in range(2))
        sampling.sample(run, 2, np.array([0, 1]))
        assert first == again and read == [run.checkpoint.path, run.prior.checkpoint.path]
        assert set(run.loaded) == set(read) and all(run.loaded.values())
    run.close()
    with pytest.raises(VQError, match="model: got a call after close"):
        evaluation.evaluate_examples(run, examples, fitted)


def test_a_compiled_call_gives_the_bits_of_session_run(tmp_path):
    with open_run(write_run(tmp_path / "run")) as run:
        t, some = run.connect(), images(5, 8, 1)
        compute = run.compiled(t.codes, [t.images])
        assert compute is run.compiled(t.codes, [t.images])
        for part in (some[:1], some):
            found = compute(part)
            np.testing.assert_array_equal(found, run.session.run(t.codes, {t.images: part}))
            assert found.flags.writeable
    with pytest.raises(VQError, match="model: got a call after close"):
        run.compiled(t.codes, [t.images])


def test_interruptible_returns_and_raises():
    assert interruptible(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        interruptible(divmod, 7, 0)


class Slow:
    """A session that takes two seconds to close."""

    closed = False

    def close(self):
        time.sleep(2)
        self.closed = True


def test_interruptible_hears_ctrl_c_and_what_is_left_then_is_not_waited_for():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    stop, session = threading.Event(), Slow()
    try:
        timer = threading.Timer(0.2, signal.pthread_kill, (threading.main_thread().ident, signal.SIGINT))
        begin = time.time()
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            interruptible(stop.wait, 60)
        close_session(session)
        assert not session.closed and time.time() - begin < 30
    finally:
        stop.set()
        signal.signal(signal.SIGINT, before)
    time.sleep(0.5)  # the thread ends
    again = Slow()
    close_session(again)
    assert again.closed


def test_a_session_is_closed_before_the_process_ends():
    session = Slow()
    close_session(session)
    assert session.closed
