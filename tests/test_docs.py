"""The pages name flags and files that are there."""

import glob
import os
import re

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PAGES = ["README.md", "CONTRIBUTING.md"] + sorted(
    os.path.relpath(path, ROOT) for path in glob.glob(os.path.join(ROOT, "docs", "*.md"))
)
# Of other programs: TensorFlow Serving, Docker, TensorBoard, saved_model_cli, git.
FOREIGN = {
    "port",
    "rest_api_port",
    "model_name",
    "model_base_path",
    "enable_batching",
    "batching_parameters_file",
    "rm",
}
FOREIGN |= {"logdir", "dir", "all", "help"}


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        return f.read()


def flags():
    """Command to the flags that it defines, with those that `common` defines for it."""
    defined = re.compile(r'^\s*\w+\.(?:string|integer|float|bool|enum)\(\s*"(\w+)"', re.MULTILINE)
    names = ("run_flags", "data_flags", "interval_flags")
    pattern = r"^def ({})\(.*?\).*?\n(.*?)(?=^\S)".format("|".join(names))
    shared = dict(re.findall(pattern, read("launch/common.py"), re.M | re.S))
    found = {}
    folders = [os.path.join(ROOT, name, "*.py") for name in ("launch", "benchmarks", "tools")]
    for path in (path for folder in folders for path in glob.glob(folder)):
        text = read(path)
        for name in names:  # the first calls the second, unless told not to
            if f"common.{name}(" in text or (name == "data_flags" and "common.run_flags()" in text):
                text += shared[name]
        found[os.path.basename(path)[:-3]] = set(defined.findall(text))
    for name, path in (("speed", "benchmarks/speed/__main__.py"), ("speech", "benchmarks/speech/__main__.py")):
        found["benchmarks." + name] = set(re.findall(r'add_argument\("--(\w+)"', read(path)))
    return found


def test_the_flags_are_found():
    found = flags()
    assert {"dataset", "K", "beta", "data_dir", "log_steps"} <= found["train"]
    assert {"quick", "only"} <= found["benchmarks.speed"] and {"quick", "without"} <= found["benchmarks.speech"]
    assert found["export"] >= {"model_dir", "checkpoint", "export_dir"} and not {"K", "data_dir"} & found["export"]
    assert "data_dir" in found["evaluate"] and {"formats", "data_dir"} <= found["codec"]


@pytest.mark.parametrize("page", PAGES)
def test_the_flags_on_a_page_exist(page):
    text, found = read(page), flags()
    every = set().union(*found.values()) | FOREIGN
    unknown = set(re.findall(r"(?<![\w-])--(\w+)", text)) - every
    assert not unknown, page
    # A command with flags of its own: `train.py --K --D`, or a line of a shell.
    for command, given in re.findall(r"\b(\w+)\.py((?: +--\w+(?:=[^ `|]*)?)+)", text):
        if command in found:
            wrong = set(re.findall(r"--(\w+)", given)) - found[command] - {"help"}
            assert not wrong, f"{page}: {command}.py has no --{sorted(wrong)[0]}"


@pytest.mark.parametrize("page", PAGES)
def test_the_links_of_a_page_lead_somewhere(page):
    for target in re.findall(r"\]\(([\w./-]+)(?:#\w*)?\)", read(page)):
        path = os.path.join(ROOT, os.path.dirname(page), target)
        assert os.path.exists(path), f"{page}: {target}"


def test_every_page_can_be_found_from_the_readme():
    linked = set(re.findall(r"\]\((docs/\w+\.md)\)", read("README.md")))
    assert linked >= {page for page in PAGES if page.startswith("docs")}
