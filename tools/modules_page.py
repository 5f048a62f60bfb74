"""Writes docs/modules.md: every module of the package and of the commands, with the first line of its docstring.

python tools/modules_page.py
"""

import ast
import glob
import os
from typing import List

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PAGE = os.path.join(ROOT, "docs", "modules.md")
HEAD = """# Modules

Every module with the first line of its docstring. [architecture.md](architecture.md) explains how they work together.
`python tools/modules_page.py` writes this page.
"""
# In the order of the imports: a package imports from those above it only.
FOLDERS = (
    "vq_estimator",
    "vq_estimator/config",
    "vq_estimator/data",
    "vq_estimator/nn",
    "vq_estimator/nn/quantizers",
    "vq_estimator/nn/likelihoods",
    "vq_estimator/layers",
    "vq_estimator/models",
    "vq_estimator/training",
    "vq_estimator/inference",
    "vq_estimator/inference/codec",
    "vq_estimator/pretrained",
    "vq_estimator/beam",
    "launch",
)


def first_line(path: str) -> str:
    """The first paragraph of a module's docstring, as one line."""
    with open(path, encoding="utf-8") as f:
        text = ast.get_docstring(ast.parse(f.read())) or ""
    return " ".join(text.split("\n\n")[0].split())


def row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def table(folder: str) -> List[str]:
    """The heading and the table of one folder."""
    paths = sorted(glob.glob(os.path.join(ROOT, *folder.split("/"), "*.py")))
    paths.sort(key=lambda path: not path.endswith("__init__.py"))
    lines = [f"\n## {folder}\n", row("module", "what it does"), row("---", "---")]
    return lines + [row(f"`{os.path.basename(path)[:-3]}`", first_line(path)) for path in paths]


def page() -> str:
    """The content of docs/modules.md."""
    return "\n".join([HEAD.rstrip()] + [line for folder in FOLDERS for line in table(folder)]) + "\n"


if __name__ == "__main__":
    with open(PAGE, "w", encoding="utf-8") as f:
        f.write(page())
    print(PAGE)
