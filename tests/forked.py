"""The scripts as processes without TensorFlow's import for each: a server imports it once and forks for every command.

    with Forked(environment) as forked:
        done = forked.script("train", "--K=0")

Run as a program this file is the server.
"""

import contextlib
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import traceback
from typing import NamedTuple

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SECONDS = 300  # after which a command is ended, by SIGALRM


class Done(NamedTuple):
    """How a command ended: its exit status (negative: the signal that ended it), and the most memory that it had."""

    status: int
    stdout: str
    stderr: str
    megabytes: int

    def one_line(self, program: str) -> str:
        """The only line on stderr, without the program's name before it; nothing else may be there."""
        lines = self.stderr.splitlines()
        begin = program + ".py: error: "
        assert len(lines) == 1 and lines[0].startswith(begin) and lines[0].isprintable(), (self.status, self.stderr)
        assert self.status in (1, 2) and self.stdout == "", (self.status, self.stdout)
        return lines[0][len(begin) :]


class Forked:
    """The server, as a context."""

    def __init__(self, environment=None):
        self._server = subprocess.Popen(
            [sys.executable, os.path.abspath(__file__)],
            env=dict(environment or os.environ, PYTHONPATH=ROOT),
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

    def script(self, name, *flags, cwd="."):
        """Runs `launch/<name>.py` with flags in the folder `cwd`."""
        return self._call([os.path.join(ROOT, "launch", name + ".py"), *flags], None, cwd)

    def code(self, text, *arguments, cwd="."):
        """Runs a program, given as its text."""
        return self._call(["code.py", *arguments], text, cwd)

    def _call(self, argv, code, cwd):
        request = {"argv": [str(a) for a in argv], "code": code, "cwd": os.path.abspath(str(cwd))}
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        return Done(*json.loads(self._server.stdout.readline()))


def serve(requests, answers):
    """One answer, a line of JSON, for each line of JSON that is a request."""
    for line in requests:
        answers.write(json.dumps(run(json.loads(line))) + "\n")
        answers.flush()


def run(request):
    """(status, stdout, stderr, megabytes) of a request, run in a process of its own."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if child == 0:
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            os._exit(status_of(request))
        _, ended, used = os.wait4(child, 0)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode("utf-8", "backslashreplace"))
    status = -os.WTERMSIG(ended) if os.WIFSIGNALED(ended) else os.WEXITSTATUS(ended)
    return (status, *texts, used.ru_maxrss // 1024)


def status_of(request):
    """Runs a request in this process; its exit status."""
    signal.alarm(SECONDS)
    try:
        os.chdir(request["cwd"])
        sys.argv = request["argv"]
        sys.stdin = open(os.devnull)
        if request["code"] is None:
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
    import matplotlib.pyplot
    import tensorflow.compat.v1
    from tensorflow import estimator

    from vq_estimator import pretrained
    from vq_estimator.inference import (
        codec,
        coding,
        comparison,
        evaluation,
        exploration,
        export,
        projector,
        speech_coding,
        speech_exploration,
        tf_vqvae,
    )

    # Imported to be there in each child. No session is opened here: its threads would not live on in one.
    del matplotlib, tensorflow, estimator, pretrained
    del (
        codec,
        coding,
        comparison,
        evaluation,
        export,
        exploration,
        projector,
        tf_vqvae,
        speech_coding,
        speech_exploration,
    )
    serve(sys.stdin, os.fdopen(os.dup(1), "w"))
