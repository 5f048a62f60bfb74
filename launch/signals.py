"""Ends a command on SIGINT, SIGTERM and SIGHUP, even while its main thread waits inside TensorFlow.

Python runs signal handlers in the main thread only, and not before it returns from TensorFlow's C++ code, where a
process of a cluster may wait forever. Therefore a thread reads the signals too (`signal.set_wakeup_fd`).
"""

import contextlib
import os
import signal
import socket
import sys
import threading
import time
from types import FrameType
from typing import Any, Callable, Dict, Optional

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
GRACE = 2.0  # seconds that the main thread has to end by itself
_AGAIN = 128  # added to the number of a signal whose exception was dropped


class Interrupted(KeyboardInterrupt):
    """A signal that ends the command.

    Attributes:
      number: the signal.
      lost: called with `number` when the exception is dropped, by a library or by Python, which ignores exceptions in
        finalizers.
    """

    def __init__(self, number: int, lost: Callable[[int], None]):
        super().__init__()
        self.number, self.lost = number, lost

    def __del__(self) -> None:
        self.lost(self.number)


class Watch:
    """Signal handlers that end the command.

    The first signal raises Interrupted in the main thread. If no work can be lost yet (`nothing_to_lose`), and after a
    second signal, the process ends at most GRACE seconds later. Training installs its own handlers at its first step
    (`training.hooks.StopRequest`). A signal that is ignored stays ignored.

    Attributes:
      nothing_to_lose: whether no work can be lost yet.
      `heard`: the number of the signal that raised Interrupted, or None. Any later exception is a consequence of it.
    """

    def __init__(self) -> None:
        self.nothing_to_lose = False
        self.heard: Optional[int] = None
        self._program = ""

    def start(self, program: str) -> None:
        """Installs the handlers. Does nothing outside the main thread, because Python does not allow it there."""
        self._program = program
        if threading.current_thread() is not threading.main_thread():
            return
        for number in SIGNALS:
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._interrupt)
        reader, self._writer = socket.socketpair()
        self._writer.setblocking(False)
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        threading.Thread(target=self._read, args=(reader,), daemon=True).start()
        sys.unraisablehook = _report_unless_interrupted  # Python 3.7 does not call it

    def stop(self) -> None:
        """Restores the default action, which ends the process, once the command has finished."""
        for number in SIGNALS:
            if signal.getsignal(number) == self._interrupt:
                signal.signal(number, signal.SIG_DFL)

    def _interrupt(self, number: int, frame: Optional[FrameType]) -> None:
        if self.heard is None:  # a second signal must not interrupt the cleanup; the thread handles it
            self.heard = number
            raise Interrupted(number, self._lost)

    def _lost(self, number: int) -> None:
        """Makes the thread send the signal again, after the code that dropped the exception has returned.

        Until then `heard` stays set, because that code may have failed: TensorFlow's C++ code drops exceptions inside
        isinstance() and takes the result as False.
        """
        with contextlib.suppress(OSError):
            self._writer.send(bytes([_AGAIN + number]))

    def _read(self, reader: socket.socket) -> None:
        seen: Dict[bool, int] = {}  # number of signals, by whether the handler is ours
        while True:
            number = reader.recv(1)[0]
            if number - _AGAIN in SIGNALS:
                time.sleep(0.05)
                self.heard = None
                seen[True] = seen.get(True, 0) - 1  # it is the same signal
                os.kill(os.getpid(), number - _AGAIN)
                continue
            if number not in SIGNALS:
                continue
            ours = signal.getsignal(number) == self._interrupt
            seen[ours] = seen.get(ours, 0) + 1
            if seen[ours] > 1 or (ours and self.nothing_to_lose):
                time.sleep(GRACE)
                self._abandon()
                end(self._program, number)

    def _abandon(self) -> None:
        beginning = sys.modules.get("vq_estimator.training.beginning")
        if beginning is not None:
            with contextlib.suppress(OSError):
                beginning.abandon()


def end(program: str, number: int) -> None:
    """Ends the process at once. A regular exit would be aborted by a thread that is still inside TensorFlow."""
    with contextlib.suppress(OSError, ValueError):  # such as a full disk
        sys.stdout.flush()
    with contextlib.suppress(OSError):
        os.write(2, f"{program}: error: interrupted\n".encode("utf-8", "backslashreplace"))
    os._exit(128 + number)


def _report_unless_interrupted(unraisable: Any) -> None:
    if not issubclass(unraisable.exc_type, Interrupted):
        sys.__unraisablehook__(unraisable)


WATCH = Watch()
