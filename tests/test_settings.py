"""Settings are declared once: flags, checks, --help and docs/settings.md follow from the fields."""

import importlib.util
import json
import os
import re

import pytest

from helpers.forked import ROOT
from helpers.presets import ALL
from vq_estimator import config as c
from vq_estimator.config.fields import GROUPS
from vq_estimator.config.registry import numpy_implementation
from vq_estimator.config.renamed import NEW_NAMES
from vq_estimator.errors import VQError

pytestmark = pytest.mark.once

DECLARED = {flag: setting for flag, setting, _ in c.declarations(c.Config)}


@pytest.mark.parametrize("dataset, preset", ALL)
def test_every_bad_value_is_refused_by_its_name(dataset, preset):
    for found in list(c.settings_of(c.make_config(dataset, preset))):
        for bad in found.declared.kind.bad_values():
            with pytest.raises(VQError, match=f"^{found.flag}: got "):
                c.make_config(dataset, preset, **{found.flag: bad})


@pytest.mark.parametrize("speech", [False, True])
def test_every_bad_value_of_a_prior_is_refused_by_its_name(speech):
    codes = c.CodesConfig((1, 8, 1), 20, 0, "mnist", 10, "0" * 64)
    for found in list(c.settings_of(c.make_prior_config(codes, speech))):
        for bad in found.declared.kind.bad_values():
            with pytest.raises(VQError, match=f"^{found.flag}: got "):
                c.make_prior_config(codes, speech, **{found.flag: bad})


def test_codes_of_one_value_get_no_prior():
    with pytest.raises(VQError, match="^K: got 1, expected 2 or more"):
        c.make_prior_config(c.CodesConfig((1, 8, 1), 1, 0, "mnist", 10, "0" * 64))


@pytest.mark.parametrize("dataset, preset", ALL)
def test_a_setting_that_a_configuration_lacks_is_refused(dataset, preset):
    config = c.make_config(dataset, preset)
    has = {found.flag for found in c.settings_of(config)}
    lacking = sorted(set(DECLARED) - has)
    assert lacking
    for flag in lacking:
        with pytest.raises(VQError, match=f"^{flag}: got 1, expected no value: "):
            c.make_config(dataset, preset, **{flag: 1})


@pytest.mark.parametrize("dataset, preset", ALL)
def test_a_presets_own_values_change_nothing(dataset, preset):
    config = c.make_config(dataset, preset)
    for found in c.settings_of(config):
        if found.declared.applies is None or found.declared.applies(config):
            again = c.make_config(dataset, preset, **{found.flag: found.value})
            assert c.differences(config, again) == [], found.flag


def test_help_texts_are_short_and_have_a_group():
    assert len(DECLARED) > 50
    for flag, setting in DECLARED.items():
        assert 10 <= len(setting.help) <= 100, (flag, len(setting.help))
        assert setting.group in GROUPS and setting.kind.describe(), flag
        assert not setting.help.endswith("."), flag


def test_every_variant_names_what_implements_it():
    import vq_estimator.nn.decoders as decoders

    assert c.implementation(c.FactorisedDecoder()) is decoders.Factorised
    assert c.implementation(c.WaveNetConfig()) is decoders.Waveform
    for registry in (c.LIKELIHOODS, c.QUANTIZERS, c.DECODERS, c.CODEBOOKS):
        for name, row in registry.rows.items():
            value = row.config(K=2, D=2) if "K" in getattr(row.config, "__dataclass_fields__", {}) else row.config()
            assert c.type_name(value) == name and isinstance(c.implementation(value), type)
            if row.numpy:
                assert isinstance(numpy_implementation(value), type)


def test_an_old_name_is_refused_with_the_new_one(forked):
    assert len(NEW_NAMES) == 14
    for old, new in NEW_NAMES.items():
        assert old not in DECLARED or old in ("maps",)
        with pytest.raises(VQError, match=f"^{old}: got 1, expected no value: .* {new} now"):
            c.make_config("mnist", **{old: 1})
    done = forked.script("train", "--widths=8,8")
    assert done.status == 2 and "--hidden_channels" in done.one_line("train")
    done = forked.script("train_prior", "--maps=8")
    assert done.status == 2 and "--channels" in done.one_line("train_prior")
    with pytest.raises(VQError, match="^preset: got 'paper', expected categorical, its new name"):
        c.make_config("cifar10", "paper")
    done = forked.script("train", "--dataset=cifar10", "--preset=paper")
    assert done.status == 2 and "expected categorical" in done.one_line("train")
    with open(os.path.join(ROOT, "results", "cifar10", "categorical", "config.json"), encoding="utf-8") as f:
        old = f.read()
    assert '"preset": "paper"' in old and c.from_json(old).preset == "categorical"


