"""The pages name existing flags and files."""

import glob
import importlib
import inspect
import json
import os
import re

import pytest

import vq_estimator
from vq_estimator import config as config_lib

pytestmark = pytest.mark.once

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PAGES = ["README.md", "CONTRIBUTING.md"] + sorted(
    os.path.relpath(path, ROOT) for path in glob.glob(os.path.join(ROOT, "docs", "*.md"))
)
# Flags of other programs: TensorFlow Serving, Docker, TensorBoard, saved_model_cli, git, absl.
FOREIGN = {
    "port",
    "rest_api_port",
    "model_name",
    "model_base_path",
    "enable_batching",
    "batching_parameters_file",
    "rm",
}
# Options of Beam, behind `--`.
FOREIGN |= {"direct_num_workers", "direct_running_mode", "environment_config", "environment_type", "flink_master"}
FOREIGN |= {"number_of_worker_harness_threads", "parallelism", "project", "region", "sdk_container_image"}
FOREIGN |= {"temp_location"}
FOREIGN |= {"logdir", "dir", "all", "help", "flagfile", "no"}  # no: pip install --no-deps


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        return f.read()


def settings_of(text):
    """The flags of a script that are settings: `settings.define(config_lib.Config)`, all or some of them."""
    names = set()
    for cls, only in re.findall(r"settings\.define\(config_lib\.(\w+)(?:, only=\((.*?)\))?\)", text):
        every = {flag for flag, _, _ in config_lib.declarations(getattr(config_lib, cls))}
        names |= set(re.findall(r'"(\w+)"', only)) or every
    return names


def flags():
    """Command to the flags that it defines, with those that `common` defines for it."""
    defined = re.compile(r'^\s*\w+\.(?:string|path|integer|float|bool|enum|dataset)\(\s*"(\w+)"', re.MULTILINE)
    shared = dict(re.findall(r"^def (\w+_flags)\(.*?\).*?\n(.*?)(?=^\S)", read("launch/common.py"), re.M | re.S))
    found = {}
    folders = [os.path.join(ROOT, name, "*.py") for name in ("launch", "benchmarks", "tools")]
    for path in (path for folder in folders for path in glob.glob(folder)):
        text = read(path)
        for name in shared:  # the first calls the second, unless told not to
            if f"common.{name}(" in text or (name == "data_flags" and "common.run_flags()" in text):
                text += shared[name]
        for module in re.findall(r"(\w+)\.define_flags\(\)", text):
            text += read(f"launch/{module}.py")
        found[os.path.basename(path)[:-3]] = set(defined.findall(text)) | settings_of(text)
    for name, path in (("speed", "benchmarks/speed/__main__.py"), ("speech", "benchmarks/speech/__main__.py")):
        found["benchmarks." + name] = set(re.findall(r'add_argument\("--(\w+)"', read(path)))
    return found


def test_the_flags_are_found():
    found = flags()
    assert {"dataset", "K", "beta", "data_dir", "log_steps"} <= found["train"]
    assert {"quick", "only"} <= found["benchmarks.speed"] and {"quick", "without"} <= found["benchmarks.speech"]
    assert found["export"] >= {"model_dir", "checkpoint", "export_dir"} and not {"K", "out"} & found["export"]
    assert "data_dir" in found["evaluate"] and {"formats", "data_dir"} <= found["codec"]


@pytest.mark.parametrize("page", PAGES)
def test_the_flags_on_a_page_exist(page):
    text, found = read(page), flags()
    every = set().union(*found.values()) | FOREIGN
    unknown = set(re.findall(r"(?<![\w-])--(\w+)", text)) - every
    assert not unknown, page
    # A command with flags of its own: `vq-train --K --D`, or a line of a shell.
    for script, command, given in re.findall(r"\b(?:(\w+)\.py|vq-([\w-]+))((?: +--\w+(?:=[^ `|]*)?)+)", text):
        command = script or command.replace("-", "_")
        if command in found:
            wrong = set(re.findall(r"--(\w+)", given)) - found[command] - {"help"}
            assert not wrong, f"{page}: {command} has no --{sorted(wrong)[0]}"


@pytest.mark.parametrize("page", PAGES)
def test_the_links_of_a_page_lead_somewhere(page):
    for target in re.findall(r"\]\(([\w./-]+)(?:#\w*)?\)", read(page)):
        path = os.path.join(ROOT, os.path.dirname(page), target)
        assert os.path.exists(path), f"{page}: {target}"


def test_every_page_can_be_found_from_the_readme():
    linked = set(re.findall(r"\]\((docs/\w+\.md)\)", read("README.md")))
    assert linked >= {page for page in PAGES if page.startswith("docs")}


def test_the_readme_begins_with_the_ten_lines_that_a_test_runs():
    blocks = [
        re.findall(r"^```python\n(.*?)^```", read(page), re.M | re.S) for page in ("README.md", "docs/estimator.md")
    ]
    assert blocks[0] == blocks[1][:1]


def evaluation_of(name):
    return json.loads(read(f"vq_estimator/pretrained/{name}/eval/test.json"))


def test_the_figures_of_the_readme_are_those_of_the_evaluations():
    text = read("README.md")
    rows = re.findall(r"^\| `([\w-]+)`.* \|((?: \d\.\d{3} \|){4})$", text, re.M)
    assert len(rows) == 6
    for name, figures in rows:
        bits = evaluation_of(name)["bits_per_dim"]
        wanted = [bits[key] for key in ("distortion", "rate_uniform", "total_uniform", "total_prior")]
        assert [float(x) for x in re.findall(r"[\d.]+", figures)] == [round(x, 3) for x in wanted], name
    codec = json.loads(read("results/codec/cifar10-local.json"))
    assert f"{codec['bytes']:,} bytes" in text and f"{codec['bits_per_dim']:.3f} bits/dim" in text


