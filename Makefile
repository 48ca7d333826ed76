# Two commands do all the set-up: `make run` and `make test`. Everything else builds on them.

VENV ?= .venv
PY := $(VENV)/bin/python
AMIBUS := $(VENV)/bin/amibus
PYTHON ?= python3

.PHONY: run setup test check fast-test bench soak format clean services

# --- running ---------------------------------------------------------------

# Without PBX the bundled simulator plays a small office; with PBX=ami://user@host:5038 a real one is served.
run: $(VENV)/.run-ready
	@if [ -n "$(PBX)" ]; then exec $(AMIBUS) run --pbx "$(PBX)"; else exec $(AMIBUS) demo; fi

setup: $(VENV)/.run-ready

$(VENV)/.run-ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

# --- checking --------------------------------------------------------------

$(VENV)/.test-ready: pyproject.toml $(VENV)/.run-ready
	$(PY) -m pip install --quiet --disable-pip-version-check -e '.[test]'
	@touch $@

# The tests talk to a real RabbitMQ and Redis: from a Docker engine where one answers, else from Debian's packages.
services:
	sh tests/services/install.sh

test: $(VENV)/.test-ready services
	$(PY) -m pytest -m 'not soak' $(PYTEST_ARGS)

check: $(VENV)/.test-ready
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(PY) -m pytest -q tests/architecture

format: $(VENV)/.test-ready
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

bench: $(VENV)/.test-ready services
	$(PY) -m tests.benchmarks $(BENCH_ARGS)

soak: $(VENV)/.test-ready services
	$(PY) -m pytest -m soak $(PYTEST_ARGS)

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
