"""The wheel: complete, and its commands work outside the repository."""

import importlib.util
import os
import re
import subprocess
import sys
import zipfile

import pytest

from helpers.forked import SCRIPTS

pytestmark = pytest.mark.once

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def call(command, cwd, **given):
    done = subprocess.run(command, cwd=str(cwd), capture_output=True, text=True, timeout=300, **given)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def tool(name):
    spec = importlib.util.spec_from_file_location(name, os.path.join(ROOT, "tools", name + ".py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
    """A folder with the sdist and the wheel that are built from a copy of the clone's files."""
    source = tmp_path_factory.mktemp("wheel") / "source"
    listed = call(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], ROOT)
    for name in listed.split("\0"):
        if name and os.path.isfile(os.path.join(ROOT, name)):
            target = source / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(open(os.path.join(ROOT, name), "rb").read())
    for left_behind in ("tests/mine.npz", "datasets/mnist/x.gz", "log/run/config.json", "vq_estimator/log/x.vqz"):
        (source / left_behind).parent.mkdir(parents=True, exist_ok=True)
        (source / left_behind).write_bytes(b"a user's file")
    call([sys.executable, "-m", "build", "--no-isolation", str(source)], source)
    return source / "dist"


@pytest.fixture(scope="module")
def wheel(dist):
    return next(p for p in dist.iterdir() if p.suffix == ".whl")


def test_the_sdist_and_the_wheel_hold_the_source_and_nothing_else(dist):
    call([sys.executable, os.path.join(ROOT, "tools", "package.py"), str(dist), "--no-install"], dist)


@pytest.mark.parametrize("format", ["sdist", "wheel"])
def test_a_package_that_lacks_or_adds_a_file_is_refused(dist, format, monkeypatch):
    package = tool("package")
    built = next(one for one in map(package.read, map(str, dist.iterdir())) if one.format == format)
    assert package.problems(built) == []
    launched = "launch/train.py" if format == "sdist" else "vq_estimator_launch/train.py"
    lost = [
        "vq_estimator/py.typed",
        "vq_estimator/pretrained/mnist/checkpoint",
        "vq_estimator/data/fsdd.sha256",
        "vq_estimator/inference/export/web/package-lock.json",
        "vq_estimator/inference/export/web/page/js/app.js",
        launched,
    ]
    for name in lost:
        without = {other: size for other, size in built.members.items() if other != name}
        assert [line.split(":")[0] for line in package.problems(built._replace(members=without))] == [name]
    for name in ("tests/test_x.py", "log/run/config.json", "datasets/mnist/x.gz", "vq_estimator/old.py", "x.vqz"):
        more = dict(built.members, **{name: 1})
        assert [line.split(":")[0] for line in package.problems(built._replace(members=more))] == [name]
    shorter = dict(built.members, **{"vq_estimator/errors.py": 1})
    assert [line.split(":")[0] for line in package.problems(built._replace(members=shorter))] == [
        "vq_estimator/errors.py"
    ]
    monkeypatch.setattr(package, "MAX_BYTES", 1_000_000)
    assert [line.split(":")[0] for line in package.problems(built)] == ["size"]


def test_the_citation_is_of_this_version_and_names_the_paper():
    from vq_estimator import __version__

    with open(os.path.join(ROOT, "CITATION.cff"), encoding="utf-8") as f:
        lines = f.read().splitlines()  # parsed plainly: no YAML library is a dependency
    top = dict(re.fullmatch(r"([a-z-]+): *(.*)", line).groups() for line in lines if line[:1].isalpha())
    assert (top["cff-version"], top["version"], top["title"]) == ("1.2.0", __version__, "vq_estimator")
    assert {"message", "authors", "references"} <= set(top)
    assert "        value: arXiv:1711.00937" in lines


def test_the_wheel_holds_every_module(wheel):
    held = set(zipfile.ZipFile(str(wheel)).namelist())
    for top, name in (("vq_estimator", "vq_estimator"), ("launch", "vq_estimator_launch")):
        for folder, _, files in os.walk(os.path.join(ROOT, top)):
            for file in files:
                if file.endswith(".py"):
                    path = os.path.relpath(os.path.join(folder, file), os.path.join(ROOT, top))
                    assert name + "/" + path.replace(os.sep, "/") in held
    assert "vq_estimator/data/fsdd.sha256" in held
    assert not any(n.startswith(("tests/", "benchmarks/")) for n in held)


@pytest.fixture(scope="module")
def site(wheel, tmp_path_factory):
    """A folder with the package from the wheel alone; the dependencies come from this environment."""
    target = tmp_path_factory.mktemp("wheel") / "site"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(target), str(wheel)]
    call(pip, target.parent)
    return target


def test_console_commands_work_outside_the_repository(site, tmp_path):
    environment, commands = dict(os.environ, PYTHONPATH=str(site)), sorted(os.listdir(str(site / "bin")))
    assert sorted(name[3:].replace("-", "_") for name in commands) == SCRIPTS
    for name in commands:
        out = call([sys.executable, str(site / "bin" / name), "--help"], tmp_path, env=environment)
        assert "\nFlags, with defaults in brackets:\n" in out and "--help" in out
    code = "import vq_estimator, vq_estimator_launch.common as c; print(vq_estimator.__file__, c.__file__)"
    assert call([sys.executable, "-c", code], tmp_path, env=environment).count(str(site)) == 2


