"""What runs beside the main thread."""

import signal
import threading
import time

import pytest

from vq_estimator.inference.session import interruptible


def test_interruptible_returns_and_raises():
    assert interruptible(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        interruptible(divmod, 7, 0)


def test_interruptible_hears_ctrl_c():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    stop = threading.Event()
    try:
        timer = threading.Timer(0.2, signal.pthread_kill, (threading.main_thread().ident, signal.SIGINT))
        begin = time.time()
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            interruptible(stop.wait, 60)
        assert time.time() - begin < 30
    finally:
        stop.set()
        signal.signal(signal.SIGINT, before)