def test_the_figures_of_the_first_run_are_those_of_the_evaluation():
    text, found = read("docs/first_run.md"), evaluation_of("mnist")
    bits = found["bits_per_dim"]
    assert f"`mse` | {found['mse']:.4f} |" in text
    assert f"`codebook.perplexity` | {found['codebook']['perplexity']:.1f} |" in text
    for key in ("distortion", "rate_uniform", "total_uniform"):
        assert f"`bits_per_dim.{key}` | {bits[key]:.3f} |" in text, key
    assert f"{bits['rate_prior']:.3f} and {bits['total_prior']:.3f} bits per pixel" in text


def test_a_page_can_be_read_at_one_sitting():
    generated = ("docs/settings.md", "docs/modules.md")
    long = [page for page in PAGES if page not in generated and read(page).count("\n") > 200]
    assert not long


def test_every_page_is_in_the_index():
    linked = set(re.findall(r"\]\((\w+\.md)", read("docs/index.md")))
    assert linked | {"index.md"} == {os.path.basename(page) for page in PAGES if page.startswith("docs")}


def test_the_api_page_has_every_public_name():
    listed = set(re.findall(r"^::: vq_estimator\.(\S+)$", read("docs/api.md"), re.M))
    for name in set(vq_estimator.__all__) - {"__version__", "pretrained"}:
        value = getattr(vq_estimator, name)
        names = {f"{name}.{inner}" for inner in value.__all__} if inspect.ismodule(value) else {name}
        assert names <= listed, names - listed


def test_commands_are_named_as_an_installed_user_has_them():
    """No text in the package or the scripts names a script, such as train.py; pages do in `python launch/train.py`."""
    paths = glob.glob(os.path.join(ROOT, "launch", "*.py"))
    scripts = [os.path.basename(path)[:-3] for path in paths if "def run() -> None:" in read(path)]
    named = re.compile(r"\b(?:{})\.py\b".format("|".join(scripts)))
    installed = set(re.findall(r"vq-[a-z-]+", read("setup.py"))) | {"vq-" + n.replace("_", "-") for n in scripts}
    sources = glob.glob(os.path.join(ROOT, "vq_estimator", "**", "*.py"), recursive=True)
    sources += glob.glob(os.path.join(ROOT, "launch", "*.py"))
    assert len(scripts) >= 13 and len(sources) > 100 and named.search("run train_prior.py first")
    for path in sources:
        text = read(path)
        assert not named.search(text), f"{path}: {named.search(text).group()}"
        for command in re.findall(r"\bvq-[a-z]+(?:-[a-z]+)*", text):
            assert command in installed, f"{path}: {command}"
    for page in PAGES:
        for line in read(page).splitlines():
            assert not named.search(re.sub(r"(?:python )?launch/\w+\.py", "", line)), f"{page}: {line}"


def taken_from_the_package(text):
    """(module, name or "") of the imports of vq_estimator in a page, and of its dotted names in backquotes."""
    for module, names in re.findall(r"^[ >.]*from (vq_estimator[\w.]*) import ([\w, ]+)$", text, re.M):
        yield from ((module, name.split(" as ")[0].strip()) for name in names.split(","))
    for name in re.findall(r"^[ >.]*import (vq_estimator(?:\.\w+)+)", text, re.M):
        yield name.rpartition(".")[::2]
    for name in re.findall(r"`(vq_estimator(?:\.\w+)+)`", text):
        yield name.rpartition(".")[::2]


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_takes_from_the_package_is_there(page):
    for module, name in taken_from_the_package(read(page)):
        if not hasattr(importlib.import_module(module), name):
            importlib.import_module(f"{module}.{name}")  # a module, or an ImportError


# Pages for contributors, and the table of what became of tf-vqvae's modules.
INNER = {
    *("docs/architecture.md", "docs/modules.md", "docs/extending.md", "docs/extending_data.md"),
    *("docs/migrating.md", "CONTRIBUTING.md"),
}
NOTEBOOKS = sorted(os.path.join("notebooks", n) for n in os.listdir(os.path.join(ROOT, "notebooks")) if "ipynb" in n)


def code_of_notebook(path):
    cells = json.loads(read(path))["cells"]
    return "\n".join("".join(cell["source"]) for cell in cells)


@pytest.mark.parametrize("page", sorted({*PAGES, *NOTEBOOKS} - INNER))
def test_pages_and_notebooks_use_public_names_alone(page):
    text = code_of_notebook(page) if page.endswith("ipynb") else read(page)
    for module, name in taken_from_the_package(text):
        public = (module + "." + name).split(".")[1]
        assert public in vq_estimator.__all__, f"{page}: {module}.{name} is not public; see _PUBLIC"
    assert not re.search(r"^[ >.]*(?:from|import) launch\b", text, re.M), page


def test_the_check_of_imports_can_fail():
    found = list(
        taken_from_the_package("    from vq_estimator.data import a, b\nimport vq_estimator.x\n`vq_estimator.nn.c` has")
    )
    wanted = [("vq_estimator.data", "a"), ("vq_estimator.data", "b"), ("vq_estimator", "x"), ("vq_estimator.nn", "c")]
    assert found == wanted
