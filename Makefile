# Everything happens in .venv; nothing else has to be installed but Python 3.11 and make.
PYTHON ?= python3
VENV := .venv/bin

# What `make test` leaves to `make test-all`, by its markers: CONTRIBUTING.md tells them.
REST := long or real_data or c_engine or fashion_mnist or sshd or peers or pi_emulated
PYTEST := $(VENV)/python -m pytest
PARALLEL := --numprocesses auto --maxprocesses 4 --dist worksteal

.PHONY: demo test test-all test-slow check clean

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
	$(VENV)/mypy -p tinyedge

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/exporting: .venv/bin/python pyproject.toml
	$(VENV)/python -m pip install --quiet --disable-pip-version-check -e '.[export]'
	touch $@

.venv/developing: .venv/bin/python pyproject.toml
	$(VENV)/python -m pip install --quiet --disable-pip-version-check -e '.[export,dev]'
	touch $@ .venv/exporting

clean:
	rm -rf .venv build dist tinyedge.egg-info tinyedge-demo
