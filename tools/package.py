"""Checks a built sdist and wheel: what they hold, their size, and that the wheel works in an environment of its own.

  python -m build && python tools/package.py dist

`make package` runs both. The environment gets every dependency that the wheel requires, so it takes some minutes.
"""

import argparse
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from typing import Dict, List, NamedTuple

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MAX_BYTES = 45_000_000  # of each of the two
# Files of an sdist besides the source, and those that setuptools adds to it and to a wheel.
EXTRA = ("LICENSE", "README.md", "CHANGELOG.md", "CITATION.cff", "pyproject.toml", "setup.py", "tools/supported.py")
ADDED = re.compile(r"(vq_estimator-[^/]*\.dist-info|vq_estimator\.egg-info)/.*|PKG-INFO|setup\.cfg|MANIFEST\.in")
OUTPUTS = (".pyc", ".npz", ".vqz", ".tfrecord", ".v2")  # of runs; none belongs into the source


class Built(NamedTuple):
    """A built file: its path, its format ("sdist" or "wheel"), and the size of each member by its name."""

    path: str
    format: str
    members: Dict[str, int]


def read(path: str) -> Built:
    """Lists a wheel, or an sdist without the folder that holds everything."""
    if path.endswith(".whl"):
        with zipfile.ZipFile(path) as archive:
            return Built(path, "wheel", {m.filename: m.file_size for m in archive.infolist() if not m.is_dir()})
    with tarfile.open(path) as archive:
        return Built(path, "sdist", {m.name.partition("/")[2]: m.size for m in archive.getmembers() if m.isfile()})


def source_files() -> Dict[str, int]:
    """The files of the package and of the commands in the clone, by their names in it, with their sizes."""
    found = {}
    for top in ("vq_estimator", "launch"):
        for folder, folders, names in os.walk(os.path.join(ROOT, top)):
            folders[:] = [name for name in folders if name != "__pycache__"]
            for name in names:
                path = os.path.join(folder, name)
                found[os.path.relpath(path, ROOT).replace(os.sep, "/")] = os.path.getsize(path)
    return found


def expected(format: str) -> Dict[str, int]:
    """The files that have to be in a wheel or an sdist, with their sizes."""
    if format == "sdist":
        extra = {name: os.path.getsize(os.path.join(ROOT, name)) for name in EXTRA}
        return {**source_files(), **extra}
    installed = "vq_estimator_launch/"
    return {
        installed + name[len("launch/") :] if name.startswith("launch/") else name: size
        for name, size in source_files().items()
    }


def problems(built: Built) -> List[str]:
    """Says in a line each what is wrong with a built file."""
    found, wanted = [], expected(built.format)
    size = os.path.getsize(built.path)
    if size > MAX_BYTES:
        found.append(f"size: got {size:,} bytes, expected at most {MAX_BYTES:,}")
    for name, bytes in sorted(wanted.items()):
        if built.members.get(name) != bytes:
            found.append(f"{name}: got {built.members.get(name, 'no')} bytes, expected the {bytes} of the clone")
    for name in sorted(built.members):
        if (name not in wanted and not ADDED.fullmatch(name)) or name.endswith(OUTPUTS):
            found.append(f"{name}: got it, expected only the source and the provided models")
    return found


def install(wheel: str) -> None:
    """Installs a wheel with its dependencies into a fresh environment and runs a command outside the clone."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        bin_dir = os.path.join(folder, "Scripts" if os.name == "nt" else "bin")
        pip = [os.path.join(bin_dir, "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, os.path.abspath(wheel)], check=True)
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        for command in ("vq-train", "vq-evaluate"):
            full = [os.path.join(bin_dir, command), "--version"]
            done = subprocess.run(full, cwd=folder, env=environment, capture_output=True, text=True)
            if done.returncode or not done.stdout.startswith(command + " "):
                sys.exit(
                    f"package: error: {command} --version: got {done.stderr or done.stdout!r}, expected its version"
                )
            print(done.stdout.strip())
        done = subprocess.run(
            [os.path.join(bin_dir, "python"), "-c", ten_lines()],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            sys.exit(f"package: error: the ten lines of docs/estimator.md: got {done.stderr[-2000:]!r}")
        print("the ten lines of docs/estimator.md: " + done.stdout.strip())


def ten_lines() -> str:
    """The first program of docs/estimator.md, with few images and steps."""
    with open(os.path.join(ROOT, "docs", "estimator.md"), encoding="utf-8") as f:
        program = f.read().split("```python\n")[1].split("```")[0]
    for number, few in (("[1000, ", "[40, "), ("max_steps=1000", "max_steps=2")):
        if number not in program:
            sys.exit(f"package: error: docs/estimator.md: got no {number} in its first program, expected it")
        program = program.replace(number, few)
    return program


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", help="holds one sdist and one wheel")
    parser.add_argument("--no-install", action="store_true", help="check the contents alone")
    given = parser.parse_args()
    paths = [os.path.join(given.folder, n) for n in sorted(os.listdir(given.folder)) if n.endswith((".whl", ".tar.gz"))]
    built = [read(path) for path in paths]
    if sorted(one.format for one in built) != ["sdist", "wheel"]:
        sys.exit(f"package: error: {given.folder}: got {paths}, expected one sdist and one wheel")
    lines = [f"{os.path.basename(one.path)}: {line}" for one in built for line in problems(one)]
    if lines:
        sys.exit("\n".join("package: error: " + line for line in lines))
    for one in built:
        print(f"{os.path.basename(one.path)}: {len(one.members)} files, {os.path.getsize(one.path):,} bytes")
    if not given.no_install:
        install(next(one.path for one in built if one.format == "wheel"))


if __name__ == "__main__":
    main()
