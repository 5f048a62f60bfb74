"""Contenders in processes of their own, of which one works at a time.

A worker first says that it is ready, with what there is to say of it. Then it answers each line on its standard input,
{"seconds": ..., "what": ...}, with one line: the calls that it made in that time, the exact seconds, its processor time
in them and that which it used before, while it was not its turn.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Callable, Dict, List, NamedTuple, Optional, Union

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
END = 60  # seconds in which a worker has to end once its input is closed


class Turn(NamedTuple):
    """What a worker is asked for: to call its function `what` for `seconds`."""

    seconds: float
    what: Optional[str] = None


class Turns:
    """A worker's side. Standard output is kept for answers; what libraries print goes to standard error."""

    def __init__(self):
        self._answers = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)

    def ready(self, **what) -> None:
        """Says that the worker waits for its first turn."""
        self._answer(dict(what, ready=True))

    def wait(self) -> Optional[Turn]:
        """The next turn, or None at the end."""
        idle = time.process_time()
        line = sys.stdin.readline()
        self._begin = time.process_time()
        self._idle = self._begin - idle
        return Turn(**json.loads(line)) if line.strip() else None

    def done(self, calls: int, seconds: float) -> None:
        """Reports a turn."""
        spent = time.process_time() - self._begin
        self._answer({"calls": calls, "seconds": seconds, "core_seconds": spent, "idle_core_seconds": self._idle})

    def serve(self, functions: Union[Callable, Dict[str, Callable]]) -> None:
        """Takes turns with one function, or with those that the parent names, until the input ends."""
        while True:
            turn = self.wait()
            if turn is None:
                return
            call = functions[turn.what] if turn.what else functions
            calls, spent, begin = 0, 0.0, time.perf_counter()
            while spent < turn.seconds:
                call()
                calls += 1
                spent = time.perf_counter() - begin
            self.done(calls, spent)

    def _answer(self, what: dict) -> None:
        self._answers.write(json.dumps(what) + "\n")
        self._answers.flush()


class Worker:
    """The parent's side: starts `python -m benchmarks.speed.worker <job as JSON>`.

    Attributes:
      name: in tables.
      rates: calls a second, of each turn.
      core_seconds: of a call, of each turn.
      idle_core_seconds: processor time used while others had their turn; more than a little would be unfair to them.
    """

    def __init__(self, name: str, **job):
        self.name, self.rates, self.core_seconds, self.idle_core_seconds = name, [], [], 0.0
        command = [sys.executable, "-m", "benchmarks.speed.worker", json.dumps(job)]
        self._errors = tempfile.TemporaryFile("w+")
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=dict(os.environ, TF_CPP_MIN_LOG_LEVEL="3"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            universal_newlines=True,
        )

    def answer(self) -> dict:
        """The worker's next line.

        Raises:
          RuntimeError: it ended without one.
        """
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            self._errors.seek(0)
            raise RuntimeError(f"{self.name}: the worker ended\n{self._errors.read()[-3000:]}")
        return json.loads(line)

    def turn(self, seconds: float, what: Optional[str] = None) -> float:
        """Lets it work for a while; returns calls a second."""
        self._process.stdin.write(json.dumps({"seconds": seconds, "what": what}) + "\n")
        self._process.stdin.flush()
        found = self.answer()
        self.rates.append(found["calls"] / found["seconds"])
        self.core_seconds.append(found["core_seconds"] / found["calls"])
        self.idle_core_seconds += found["idle_core_seconds"]
        return self.rates[-1]

    def result(self) -> dict:
        """What its turns gave."""
        return {
            "steps_per_second": self.rates,
            "median": statistics.median(self.rates),
            "core_seconds_per_step": statistics.median(self.core_seconds),
            "idle_core_seconds": self.idle_core_seconds,
        }

    def close(self) -> None:
        """Ends the process."""
        self._process.stdin.close()
        try:
            self._process.wait(END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._errors.close()


def in_turn(workers: List[Worker], alternation: int) -> List[Worker]:
    """The workers in the order of an alternation: each time another one begins."""
    first = alternation % len(workers)
    return workers[first:] + workers[:first]