def test_the_page_of_settings_is_that_of_the_declarations():
    spec = importlib.util.spec_from_file_location("settings_page", os.path.join(ROOT, "tools", "settings_page.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with open(module.PAGE, encoding="utf-8") as f:
        assert f.read() == module.page(), "run: python tools/settings_page.py"


def test_help_shows_the_values_of_the_chosen_preset(forked):
    done = forked.script("train", "--dataset=cifar10", "--preset=categorical", "--help")
    lines = done.stdout.splitlines()
    assert done.status == 0
    for flag, value in (("K", "256"), ("L", "10"), ("likelihood", "categorical"), ("warmup_steps", "200")):
        at = next(i for i, line in enumerate(lines) if line.strip().startswith(f"--{flag}="))
        assert f"[{value}]" in " ".join(lines[at : at + 4]), flag
    assert forked.script("train", "--preset=best", "--help").status == 2


def test_help_lists_the_presets_of_the_chosen_data_set(forked):
    """With the one that is used without --preset, so that no listed preset is refused."""
    for dataset in ("images", "fsdd"):
        text = " ".join(forked.script("train", "--dataset=" + dataset, "--help").stdout.split())
        presets = [*c.PRESETS_OF[dataset], "like"]
        assert f"--preset={'|'.join(presets)} " in text and f"the one of --warm_start [{presets[0]}]" in text


def test_help_shows_the_settings_of_a_prior(forked):
    """Of both kinds of runs, or of the run that is named."""
    for args, shown in (
        ((), {"batch_size": "128, speech 32", "patience": "6, speech 3", "clip_norm": "1.0"}),
        (("--pretrained=mnist",), {"batch_size": "128", "max_steps": "10000", "stacks": "0"}),
        (("--pretrained=fsdd", "--max_steps=50"), {"batch_size": "32", "max_steps": "50", "eval_steps": "10"}),
    ):
        lines = forked.script("train_prior", *args, "--help").stdout.splitlines()
        for flag, value in shown.items():
            at = next(i for i, line in enumerate(lines) if line.strip().startswith(f"--{flag}="))
            assert f"[{value}]" in " ".join(lines[at : at + 3]), (args, flag)


@pytest.mark.parametrize("script", ["train", "train_prior", "make_tfrecords"])
def test_help_shows_a_default_of_every_setting(forked, script):
    text = forked.script(script, "--help").stdout.partition("Flags, with defaults in brackets:")[2]
    entries = [" ".join(part.split()) for part in re.split(r"\n    (?=--)|\n\n|\n    not used", text)]
    names = {flag for kind in (c.Config, c.PriorConfig) for flag, _, _ in c.declarations(kind)}
    shown = {e: re.match(r"--(\[no\])?(\w+)", e) for e in entries if e.startswith("--")}
    without = [e for e, found in shown.items() if found and found.group(2) in names and not e.endswith("]")]
    assert len(shown) > 10 and not without


def test_help_breaks_no_name_or_unit(forked):
    text = forked.script("train_prior", "--help").stdout
    assert "mnist-original" in text and "1 %" in text and "\xa0" not in text


def test_a_configuration_is_printed_and_taken(forked, tmp_path):
    done = forked.script("train", "--dataset=fsdd", "--K=16", "--print_config", cwd=tmp_path)
    assert done.status == 0 and c.from_json(done.stdout) == c.make_config("fsdd", K=16)
    (tmp_path / "mine.json").write_text(done.stdout)
    done = forked.script("train", "--config=mine.json", "--beta=0.5", "--print_config", cwd=tmp_path)
    assert c.from_json(done.stdout) == c.make_config("fsdd", K=16, beta=0.5)
    assert json.loads(done.stdout)["model"]["decoder"]["type"] == "wavenet"
    (tmp_path / "bad.json").write_text("{}")
    done = forked.script("train", "--config=bad.json", cwd=tmp_path)
    assert done.status == 1 and done.one_line("train").startswith("bad.json: got 'no dataset'")


def test_a_bad_value_is_refused_before_tensorflow_is_imported(tmp_path):
    import subprocess
    import sys

    code = "import sys, runpy; sys.argv = ['train.py', '--K=0']\n"
    code += "try: runpy.run_path(sys.argv.pop(), run_name='__main__')\nfinally: print('tensorflow' in sys.modules)"
    code = code.replace("sys.argv.pop()", repr(os.path.join(ROOT, "launch", "train.py")))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=str(tmp_path))
    assert done.returncode == 1 and done.stdout.split() == [b"False"], done.stderr
    assert b"K: got 0, expected" in done.stderr
