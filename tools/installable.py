"""Can what is pinned be installed on every Python that the package is for? CI runs it: a pin may leave one behind.

  python tools/installable.py

Asks the package index for the pinned releases of each Python that has TensorFlow 2, without installing them.
"""

import importlib.metadata
import subprocess
import sys
import tempfile

from packaging.requirements import Requirement

PYTHONS = ("3.9", "3.10", "3.11")
LARGE = ("torch",)  # a download of most of a gigabyte, to see whether it is there


def pinned(python: str) -> list:
    """The requirements `name==release` of the package and of all its extras under a version of Python."""
    found = set()
    extras = importlib.metadata.metadata("vq_estimator").get_all("Provides-Extra")
    for line in importlib.metadata.requires("vq_estimator"):
        one = Requirement(line)
        known = {"python_version": python, "python_full_version": python + ".0"}
        needed = one.marker is None or any(one.marker.evaluate({**known, "extra": name}) for name in ["", *extras])
        if needed and str(one.specifier).startswith("==") and one.name not in LARGE:
            found.add(f"{one.name}{one.specifier}")
    return sorted(found)


def main() -> None:
    for python in PYTHONS:
        names = pinned(python)
        with tempfile.TemporaryDirectory() as folder:
            asked = ["--dry-run", "--no-deps", "--only-binary=:all:", "--python-version", python, "--target", folder]
            done = subprocess.run([sys.executable, "-m", "pip", "install", "-q", *asked, *names])
        if done.returncode:
            sys.exit(f"installable: error: Python {python} can't have all of {', '.join(names)}; see setup.py")
        print(f"Python {python}: {', '.join(names)}")


if __name__ == "__main__":
    main()
