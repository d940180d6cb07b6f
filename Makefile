# Everything happens in .venv; nothing else has to be installed but Python 3.11 and make.
PYTHON ?= python3
VENV := .venv/bin

.PHONY: demo test check clean

demo: .venv/exporting
	$(VENV)/tinyedge demo

test: .venv/developing
	$(VENV)/python -m pytest

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
