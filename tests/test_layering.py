"""Imports go one way: launch -> inference -> training -> models -> nn -> data -> config."""

import ast
import os

import pytest

from vq_estimator.config import DECODERS, LIKELIHOODS, QUANTIZERS
from vq_estimator.config.prior import PRIOR_KINDS
from vq_estimator.config.quantizer import CODEBOOKS
from vq_estimator.config.registry import load_object
from vq_estimator.config.run import MODELS
from vq_estimator.config.speech import SPEECH_DECODERS

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PACKAGE = os.path.join(ROOT, "vq_estimator")
# What may be imported stands to the left. Leaves know no model: errors, and drawing (which writes files by data.files).
ORDER = ["version", "errors", "progress", "config", "exported", "data", "nn", "models", "training", "inference"]
ORDER += ["pretrained", "inputs", "estimators", "beam"]
LEAVES = {"__init__": ["version"], "errors": [], "drawing": ["data", "errors", "drawing"]}
# Public modules for other people's graphs, which nothing in the package imports.
LEAVES["layers"] = ["errors", "config", "nn", "layers"]
LEAVES["likelihoods"] = ["errors", "config", "nn"]
LEAVES["explore"] = ["data", "drawing", "inference"]


def files():
    for folder, _, names in os.walk(PACKAGE):
        for name in names:
            if name.endswith(".py"):
                yield os.path.relpath(os.path.join(folder, name), PACKAGE)


def without_type_checking(tree):
    """The tree without the `if TYPE_CHECKING:` blocks at its top: the package's front door names there what is lazy."""
    tree.body = [n for n in tree.body if not (isinstance(n, ast.If) and getattr(n.test, "id", "") == "TYPE_CHECKING")]
    return tree


def imported_rooms(source, front_door=False):
    tree = ast.parse(source)
    for node in ast.walk(without_type_checking(tree) if front_door else tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            names = [node.module + "." + alias.name for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] in ("vq_estimator", "launch", "vq_estimator_launch"):
                yield parts[0] if parts[0] != "vq_estimator" else (parts + ["__init__"])[1]


def room_of(path):
    return path.split(os.sep)[0].replace(".py", "")


def allowed(room):
    if room in LEAVES:
        return LEAVES[room]
    below = ORDER[: ORDER.index(room) + 1]
    return below + ["drawing"] if room in ("inference", "beam") else below


def rows_as_text():
    """(the room that uses it, "module:name") of what the registries name as text, which is imported on use."""
    for registry in (QUANTIZERS, CODEBOOKS, LIKELIHOODS, DECODERS, SPEECH_DECODERS):
        for row in registry.rows.values():
            yield from (("nn", text) for text in (row.tensorflow, row.numpy) if text)
    yield from (("nn", text) for text in PRIOR_KINDS.values())
    users = dict(users_of_parts())
    for row in MODELS.rows.values():
        yield from (("models", row.tensorflow), ("inference", row.opened))
        yield from ((users[name], text) for name, text in row.parts.items())


def users_of_parts():
    """(name, room) of each call of `config.part(model, name)`."""
    for path in files():
        with open(os.path.join(PACKAGE, path), encoding="utf-8") as f:
            for node in ast.walk(ast.parse(f.read())):
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "part" and len(node.args) == 2:
                    yield ast.literal_eval(node.args[1]), room_of(path)


@pytest.mark.parametrize("user, text", sorted(set(rows_as_text())))
def test_what_rows_name_as_text_exists_and_runs_one_way(user, text):
    assert load_object(text) is not None
    assert text.split(".")[1] in allowed(user), f"{user} uses {text}"


@pytest.mark.parametrize("path", sorted(files()))
def test_imports_run_one_way(path):
    with open(os.path.join(PACKAGE, path), encoding="utf-8") as f:
        rooms = imported_rooms(f.read(), front_door=path == "__init__.py")
        bad = [room for room in rooms if room not in allowed(room_of(path))]
    assert not bad, f"{path} imports {bad}"


TESTS = os.path.join(ROOT, "tests")
TEST_FILES = sorted(
    os.path.relpath(os.path.join(folder, name), TESTS)
    for folder, _, names in os.walk(TESTS)
    for name in names
    if name.endswith(".py")
)


def imported_tests(source):
    """The modules with tests, and conftest, that a file in tests/ imports, inside of functions too."""
    for node in ast.walk(ast.parse(source)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            yield from (part for part in name.split(".") if part == "conftest" or part + ".py" in TEST_FILES)


@pytest.mark.parametrize("path", TEST_FILES)
def test_no_test_module_imports_another(path):
    with open(os.path.join(TESTS, path), encoding="utf-8") as f:
        others = list(imported_tests(f.read()))
    assert not others, f"tests/{path} imports {others}; what tests share is in tests/helpers/"


def test_the_check_of_tests_can_fail():
    assert list(imported_tests("def f():\n    from test_layering import TESTS")) == ["test_layering"]
    assert list(imported_tests("import tests.test_layering as other")) == ["test_layering"]
    assert list(imported_tests("from tests import conftest")) == ["conftest"]
    assert list(imported_tests("from helpers import forked\nimport vq_estimator.config")) == []


def test_the_check_can_fail():
    assert list(imported_rooms("from vq_estimator.training import hooks")) == ["training"]
    assert list(imported_rooms("import vq_estimator_launch.train")) == ["vq_estimator_launch"]
    assert "training" not in allowed("models") and "vq_estimator_launch" not in allowed("inference")
    assert "layers" not in allowed("pretrained") and "models" not in allowed("layers")
    lazy = "if TYPE_CHECKING:\n    from vq_estimator import layers\n"
    assert list(imported_rooms(lazy)) == ["layers"] and list(imported_rooms(lazy, front_door=True)) == []
    assert list(imported_rooms(lazy + "from vq_estimator import nn", front_door=True)) == ["nn"]


def test_the_package_reads_no_flag_and_no_environment():
    for path in files():
        with open(os.path.join(PACKAGE, path), encoding="utf-8") as f:
            text = f.read()
        for word in ("FLAGS", "os.environ", "os.getenv", "disable_v2_behavior"):
            assert word not in text, f"{path} has {word}"


def test_estimator_modes_are_read_in_the_model_fns_and_the_front_door_only():
    for path in files():
        if os.path.basename(path) != "model_fns.py" and room_of(path) not in ("inputs", "estimators"):
            with open(os.path.join(PACKAGE, path), encoding="utf-8") as f:
                assert "ModeKeys" not in f.read(), path
