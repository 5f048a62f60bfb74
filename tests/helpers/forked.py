"""Runs commands in processes that need not import TensorFlow: a server imports it once and forks for each command.

    with Forked() as server:
        done = server.within(environment).script("train", "--K=0")

Run as a program, this file is the server.
"""

import contextlib
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from typing import NamedTuple

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# The scripts in launch/, without the modules that they share.
SCRIPTS = sorted(
    name[:-3]
    for name in os.listdir(os.path.join(ROOT, "launch"))
    if name.endswith(".py") and "__main__" in open(os.path.join(ROOT, "launch", name), encoding="utf-8").read()
)
SECONDS = 300  # after which a command is ended, by SIGALRM


class Done(NamedTuple):
    """How a command ended: its exit status (negative: the signal that ended it), and the most memory that it had."""

    status: int
    stdout: str
    stderr: str
    megabytes: int

    def one_line(self, program: str) -> str:
        """The only line on stderr except for the log, without the program's name. Fails if there is anything else."""
        lines = [line for line in self.stderr.splitlines() if not line.startswith("INFO: ")]
        begin = program + ".py: error: "
        assert len(lines) == 1 and lines[0].startswith(begin) and lines[0].isprintable(), (self.status, self.stderr)
        assert self.status in (1, 2) and self.stdout == "", (self.status, self.stdout)
        return lines[0][len(begin) :]


class Forked:
    """The server, as a context."""

    def __init__(self):
        self._server = subprocess.Popen(
            [sys.executable, os.path.abspath(__file__)],
            env=dict(os.environ, PYTHONPATH=ROOT),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            universal_newlines=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._server.stdin.close()
        self._server.wait()
        self._server.stdout.close()

    def within(self, environment):
        """The same server's commands, with other environment variables."""
        return Commands(self.ask, environment)

    def ask(self, **request):
        """The server's answer."""
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        return json.loads(self._server.stdout.readline())


class Commands:
    """Runs commands with these environment variables."""

    def __init__(self, ask, environment):
        self._ask, self._environment = ask, dict(environment)

    def script(self, name, *flags, cwd="."):
        """Runs `launch/<name>.py` with flags in the folder `cwd`; Done."""
        return self.file(os.path.join(ROOT, "launch", name + ".py"), *flags, cwd=cwd)

    def file(self, path, *arguments, cwd="."):
        """Runs a Python file; Done."""
        return Done(*self._ask(do="run", argv=[path, *map(str, arguments)], **self._given(cwd)))

    def code(self, text, *arguments, cwd="."):
        """Runs a program, given as its text; Done."""
        return Done(*self._ask(do="run", argv=["code.py", *map(str, arguments)], code=text, **self._given(cwd)))

    def start(self, path, *arguments, output, cwd="."):
        """A Process that runs a Python file in parallel and writes its output to the file `output`."""
        argv = [path, *map(str, arguments)]
        return Process(self._ask, self._ask(do="start", argv=argv, output=str(output), **self._given(cwd)))

    def _given(self, cwd):
        return {"environment": self._environment, "cwd": os.path.abspath(str(cwd))}


class Process:
    """A started command, as subprocess has them."""

    def __init__(self, ask, pid):
        self._ask, self._pid, self._status = ask, pid, None

    def poll(self):
        """Its exit status, None while it runs."""
        if self._status is None:
            self._status = self._ask(do="poll", pid=self._pid)
        return self._status

    def wait(self):
        """Its exit status, once it ends."""
        while self.poll() is None:
            time.sleep(0.1)
        return self._status

    def send_signal(self, number):
        """Sends it a signal; nothing where it has ended."""
        if self.poll() is None:
            os.kill(self._pid, number)

    def kill(self):
        self.send_signal(signal.SIGKILL)


def serve(requests, answers):
    """One answer, a line of JSON, for each line of JSON that is a request."""
    acts = {"run": run, "start": start, "poll": poll}
    for line in requests:
        request = json.loads(line)
        answers.write(json.dumps(acts[request["do"]](request)) + "\n")
        answers.flush()


def run(request):
    """(status, stdout, stderr, megabytes) of a request, run in a process of its own."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        _, ended, used = os.wait4(child_of(request, out, err), 0)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode("utf-8", "backslashreplace"))
    return (exit_status(ended), *texts, used.ru_maxrss // 1024)


def start(request):
    """The number of the process that runs a request."""
    with open(request["output"], "wb") as output:
        return child_of(request, output, output)


def poll(request):
    """The exit status of a process, None while it runs."""
    pid, ended = os.waitpid(request["pid"], os.WNOHANG)
    return exit_status(ended) if pid else None


def exit_status(ended):
    return -os.WTERMSIG(ended) if os.WIFSIGNALED(ended) else os.WEXITSTATUS(ended)


def child_of(request, out, err):
    """The number of a new process that runs a request."""
    child = os.fork()
    if child == 0:
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        os._exit(status_of(request))
    return child


def status_of(request):
    """Runs a request in this process; its exit status."""
    signal.alarm(SECONDS)
    try:
        os.chdir(request["cwd"])
        os.environ.clear()
        os.environ.update(request["environment"])
        sys.argv = request["argv"]
        sys.stdin = open(os.devnull)
        if "code" not in request:
            runpy.run_path(sys.argv[0], run_name="__main__")
        else:
            exec(request["code"], {"__name__": "__main__"})
        status = 0
    except SystemExit as e:
        status = e.code if isinstance(e.code, int) else int(e.code is not None)
    except BaseException:
        traceback.print_exc()
        status = 70
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    return status


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # A suite in a shell's background ignores Ctrl-C, under nohup a closed terminal too; what it starts would as well.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    # Imported to be there in each child. No session is opened here: its threads would not live on in one.
    import matplotlib.pyplot  # noqa: F401
    import tensorflow.compat.v1  # noqa: F401
    from tensorflow import estimator  # noqa: F401

    from vq_estimator import pretrained  # noqa: F401
    from vq_estimator.inference import comparison, tf_vqvae  # noqa: F401
    from vq_estimator.training import trainer  # noqa: F401
    from vq_estimator_launch import image_commands, settings, speech_commands  # noqa: F401  # no flags, those of none

    serve(sys.stdin, os.fdopen(os.dup(1), "w"))
