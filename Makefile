# Each target works alone on a fresh machine: it makes its virtual environment and installs what it needs.
# The first Python that runs and has the right version (a version manager's shim may be there and not run).
find = $(shell for p in $(1); do $$p -c 'import sys; sys.exit(not $(2) <= sys.version_info[:2] <= $(3))' 2>/dev/null \
  && echo $$p && break; done)
PYENV := $(wildcard $(HOME)/.pyenv/versions/*/bin/python)
PYTHON ?= $(call find,python3.11 python3.10 python3.9 python3 $(PYENV),(3$(comma)9),(3$(comma)11))
PYTHON37 ?= $(call find,python3.7 $(PYENV),(3$(comma)7),(3$(comma)7))
comma := ,
VENV := .venv
VENV_TF1 := .venv-tf1
VENV_BENCH := .venv-bench
PIP := -m pip install -q --disable-pip-version-check
ARGS ?=
# Two processes, a file of tests to each in turn; TensorFlow's own threads would only be in each other's way.
# In the order of conftest.py: by default those of few tests, which take the longest, come last.
WORKERS ?= 2
PYTEST = env TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=2 OMP_NUM_THREADS=1 \
  $(1)/bin/python -m pytest -n $(WORKERS) --dist=loadfile

DEMO ?= mnist

.PHONY: train demo test test-all test-tf1 lint docs package installable bench clean python37

# The main job. More flags: make train ARGS="--preset=tuned"
train: $(VENV)/installed
	$(VENV)/bin/python launch/train.py --dataset=mnist --K=20 --D=64 $(ARGS)

# A page that shows the codes of images, of a provided model: make demo DEMO=cifar10-factorised
demo: $(VENV)/installed-demo
	rm -rf build/demo/$(DEMO)
	$(VENV)/bin/python launch/export.py --pretrained=$(DEMO) --format=web --export_dir=build/demo/$(DEMO) $(ARGS)

test: $(VENV)/installed-dev
	$(call PYTEST,$(VENV)) --no-loadscope-reorder $(ARGS)

# The same with the full counts: every property has 1,000 examples, drawn anew. Some 50 core-minutes.
# Prints which lines the tests ran in their own processes; the commands that they start are not counted.
test-all: $(VENV)/installed-dev
	$(call PYTEST,$(VENV)) --no-loadscope-reorder -m "" --hypothesis-profile=full --cov --cov-report=term $(ARGS)

# The same source on TensorFlow 1.15.5, which needs a Python 3.7, without what is tested once: see the mark in
# pyproject.toml. With it: make test-tf1 ARGS='-m "not slow"'
test-tf1: $(VENV_TF1)/installed-dev
	$(call PYTEST,$(VENV_TF1)) -m "not slow and not once" $(ARGS)

lint: $(VENV)/installed-dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

# The documentation as a site in build/site: docs/*.md and the docstrings of the public names. A warning, such as one
# about a link that leads nowhere, is an error.
docs: $(VENV)/installed-dev
	$(VENV)/bin/python -m mkdocs build --strict --quiet
	@echo "build/site/index.html"

# Builds the sdist and the wheel in dist/ and checks what they hold; installs the wheel into a fresh environment.
package: $(VENV)/installed-dev
	rm -rf dist
	$(VENV)/bin/python -m build -q --no-isolation
	$(VENV)/bin/python tools/package.py dist $(ARGS)

# Whether what is pinned is there for every Python from 3.9 to 3.11.
installable: $(VENV)/installed-dev
	$(VENV)/bin/python tools/installable.py

# Speed against the field (TensorFlow 2, PyTorch): 45 minutes on a machine that does nothing else. docs/benchmarks.md
bench: $(VENV_BENCH)/installed
	$(VENV_BENCH)/bin/python -m benchmarks.speed $(ARGS)

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "make: no Python 3.9 to 3.11 found; give PYTHON=/path/to/python" >&2; exit 1; }
	@$(PYTHON) tools/supported.py
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV_TF1)/bin/python:
	@test -n "$(PYTHON37)" || { echo "make: no Python 3.7 found; give PYTHON37=/path/to/python3.7" >&2; exit 1; }
	@$(PYTHON37) tools/supported.py
	$(PYTHON37) -m venv $(VENV_TF1) || { rm -rf $(VENV_TF1); exit 1; }

$(VENV_BENCH)/bin/python:
	@test -n "$(PYTHON)" || { echo "make: no Python 3.9 to 3.11 found; give PYTHON=/path/to/python" >&2; exit 1; }
	@$(PYTHON) tools/supported.py
	$(PYTHON) -m venv $(VENV_BENCH) || { rm -rf $(VENV_BENCH); exit 1; }

# Editable, so that the clone is what runs.
$(VENV)/installed: setup.py pyproject.toml | $(VENV)/bin/python
	$(VENV)/bin/python $(PIP) -U pip "setuptools>=64" wheel
	$(VENV)/bin/python $(PIP) -e ".[offline]"
	touch $@

$(VENV)/installed-dev: setup.py pyproject.toml | $(VENV)/bin/python
	$(VENV)/bin/python $(PIP) -U pip "setuptools>=64" wheel
	$(VENV)/bin/python $(PIP) -e ".[test,dev]"
	touch $@ $(VENV)/installed

$(VENV)/installed-demo: setup.py pyproject.toml | $(VENV)/bin/python
	$(VENV)/bin/python $(PIP) -U pip "setuptools>=64" wheel
	$(VENV)/bin/python $(PIP) -e ".[offline,onnx]"
	touch $@ $(VENV)/installed

$(VENV_TF1)/installed-dev: setup.py pyproject.toml | $(VENV_TF1)/bin/python
	$(VENV_TF1)/bin/python $(PIP) -U pip "setuptools>=64" wheel
	$(VENV_TF1)/bin/python $(PIP) -e ".[test,dev]"
	touch $@

$(VENV_BENCH)/installed: setup.py pyproject.toml | $(VENV_BENCH)/bin/python
	$(VENV_BENCH)/bin/python $(PIP) -U pip "setuptools>=64" wheel
	$(VENV_BENCH)/bin/python $(PIP) -e ".[bench]"
	touch $@

# Prints the Python 3.7 that test-tf1 would use, or an empty line.
python37:
	@echo $(PYTHON37)

clean:
	rm -rf $(VENV) $(VENV_TF1) $(VENV_BENCH) build dist *.egg-info
