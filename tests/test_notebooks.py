"""The notebooks are stored with their outputs, and run from the top in a fresh kernel."""

import ast
import importlib.util
import json
import os
import re
import sys

import pytest

import vq_estimator
from helpers.marks import slow
from vq_estimator import pretrained

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# What the test changes in the cell `parameters`: fewer images, fewer steps.
PARAMETERS = {
    "mnist": {"EXAMPLES": 500},
    "cifar10": {"EVALUATED": 20, "SHOWN": 2, "SAMPLES": 10},
    "estimator": {"STEPS": 4},
    "your_own_data": {"STEPS": 60},
    "speech": {"RECORDINGS": 1, "ENCODED": 30, "NEW_VOICES": 1},
}
ALLOWED = {"vq_estimator", "numpy", "matplotlib", "ipywidgets", "tensorflow", "glob", "json", "logging", "os"}
ALLOWED |= {"IPython", "PIL", "warnings"}  # players of sound, image files, and TensorFlow's advice
MAX_BYTES = 600 * 1000
OF_A_MACHINE = re.compile(r"(?<![\w.])/(?:home|root|work|tmp|usr|var|opt|Users)/|warning|traceback", re.IGNORECASE)


def path_of(name):
    return os.path.join(ROOT, "notebooks", name + ".ipynb")


def load(name):
    with open(path_of(name), encoding="utf-8") as f:
        return json.load(f)


def code_cells(notebook):
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def text_of(output):
    data = output.get("data", {})
    return "".join(output.get("text", [])) + "".join("".join(v) for k, v in data.items() if k.startswith("text/"))


def has_picture(output):
    return "image/png" in output.get("data", {})


def test_all_of_them_are_tested():
    found = {name for name in os.listdir(os.path.join(ROOT, "notebooks")) if name.endswith(".ipynb")}
    assert found == {name + ".ipynb" for name in PARAMETERS}


@pytest.mark.parametrize("name", sorted(PARAMETERS))
def test_committed_with_their_outputs_and_small(name):
    if name == "speech" and "fsdd" not in pretrained.names():
        pytest.skip("the package has no model fsdd to fill its outputs")
    notebook = load(name)
    assert os.path.getsize(path_of(name)) < MAX_BYTES
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    cells = code_cells(notebook)
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert sum(map(has_picture, outputs)) >= 4
    for output in outputs:
        assert output["output_type"] != "error" and output.get("name") != "stderr"
        assert not OF_A_MACHINE.search(text_of(output)), text_of(output)[:300]


@pytest.mark.parametrize("name", sorted(PARAMETERS))
def test_they_import_the_package_and_little_else(name):
    roots = set()
    for cell in code_cells(load(name)):
        for node in ast.walk(ast.parse("".join(cell["source"]))):  # no magic either: it would not parse
            if isinstance(node, ast.Import):
                roots |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                roots.add(node.module.split(".")[0])
    assert "vq_estimator" in roots and roots <= ALLOWED


@pytest.mark.parametrize("name", sorted(PARAMETERS))
def test_they_use_public_names_that_are_there(name):
    code = "\n".join("".join(cell["source"]) for cell in code_cells(load(name)))
    dotted = set(re.findall(r"\bvq\.(\w+)(?:\.(\w+))?", code))
    assert len(dotted) >= 3
    for outer, inner in dotted:
        assert outer in vq_estimator.__all__, outer
        value = getattr(vq_estimator, outer)
        assert not inner or hasattr(value, inner), f"{outer}.{inner}"


def maintainers_tool():
    if sys.version_info < (3, 8):
        pytest.skip("Jupyter is not installed with TensorFlow 1.15; what the notebooks call is tested there")
    for module in ("nbclient", "ipykernel", "ipywidgets"):
        pytest.importorskip(module, reason="pip install -e .[test] brings it")
    spec = importlib.util.spec_from_file_location("notebooks_tool", os.path.join(ROOT, "tools", "notebooks.py"))
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    return tool


@pytest.mark.parametrize("name", ["mnist", *map(slow, sorted(set(PARAMETERS) - {"mnist"}))])
def test_they_run_from_the_top(name, cache_dir, tmp_path, monkeypatch):
    tool = maintainers_tool()
    data_dir = os.environ.get("VQ_DATA_DIR", "")
    if name == "cifar10":
        if name not in pretrained.names():
            pytest.skip("the package has no model cifar10")
        if not os.path.isdir(os.path.join(data_dir, name)):
            pytest.skip("VQ_DATA_DIR has no cifar10")
    if name == "speech":
        if "fsdd" not in pretrained.names() and "VQ_SPEECH_RUN" not in os.environ:
            pytest.skip("the package has no model fsdd, and VQ_SPEECH_RUN names no run in its place")
        if not os.path.isdir(os.path.join(data_dir, "fsdd")):
            pytest.skip("VQ_DATA_DIR has no fsdd")
    monkeypatch.setenv("VQ_DATA_DIR", os.path.abspath(data_dir) if data_dir else str(tmp_path / "none"))
    monkeypatch.setenv("VQ_CACHE_DIR", cache_dir)
    monkeypatch.setenv("PYTHONPATH", ROOT)
    for proxy in ("http_proxy", "https_proxy"):  # nothing is downloaded: MNIST is then the embedded digits
        monkeypatch.setenv(proxy, "http://127.0.0.1:9")
    notebook = tool.with_parameters(tool.read(name), **PARAMETERS[name])
    tool.tidy(tool.execute(notebook, str(tmp_path)))  # raises where a cell fails
    committed = code_cells(load(name))
    for cell, kept in zip(code_cells(notebook), committed):
        assert not any(output.output_type == "error" for output in cell.outputs)
        if name == "speech" and "fsdd" not in pretrained.names():
            continue  # committed without outputs
        assert sum(map(has_picture, cell.outputs)) == sum(map(has_picture, kept["outputs"]))
    if name == "your_own_data":
        assert {"codes.npz", "my_images", "my_run"} <= set(os.listdir(str(tmp_path)))
