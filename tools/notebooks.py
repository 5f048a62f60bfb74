"""Runs the notebooks and writes them back with their outputs.

  python tools/notebooks.py [mnist cifar10 estimator your_own_data speech]

For maintainers; needs `pip install -e .[notebooks]`. Each runs from the top in a fresh kernel and an empty folder.
"""

import os
import re
import sys
import tempfile

import nbformat
from nbclient import NotebookClient

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FOLDER = os.path.join(ROOT, "notebooks")
NAMES = ("mnist", "cifar10", "estimator", "your_own_data", "speech")
# What TensorFlow says of its first compiled loop, whatever the level of its log.
OF_COMPILATION = re.compile(r"(?:WARNING: All log messages before absl|I0000 .*Compiled cluster using XLA).*\n?")
WIDGET = "application/vnd.jupyter.widget-view+json"


def path_of(name: str) -> str:
    return os.path.join(FOLDER, name + ".ipynb")


def read(name: str):
    return nbformat.read(path_of(name), as_version=4)


def with_parameters(notebook, **given):
    """Sets names of the cell tagged `parameters`, by lines at its end (as papermill would, by a cell after it)."""
    (cell,) = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
    cell.source += "".join(f"\n{name} = {value!r}" for name, value in given.items())
    return notebook


def execute(notebook, folder: str, timeout: int = 900):
    """Runs it in a fresh kernel of this Python in `folder`; raises `CellExecutionError` where a cell fails."""
    NotebookClient(
        notebook, timeout=timeout, kernel_name="python3", resources={"metadata": {"path": folder}}, record_timing=False
    ).execute()
    return notebook


def tidy(notebook):
    """Leaves out what is of this machine and, of widgets, what needs a kernel: their pictures stay."""
    of_widgets = _pictures_of_widgets(notebook)
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number:02}"
        if cell.cell_type == "code":
            has_widget = any(WIDGET in output.get("data", {}) for output in cell.outputs)
            cell.outputs = _joined(of_widgets if has_widget else cell.outputs)
    return notebook


def _pictures_of_widgets(notebook):
    """What the notebook's widgets show at first, as outputs."""
    states = notebook.metadata.get("widgets", {}).get("application/vnd.jupyter.widget-state+json", {}).get("state", {})
    shown = [output for entry in states.values() for output in entry["state"].get("outputs", [])]
    return [nbformat.from_dict(output) for output in shown]


def _joined(outputs):
    """Text that follows text of the same stream in one output: how it is cut depends on the time.

    Messages about compilation are left out.
    """
    found = []
    for output in outputs:
        if output.output_type == "stream" and output.name == "stderr":
            output.text = OF_COMPILATION.sub("", output.text)
            if not output.text:
                continue
        if found and output.output_type == "stream" and found[-1].get("name") == output.name:
            found[-1].text += output.text
        else:
            found.append(output)
    return found


def main() -> None:
    for name in sys.argv[1:] or NAMES:
        with tempfile.TemporaryDirectory() as folder:
            notebook = tidy(execute(read(name), folder))
        with open(path_of(name), "w", encoding="utf-8") as f:
            nbformat.write(notebook, f)
        print(f"{path_of(name)}: {os.path.getsize(path_of(name)) / 1000:.0f} KB", flush=True)


if __name__ == "__main__":
    main()
