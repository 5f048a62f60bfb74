"""What runs beside the main thread."""

import signal
import threading
import time

import pytest

from vq_estimator.inference.session import close_session, interruptible


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
