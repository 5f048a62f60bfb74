"""A bad value of any flag of any command is one line and exit status 1 or 2, and nothing is written.

The commands list their flags themselves, so that a new flag without a row in `helpers/bad_values.py` fails.
"""

import json
import os
import re
import shutil

import pytest

from helpers.bad_values import TABLE
from helpers.folders import everything_below
from helpers.forked import ROOT, SCRIPTS
from vq_estimator import pretrained
from vq_estimator.config import Config, PriorConfig, declarations
from vq_estimator.inference import calibration, codec
from vq_estimator.inference.session import open_run

pytestmark = pytest.mark.once

# The bad values of settings are checked without a command, by test_settings.py.
SETTINGS = {flag for cls in (Config, PriorConfig) for flag, _, _ in declarations(cls)}
KINDS = {"int": ("ten", "an integer"), "float": ("x", "a number"), "bool": ("maybe", "true or false")}
FLAGS = """
import json, runpy, sys
from absl import flags
module = runpy.run_path(sys.argv[1], run_name="launched")
ours = [f for m, found in flags.FLAGS.flags_by_module_dict().items() if not m.startswith("absl") for f in found
        if m == "launched" or m.startswith("vq_estimator")]
print(json.dumps({f.name: f.flag_type() for f in ours}))
"""


PATHS = """
import json, runpy, sys
module = runpy.run_path(sys.argv[1], run_name="launched")
from vq_estimator_launch import paths
print(json.dumps(sorted(paths._KINDS)))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory, small_run, digits):
    """Where the scripts run: what the rows name."""
    import numpy as np

    out = tmp_path_factory.mktemp("flags")
    shutil.copytree(small_run[1], str(out / "run"))
    shutil.rmtree(str(out / "run" / "prior"), ignore_errors=True)
    shutil.copytree(pretrained.folder("mnist"), str(out / "provided"))
    (out / "other").mkdir()
    (out / "other" / "config.json").write_text("{}")
    (out / "empty").mkdir()
    (out / "text.npy").write_text("no array")
    (out / "sound.flac").write_bytes(b"fLaC")
    np.save(str(out / "codes.npy"), np.zeros([1, 3, 3, 1], np.uint16))
    run = str(out / "run")
    calibration.calibrate(open_run(run), digits)
    codec.compress(run, np.zeros([3, 24, 24, 1], np.uint8), str(out / "images.vqz"), prior="uniform")
    return out


@pytest.fixture(scope="module")
def defined(forked):
    """A function script -> {flag: its kind}."""
    kept = {}

    def flags(script):
        if script not in kept:
            done = forked.code(FLAGS, os.path.join(ROOT, "launch", script + ".py"))
            assert done.status == 0, done.stderr
            kept[script] = json.loads(done.stdout)
        return kept[script]

    return flags


def test_the_table_is_of_all_scripts():
    assert sorted(TABLE) == SCRIPTS


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_flag_has_a_row(script, defined):
    _, rows = TABLE[script]
    named = {row[-3] for row in rows}
    free = {name for name, kind in defined(script).items() if kind not in ("bool", "string enum")}
    assert defined(script) and free - named - SETTINGS == set()
    assert named <= set(defined(script))


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_value_of_another_kind(script, defined, forked, folder):
    first = {kind: name for name, kind in reversed(list(defined(script).items()))}  # a kind has one parser
    for kind, name in first.items():
        if kind in ("string", "path"):  # the next test has the paths
            continue
        bad, want = KINDS.get(kind, ("other", "one of "))
        done = forked.script(script, f"--{name}={bad}", cwd=folder)
        assert done.one_line(script).startswith(f"flag --{name}={bad}: expected {want}") and done.status == 2


@pytest.mark.parametrize("script", SCRIPTS)
def test_no_path_flag_takes_a_value_that_is_no_path_here(script, forked, tmp_path):
    done = forked.code(PATHS, os.path.join(ROOT, "launch", script + ".py"))
    names, urls = json.loads(done.stdout), ["gs://bucket/run"]
    if script == "train":
        urls += ["S3://x", "file:///tmp/x", "hdfs://h/x", "~no_such_user/x"]
    assert names and set(names) <= {
        *("model_dir", "model_dirs", "data_dir", "input", "out", "export_dir", "checkpoint", "prior_checkpoint"),
        *("warm_start", "config", "validation", "test", "calibrate", "codes", "validation_codes"),
    }
    for name, value in [*((name, "") for name in names), *((names[0], url) for url in urls)]:
        done = forked.script(script, f"--{name}={value}", cwd=tmp_path)
        assert done.one_line(script).startswith(f"{name}: got {value!r}"), done.stderr
    assert os.listdir(str(tmp_path)) == []


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_value_that_can_not_be(script, forked, folder):
    given, rows = TABLE[script]
    before = everything_below(folder)
    for *more, name, value, message in rows:
        done = forked.script(script, *given, *(more[0] if more else ()), f"--{name}={value}", cwd=folder)
        assert re.match(message, without_warning(done).one_line(script)), (name, value, done.stderr)
        assert done.status == 1
    assert everything_below(folder) == before


def without_warning(done):
    """Where MNIST's embedded digits stand in for it, a warning of that comes first."""
    lines = done.stderr.splitlines(True)
    return done._replace(stderr="".join(line for line in lines if not line.startswith("WARNING: mnist: not found")))


def test_a_hostile_value_is_shown_harmless(forked, folder):
    for value in ("a\nb", "\x1b[2J", "\u2028", "x" * 100000):
        done = forked.script("evaluate", "--model_dir=" + value, cwd=folder)
        line = done.one_line("evaluate")
        assert line.startswith("model_dir: got '") and len(line) < 2100
        assert forked.script("train", value, cwd=folder).one_line("train").startswith("got the argument '")
