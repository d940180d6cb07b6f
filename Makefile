# Everything happens in .venv; nothing else has to be installed but Python 3.11 to 3.13 and make.
PYTHON ?= python3
VENV := .venv/bin

# What `make test` leaves to `make test-all`, by its markers: CONTRIBUTING.md tells them.
REST := long or real_data or c_engine or fashion_mnist or sshd or peers or browser or pi_emulated
# One thread for NumPy's OpenBLAS, as the command has it: tests run side by side.
PYTEST := OPENBLAS_NUM_THREADS=1 $(VENV)/python -m pytest
PARALLEL := --numprocesses auto --maxprocesses 4 --dist worksteal
PIP := $(VENV)/python -m pip --quiet --disable-pip-version-check

.PHONY: demo test test-all test-slow check wheel clean

demo: .venv/exporting
	$(VENV)/tinyedge demo

test: .venv/developing
	$(PYTEST) $(PARALLEL) -m "not ($(REST) or slow)"

test-all: test
	$(PYTEST) $(PARALLEL) -m "($(REST)) and not slow"

test-slow: .venv/developing
	$(PYTEST) -m slow

check: .venv/developing
	$(VENV)/ruff check .
	$(VENV)/ruff format --check .
	$(VENV)/mypy -p tinyedge -p benchmarks

wheel: .venv/bin/python
	$(PIP) wheel --no-deps --wheel-dir dist .

.venv/bin/python:
	$(PYTHON) -m venv .venv

# Another distribution with the package and the command tinyedge, such as this one before it was
# called tinyedge-darknet, goes first.
.venv/exporting: .venv/bin/python pyproject.toml setup.py
	$(PIP) --quiet uninstall --yes tinyedge
	$(PIP) install -e '.[export]'
	touch $@

.venv/developing: .venv/bin/python pyproject.toml setup.py
	$(PIP) --quiet uninstall --yes tinyedge
	$(PIP) install -e '.[export,dev]'
	touch $@ .venv/exporting

clean:
	rm -rf .venv build dist *.egg-info tinyedge-demo
