"""The names of `import vq_estimator`: when each is imported, and what the import leaves unchanged."""

import ast
import doctest
import importlib
import inspect
import os
import subprocess
import sys

import pytest

import vq_estimator
from helpers.forked import ROOT
from vq_estimator import estimators, explore, inputs, layers, likelihoods

MODULES = [vq_estimator, estimators, explore, inputs, layers, likelihoods]


def python(code):
    """What a new process prints that runs the code."""
    environment = dict(os.environ, PYTHONPATH=ROOT, TF_CPP_MIN_LOG_LEVEL="3")
    run = [sys.executable, "-W", "ignore", "-c", code]
    return subprocess.check_output(run, env=environment, universal_newlines=True, timeout=200)


def test_the_import_is_quick_and_imports_no_library():
    code = """if True:
        import sys, time
        before = set(sys.modules)
        start = time.perf_counter()
        import vq_estimator
        seconds = time.perf_counter() - start
        vq_estimator.VQError, vq_estimator.make_config, dir(vq_estimator), vq_estimator.__all__
        print(seconds, *sorted({name.split(".")[0] for name in set(sys.modules) - before}))"""
    found = [python(code).split() for _ in range(3)]
    assert min(float(one[0]) for one in found) < 0.2
    assert not {"tensorflow", "numpy", "scipy", "absl", "logging"} & set(found[0][1:]), found[0]


def test_every_public_name_is_there():
    for name in vq_estimator.__all__:
        assert getattr(vq_estimator, name) is not None and name in dir(vq_estimator)
    assert vq_estimator.layers is layers
    assert vq_estimator.make_config is importlib.import_module("vq_estimator.config").make_config
    assert {"VQError", "layers", "likelihoods", "make_config", "pretrained", "__version__"} <= set(vq_estimator.__all__)
    names = {}
    exec("from vq_estimator import *\nfrom vq_estimator import config", names)  # a module without a row is imported too
    assert set(vq_estimator.__all__) | {"config"} <= set(names)
    assert not {"Any", "importlib"} & set(dir(vq_estimator))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'vq_estimator' has no attribute 'nothing'"):
        vq_estimator.nothing  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'nothing'"):
        exec("from vq_estimator import nothing")


def test_type_checkers_see_what_the_table_has():
    tree = ast.parse(inspect.getsource(vq_estimator))
    (block,) = [n for n in tree.body if isinstance(n, ast.If) and isinstance(n.test, ast.Name)]
    seen = {}
    for node in block.body:
        for alias in node.names:
            assert alias.asname == alias.name, f"{alias.name}: only `import {alias.name} as {alias.name}` is exported"
            is_module = node.module == "vq_estimator"
            seen[alias.name] = node.module + ("." if is_module else ":") + alias.name
    assert seen == vq_estimator._PUBLIC


def test_the_process_of_a_user_is_left_alone():
    code = """if True:
        import logging, os, signal, sys
        import numpy as np
        import tensorflow.compat.v1 as tf

        def state():
            loggers = [logging.getLogger(name) for name in ("", "tensorflow", "absl")]
            handlers = [signal.getsignal(s) for s in range(1, signal.NSIG)]
            modes = tf.executing_eagerly(), tf.control_flow_v2_enabled(), tf.resource_variables_enabled()
            levels = [(l.level, list(l.handlers), l.disabled) for l in loggers]
            return handlers, modes, levels, tf.logging.get_verbosity(), np.geterr(), sys.excepthook, dict(os.environ)

        before = state()
        import vq_estimator
        values = [getattr(vq_estimator, name) for name in vq_estimator.__all__]
        with tf.Graph().as_default():
            layers = vq_estimator.layers
            layers.VectorQuantizerEMA(2048, 4)(tf.zeros([3, 4]), True)  # a large K is compared in parts, in a loop
        print(state() == before)"""
    assert python(code) == "True\n"


def public_objects():
    """(name, object) of the public modules and of the classes and functions in their `__all__`."""
    for module in MODULES:
        yield module.__name__, module
        for name in module.__all__:
            value = getattr(module, name)
            if module is not vq_estimator and (inspect.isclass(value) or inspect.isfunction(value)):
                yield f"{module.__name__}.{name}", value


EXAMPLES = [pytest.param(name, value, id=name) for name, value in public_objects()]
EXAMPLES.append(pytest.param("compress", vq_estimator.compress, id="compress", marks=pytest.mark.slow))


@pytest.mark.once
@pytest.mark.parametrize("name, value", EXAMPLES)
def test_every_public_docstring_has_an_example_that_runs(name, value, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    test = doctest.DocTestParser().get_doctest(inspect.getdoc(value), {}, name, None, 0)
    assert test.examples, f"{name} has no example"
    output = []
    result = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test, out=output.append)
    assert result.failed == 0, "".join(output)


def test_the_check_of_examples_can_fail():
    test = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, 0)
    assert doctest.DocTestRunner().run(test, out=lambda text: None).failed == 1
