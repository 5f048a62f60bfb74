"""The examples of docs/extending.md and docs/extending_data.md, run as modules or in a copy of the package."""

import contextlib
import importlib
import os
import re
import shutil
import subprocess
import sys

from vq_estimator import config as c
from vq_estimator.config.run import MODELS

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
REGISTRIES = {"likelihood": c.LIKELIHOODS, "quantizer": c.QUANTIZERS, "decoder": c.DECODERS, "kind of data": MODELS}


def page():
    """The text of both pages; the imports of all examples are at the top of the first one."""
    texts = []
    for name in ("extending.md", "extending_data.md"):
        with open(os.path.join(ROOT, "docs", name), encoding="utf-8") as f:
            texts.append(f.read())
    return "\n".join(texts)


def example(title):
    """The code of the section whose title is "A <title>"."""
    (section,) = re.findall(rf"^## A {title}\n(.*?)(?=^## |\Z)", page(), re.M | re.S)
    (code,) = re.findall(r"^```(?:python|diff)\n(.*?)^```", section, re.M | re.S)
    return code


@contextlib.contextmanager
def examples_as_modules(folder, monkeypatch):
    """Yields a function that runs a section's example as a module, which it returns; restores the registries after."""
    monkeypatch.syspath_prepend(str(folder))
    before = {title: set(registry.rows) for title, registry in REGISTRIES.items()}
    tables = [(table, dict(table)) for table in (c.DATASETS, c.PRESETS_OF)]

    def run(title):
        (common,) = re.findall(r"^```python\n(.*?)^```", page().split("\n## ")[0], re.M | re.S)
        name = "extending_" + re.sub(r"\W", "_", title)
        (folder / (name + ".py")).write_text(common + example(title), encoding="utf-8")
        monkeypatch.setitem(sys.modules, name, None)
        del sys.modules[name]
        return importlib.import_module(name)

    yield run
    for title, registry in REGISTRIES.items():
        for name in set(registry.rows) - before[title]:
            registry.remove(name)
    for table, old in tables:
        table.clear()
        table.update(old)


def copy_package(folder, changes):
    """Copies the package, without weights, to a folder and applies changes: path to function of its text."""
    for source, target in (("vq_estimator", "vq_estimator"), ("launch", "vq_estimator_launch")):
        weights = shutil.ignore_patterns("__pycache__", "*.data-*", "*.index", "*.png")
        shutil.copytree(os.path.join(ROOT, source), str(folder / target), ignore=weights)
    for path, change in changes.items():
        text = (folder / path).read_text(encoding="utf-8")
        (folder / path).write_text(change(text), encoding="utf-8")


def vq_train(folder, *args):
    """Runs vq-train of a copy of the package; returns its status, standard output and standard error."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "VQ_CACHE_DIR": str(folder / "cache")}
    command = [sys.executable, "-m", "vq_estimator_launch.train", *args]
    done = subprocess.run(command, cwd=str(folder), env=environment, capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout, done.stderr
