"""How SIGINT, SIGTERM and SIGHUP end a command, also while its main thread waits inside TensorFlow.

Python runs a signal's handler in the main thread alone, and not before that comes back from TensorFlow's C++, where a
process of a cluster may wait for ever. So a thread reads the signals too (`signal.set_wakeup_fd`).
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
GRACE = 2.0  # seconds that the main thread has to end in order
_AGAIN = 128  # added to the number of a signal whose exception was dropped


class Interrupted(KeyboardInterrupt):
    """A signal that ends the command.

    Attributes:
      number: the signal's.
      lost: called with `number` when the exception is dropped, by a library or by Python, which ignores exceptions in
        finalizers.
    """

    def __init__(self, number: int, lost: Callable[[int], None]):
        super().__init__()
        self.number, self.lost = number, lost

    def __del__(self) -> None:
        self.lost(self.number)


class Watch:
    """Has the signals end the command.

    The first one raises Interrupted in the main thread; where nothing can be lost yet (`nothing_to_lose`), and at the
    second one, the process ends GRACE seconds later at the latest. Training takes the signals over at its first step
    (`training.hooks.StopRequest`): from then on the first one is its own. A signal that is ignored stays ignored.

    Attributes:
      nothing_to_lose: see above.
      heard: the signal whose Interrupted was raised. Any other exception after it is a consequence of it.
    """

    def __init__(self) -> None:
        self.nothing_to_lose = False
        self.heard: Optional[int] = None
        self._program = ""

    def start(self, program: str) -> None:
        """Takes the signals over; nothing in a thread, as Python lets only the main one."""
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
        """Restores the default action, which ends the process: the command has done its work."""
        for number in SIGNALS:
            if signal.getsignal(number) == self._interrupt:
                signal.signal(number, signal.SIG_DFL)

    def _interrupt(self, number: int, frame: Optional[FrameType]) -> None:
        if self.heard is None:  # a second one must not break off the cleaning up; the thread sees to it
            self.heard = number
            raise Interrupted(number, self._lost)

    def _lost(self, number: int) -> None:
        """Has the thread send the signal again: by then the code that dropped the exception has returned.

        Until then `heard` stays set, since that code may have failed: in TensorFlow's C++, isinstance() drops
        exceptions and the answer is no.
        """
        with contextlib.suppress(OSError):
            self._writer.send(bytes([_AGAIN + number]))

    def _read(self, reader: socket.socket) -> None:
        seen: Dict[bool, int] = {}  # by whether training has the signals
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
    """Ends the process at once: a thread that is still in TensorFlow would abort one that ends in order."""
    with contextlib.suppress(OSError, ValueError):  # a disk that is full
        sys.stdout.flush()
    with contextlib.suppress(OSError):
        os.write(2, f"{program}: error: interrupted\n".encode("utf-8", "backslashreplace"))
    os._exit(128 + number)


def _report_unless_interrupted(unraisable: Any) -> None:
    if not issubclass(unraisable.exc_type, Interrupted):
        sys.__unraisablehook__(unraisable)


WATCH = Watch()
