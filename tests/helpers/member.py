"""launch/train.py as a member of a cluster whose chief may start later.

A parameter-server worker that finds no variables tries again after 30 seconds in TensorFlow, and here after one.
"""

import functools
import os
import runpy

from tensorflow.python.training import session_manager

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def main():
    manager = session_manager.SessionManager
    manager.__init__ = functools.partialmethod(manager.__init__, recovery_wait_secs=1)
    runpy.run_path(os.path.join(ROOT, "launch", "train.py"), run_name="__main__")


if __name__ == "__main__":
    main()
