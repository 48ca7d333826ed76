# Two commands do all the set-up: `make run` and `make test`. Everything else builds on them.

VENV ?= .venv
PY := $(VENV)/bin/python
AMIBUS := $(VENV)/bin/amibus
PIP := $(PY) -m pip install --quiet --disable-pip-version-check
PYTHON ?= python3

.PHONY: run setup test check services coverage bench soak reference format clean

# --- running ---------------------------------------------------------------

# Without PBX the bundled simulator plays a small office; with PBX=ami://user@host:5038 a real one is served.
# Its secret is asked for, or taken from AMIBUS_SECRET.
run: $(VENV)/.run-ready
	@if [ -n "$(PBX)" ]; then exec $(AMIBUS) run --pbx "$(PBX)" --show; else exec $(AMIBUS) demo; fi

setup: $(VENV)/.run-ready

# The marker comes last: an environment that was left half-made is made anew, and nothing else is cleared.
$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo \
	  "make: $(PYTHON) is missing or older than 3.11; name another one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo \
	  "make: $(PYTHON) cannot make virtual environments; run: sudo apt-get install python3-venv" >&2; exit 1; }
	@$(PYTHON) -m venv $$([ ! -e $(VENV)/pyvenv.cfg ] || echo --clear) $(VENV)
	@touch $@

$(VENV)/.run-ready: pyproject.toml $(VENV)/.made
	@echo "installing ami-bus into $(VENV) (once; a minute or so)" >&2
	@$(PIP) -e .
	@touch $@

# --- checking --------------------------------------------------------------

$(VENV)/.test-ready: pyproject.toml $(VENV)/.run-ready
	@echo "installing what the tests need into $(VENV) (once)" >&2
	@$(PIP) -e '.[test]'
	@touch $@

# The tests talk to a real RabbitMQ, Redis and PostgreSQL: from a Docker engine where one answers, else from Debian's
# packages.
services:
	@sh tests/services/install.sh

# Two at a time: much of it is waiting for servers that are killed and come back.
TEST_WORKERS ?= 2
test: $(VENV)/.test-ready services
	$(PY) -m pytest -m 'not soak' -n $(TEST_WORKERS) --dist loadfile $(PYTEST_ARGS)

check: $(VENV)/.test-ready
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(PY) -m pytest -q tests/architecture

# The contract and the protocol are covered whole: every line, every branch.
coverage: $(VENV)/.test-ready services
	$(PY) -m pytest -q tests/schemas tests/ami --cov=schemas --cov=publisher.ami --cov-branch \
	  --cov-report=term-missing:skip-covered --cov-fail-under=100

bench: $(VENV)/.test-ready services
	$(PY) -m tests.benchmarks $(BENCH_ARGS)

soak: $(VENV)/.test-ready services
	$(PY) -m pytest -m soak $(PYTEST_ARGS)

# --- writing ---------------------------------------------------------------

format: $(VENV)/.test-ready
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

# What is generated from the code: the example configuration, the reference pages, the schemas of commands.
reference: $(VENV)/.test-ready
	$(PY) -m tests.schemas.contract_files
	$(PY) -m publisher.configuration.example
	$(PY) -m tests.architecture.reference

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
