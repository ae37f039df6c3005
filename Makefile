# The commands to remember:
#   make demo    a shop, a broker and Funnelwatch on this machine
#   make test    all tests that can run here
#   make check   format, lint, types, import contracts
#   make boards  Grafana's dashboards and Prometheus' rules anew from grafana/mixin
#   make pictures  the README's pictures anew, from a shop whose payments break: look at them
#   make bench   the benchmarks        make lock   new lock files        make clean
#   make bench-detection   how fast and how surely, by scenario (ARGS='--scenarios S2,S5 --replicates 100')
#   make chaos   20 seeds of 3 minutes of faults, and exact counts (ARGS='--seeds 2 --seconds 60' for fewer)
# Each makes its own virtual environment in .venv; it needs only Python 3.11 to 3.13 and make.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check

# Arguments for what is run, as in: make test ARGS='-k late'
ARGS ?=
# Processes that the tests run in, a file in one of them: it may share brokers. What takes long comes first.
JOBS ?= 2

.DEFAULT_GOAL := help
.PHONY: help demo test check boards pictures bench bench-detection chaos lock clean

help:
	@sed -n 's/^#  //p' Makefile

demo: $(VENV)/.runtime
	$(BIN)/funnelwatch demo $(ARGS)

test: $(VENV)/.dev $(VENV)/.tools
	$(BIN)/python -m pytest --numprocesses=$(JOBS) --dist=loadfile --no-loadscope-reorder $(ARGS)

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/funnelwatch dashboards --check

boards: $(VENV)/.runtime
	$(BIN)/funnelwatch dashboards

pictures: $(VENV)/.dev $(VENV)/.tools
	FUNNELWATCH_PICTURES=tests/golden/pictures $(BIN)/python -m pytest tests/integration/test_pictures.py $(ARGS)

bench: $(VENV)/.dev
	$(BIN)/python -m pytest -s --timeout=0 $(if $(findstring tests/benchmarks,$(ARGS)),,tests/benchmarks) $(ARGS)

bench-detection: $(VENV)/.dev
	$(BIN)/python -m tests.benchmarks.detection $(ARGS)

chaos: $(VENV)/.dev $(VENV)/.tools
	$(BIN)/python -m tests.chaos $(ARGS)

# The locks hold for 3.11, 3.12 and 3.13 at once, and name no index.
LOCK = $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --no-emit-index-url --no-emit-find-links --extra demo --group build

lock: $(VENV)/.runtime
	$(PIP) 'uv>=0.5'
	$(LOCK) --upgrade --output-file requirements.lock
	$(LOCK) --upgrade --extra dev --constraint requirements.lock --output-file requirements-dev.lock

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage htmlcov
	find streams alerts grafana tests -name __pycache__ -type d -prune -exec rm -rf {} +

# Stamps: a file is written when a step is done, so the next call skips it.
$(VENV)/.python:
	@.ci/make-venv '$(PYTHON)' $(VENV)
	@touch $@

$(VENV)/.runtime: requirements.lock pyproject.toml $(VENV)/.python
	@echo 'Installing what Funnelwatch needs into $(VENV) ...'
	$(PIP) --require-hashes -r requirements.lock
	$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.runtime
	@echo 'Installing what its tests need ...'
	$(PIP) --require-hashes -r requirements-dev.lock
	@touch $@

# Programs that some tests drive. What cannot be had makes those tests skip, by name.
$(VENV)/.tools: .ci/install-tools $(VENV)/.python
	@.ci/install-tools
	@touch $@