def readme_lines():
    """The lines of Python that the README begins with."""
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as f:
        text = f.read()
    section = text[text.index("## In a program") :].split("\n\n")[2]
    return [line[4:] for line in section.splitlines()]


def test_the_readmes_program_works_with_the_wheel_alone(site, tmp_path):
    lines = readme_lines()
    assert len(lines) == 5 and "vq.load" in lines[1] and "model.decode" in lines[4]
    code = "\n".join(lines) + "\nprint(again.shape, again.dtype, codes.shape, vq.__file__)"
    environment = dict(os.environ, PYTHONPATH=str(site), TF_CPP_MIN_LOG_LEVEL="3")
    out = call([sys.executable, "-c", code], tmp_path, env=environment)
    assert out.startswith("(10, 24, 24, 1) uint8 (10, 3, 3, 1) " + str(site))


def test_the_wheel_holds_the_provided_models(wheel):
    from vq_estimator import pretrained

    held = set(zipfile.ZipFile(str(wheel)).namelist())
    for name in pretrained.names():
        top = pretrained.folder(name)
        for folder, _, files in os.walk(top):
            for file in files:
                path = os.path.relpath(os.path.join(folder, file), os.path.dirname(os.path.dirname(top)))
                assert "vq_estimator/" + path.replace(os.sep, "/") in held


HERE = dict(version=(3, 11), implementation="CPython", system="Linux", machine="x86_64", bits=64, musl=False)


@pytest.mark.parametrize(
    "change, got",
    [
        (dict(version=(3, 12)), "Python: got CPython 3.12, expected"),
        (dict(version=(3, 6)), "Python: got CPython 3.6, expected"),
        (dict(version=(4, 0)), "Python: got CPython 4.0, expected"),
        (dict(implementation="PyPy"), "Python: got PyPy 3.11, expected"),
        (dict(musl=True), "system: got Linux on x86_64, 64 bits, musl, expected"),
        (dict(machine="armv7l", bits=32), "system: got Linux on armv7l, 32 bits, expected"),
        (dict(bits=32), "system: got Linux on x86_64, 32 bits, expected"),
        (dict(machine="riscv64"), "system: got Linux on riscv64, 64 bits, expected"),
        (dict(system="FreeBSD", machine="amd64"), "system: got FreeBSD on amd64, 64 bits, expected"),
        (dict(version=(3, 7), machine="aarch64"), "system: got Linux on aarch64, 64 bits, expected"),
        (dict(version=(3, 7), system="Darwin", machine="arm64"), "system: got Darwin on arm64, 64 bits, expected"),
    ],
)
def test_where_tensorflow_has_no_wheel_one_line_says_so(change, got):
    problem = tool("supported").problem(**{**HERE, **change})
    assert problem.startswith(got) and "\n" not in problem


@pytest.mark.parametrize(
    "change",
    [
        dict(),
        dict(version=(3, 7)),
        dict(version=(3, 9)),
        dict(machine="aarch64"),
        dict(system="Darwin", machine="arm64"),
        dict(version=(3, 10), system="Darwin"),
    ],
)
def test_where_tensorflow_has_a_wheel_nothing_is_said(change):
    assert tool("supported").problem(**{**HERE, **change}) is None
    assert tool("supported").problem(*tool("supported").of_this_machine()) is None


def test_setup_refuses_an_unsupported_python_before_it_imports_setuptools(tmp_path):
    (tmp_path / "platform.py").write_text(
        "def python_implementation(): return 'PyPy'\ndef system(): return 'Linux'\ndef machine(): return 'x86_64'\n"
    )
    command = [sys.executable, "-S", os.path.join(ROOT, "setup.py"), "--version"]
    environment = dict(os.environ, PYTHONPATH=str(tmp_path))
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 1 and done.stdout == "" and done.stderr.count("\n") == 1
    assert done.stderr.startswith("vq_estimator: error: Python: got PyPy")


@pytest.mark.parametrize(
    "target, python, environment",
    [
        ("train", "PYTHON", "VENV"),
        ("test", "PYTHON", "VENV"),
        ("bench", "PYTHON", "VENV_BENCH"),
        ("test-tf1", "PYTHON37", "VENV_TF1"),
    ],
)
def test_make_refuses_an_unsupported_python_before_it_makes_an_environment(tmp_path, target, python, environment):
    fake = tmp_path / "python3.12"
    code = "import runpy, sys; sys.version_info = (3, 12, 1); runpy.run_path(sys.argv[1], run_name='__main__')"
    fake.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{code}" "$@"\n')
    fake.chmod(0o755)
    venv = tmp_path / "venv"
    command = ["make", target, f"{python}={fake}", f"{environment}={venv}"]
    own = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(command, cwd=ROOT, env=own, capture_output=True, text=True)  # as from a shell, not from make
    assert done.returncode == 2 and done.stdout == "" and not venv.exists()
    assert done.stderr.startswith("vq_estimator: error: Python: got CPython 3.12, expected")
