"""The wheel: complete, and its commands work outside the repository."""

import os
import re
import subprocess
import sys
import zipfile

import pytest
from forked import SCRIPTS

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def call(command, cwd, **given):
    done = subprocess.run(command, cwd=str(cwd), capture_output=True, text=True, timeout=300, **given)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    listed = (
        call(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], ROOT)
        if os.path.isdir(os.path.join(ROOT, ".git"))
        else None
    )
    if listed is None:
        pytest.skip("no git checkout to copy from")
    for name in listed.split("\0"):
        if name and os.path.isfile(os.path.join(ROOT, name)):
            target = source / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(open(os.path.join(ROOT, name), "rb").read())
    pip = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(folder),
        str(source),
    ]
    call(pip, folder)
    return next(p for p in folder.iterdir() if p.suffix == ".whl")


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
        assert "\nFlags:\n" in out and "--help" in out
    code = "import vq_estimator, vq_estimator_launch.common as c; print(vq_estimator.__file__, c.__file__)"
    assert call([sys.executable, "-c", code], tmp_path, env=environment).count(str(site)) == 2


def readme_lines():
    """The lines of Python that the README begins with."""
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as f:
        text = f.read()
    section = text[text.index("## In a program") :].split("\n\n")[1]
    return [line[4:] for line in section.splitlines()]


def test_the_readmes_program_works_with_the_wheel_alone(site, tmp_path):
    lines = readme_lines()
    assert len(lines) == 5 and "pretrained.load" in lines[1] and "model.decode" in lines[4]
    code = "\n".join(lines) + "\nprint(again.shape, again.dtype, codes.shape, pretrained.__file__)"
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
